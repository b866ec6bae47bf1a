//! Sessions of the version before, which kept neither the times of rotations nor late repetitions: they go on, and it
//! understands those of this one.

use std::collections::HashMap;

use diesel::prelude::*;
use rstest::rstest;
use session_service::models::session::Refusal;
use ud_config::DatabaseConfig;
use ud_db::{Db, StoreError};
use ud_kernel::{Service, models::SessionGrant};

use crate::support::{
    Backend::{self, Redis, Sqlite},
    Fixture, START, millis, refusal, rotation, secs, user,
};

/// Members that the version before does not write.
const NEW: [&str; 4] = ["rotated", "late_counter", "late_count", "late_source"];

/// Does to the one session there is what a rotation of the version before does: the counter goes on, the new members stay as
/// they are. `forget` takes them away, as of a session that this version has never rotated.
async fn as_rotated_before(fx: &Fixture, grant: &SessionGrant, counter: i64, forget: bool) {
    let seen = START.plus(secs(600));
    if let Some(namespace) = &fx.namespace {
        let client = redis::Client::open(testkit::redis_url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let key = format!("{namespace}:session:{}", grant.session_id);
        let mut set = redis::cmd("HSET");
        set.arg(&key)
            .arg("counter")
            .arg(counter)
            .arg("last_seen_at");
        set.arg(seen.as_millis()).exec(&mut connection).unwrap();
        if forget {
            redis::cmd("HDEL")
                .arg(&key)
                .arg(&NEW)
                .exec(&mut connection)
                .unwrap();
        }
        return;
    }
    let forgotten = "rotated = '', late_counter = 0, late_count = 0, late_source = ''";
    let more = if forget {
        format!(", {forgotten}")
    } else {
        String::new()
    };
    let sql = format!("UPDATE sessions SET counter = {counter}, last_seen_at = '{seen}'{more}");
    let options = DatabaseConfig {
        url: fx.sqlite_url().into(),
        pool_size: 1,
        acquire_timeout: secs(20),
        auto_migrate: false,
        migration_url: None,
    };
    let db = Db::open_unlocked(&options, Service::Session).unwrap();
    let update = move |conn: &mut ud_db::DbConn| {
        let sql = diesel::sql_query(&sql);
        sql.execute(conn).map_err(StoreError::from)
    };
    assert_eq!(db.tx(update).await.unwrap(), 1);
}

#[rstest]
#[case(Redis, true)]
#[case(Redis, false)]
#[case(Sqlite, true)]
#[case(Sqlite, false)]
#[tokio::test]
async fn a_session_rotated_by_the_version_before_goes_on(
    #[case] backend: Backend,
    #[case] forget: bool,
) {
    // The token, and when it comes: the counter it gets, or none.
    for (back, at, expected) in [
        (0, secs(86_400), Some(8)),
        (1, secs(601), Some(7)),
        (1, millis(609_999), Some(7)),
        // Long after: a lost answer.
        (1, secs(86_400), Some(7)),
        // Nobody knows when it was rotated.
        (2, secs(601), None),
    ] {
        let fx = backend.open().await;
        let user = user();
        let first = fx.log_in(user, START).await;
        let second = fx
            .store
            .rotate(rotation(&first, user, START.plus(secs(300))))
            .await
            .unwrap();
        fx.store
            .rotate(rotation(&second, user, START.plus(secs(301))))
            .await
            .unwrap();
        as_rotated_before(&fx, &first, 7, forget).await;
        let mut request = rotation(&first, user, START.plus(at));
        request.counter = 7 - back;
        let got = fx.store.rotate(request).await;
        let Some(counter) = expected else {
            assert_eq!(refusal(got), Refusal::Closed, "{back}");
            continue;
        };
        let got = got.unwrap();
        assert_eq!(got.counter, counter, "{back} {at:?}");
        // And on: the rotation from here is known, those of before are not.
        let next = fx
            .store
            .rotate(rotation(&got, user, START.plus(at)))
            .await
            .unwrap();
        let again = fx
            .store
            .rotate(rotation(&got, user, START.plus(at)))
            .await
            .unwrap();
        assert_eq!((next.counter, &again), (counter + 1, &next));
    }
}

/// What the version before reads of a session is where it was, in its form.
#[tokio::test]
async fn the_version_before_reads_what_this_one_writes() {
    let fx = Redis.open().await;
    let user = user();
    let first = fx.log_in(user, START).await;
    fx.store
        .rotate(rotation(&first, user, START.plus(secs(300))))
        .await
        .unwrap();
    fx.store
        .rotate(rotation(&first, user, START.plus(secs(900))))
        .await
        .unwrap();
    let namespace = fx.namespace.clone().unwrap();
    let client = redis::Client::open(testkit::redis_url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let key = format!("{namespace}:session:{}", first.session_id);
    let mut found: HashMap<String, String> = redis::cmd("HGETALL")
        .arg(key)
        .query(&mut connection)
        .unwrap();
    for name in NEW {
        assert!(found.remove(name).is_some(), "{name}");
    }
    let mut names: Vec<_> = found.keys().map(String::as_str).collect();
    names.sort_unstable();
    let of_before = [
        "absolute",
        "access_expires_at",
        "amr",
        "authenticated_at",
        "counter",
        "created_at",
        "epoch",
        "event_seq",
        "expires_at",
        "id",
        "idle",
        "incarnation",
        "ip",
        "issued_at",
        "key_id",
        "last_seen_at",
        "latest_expiry",
        "nonce_hash",
        "user_agent",
        "user_id",
    ];
    assert_eq!(names, of_before);
}
