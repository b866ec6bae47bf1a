//! The same request twice is one record.

use std::time::Duration;

use diesel::prelude::*;
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_db::StoreError;
use ud_kernel::{UserId, models::Provenance};
use user_audit_service::models::{
    error::AuditError, record::ClientRecord, record_flow::RecordFlow, record_store::Record,
    schema::idempotency_keys,
};

use crate::world::{World, client, flow, open, user};

const KEY: &str = "key-0123456789-abc";
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn create(
    flow: &RecordFlow,
    client: &ClientRecord,
    writer: UserId,
    key: Option<&str>,
) -> Result<Record, AuditError> {
    let origin = Provenance::default();
    flow.create(client.clone(), writer, &origin, key.map(str::to_owned))
        .await
}

#[derive(Debug, diesel::QueryableByName)]
struct Secret {
    #[diesel(sql_type = diesel::sql_types::Text)]
    sealed_key: String,
}

#[rstest]
#[tokio::test]
async fn a_key_stands_for_one_body_of_one_user(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let backend = world.database.backend;
    let (ann, bob) = (user(), user());
    let flow = &world.flow;
    let first = create(flow, &client("a"), ann, Some(KEY)).await.unwrap();
    let again = create(flow, &client("a"), ann, Some(KEY)).await.unwrap();
    assert_eq!(first, again, "{backend}");

    let mut spelled = client("a");
    spelled.metadata = json!({"total": 12.0}).as_object().cloned();
    let same = create(flow, &spelled, ann, Some(KEY)).await.unwrap();
    assert_eq!(first, same, "{backend}: the same number");

    let mut other = client("a");
    other.target_id = "o-2".to_owned();
    for other in [other, client("b")] {
        let reused = create(flow, &other, ann, Some(KEY)).await;
        assert!(matches!(reused, Err(AuditError::KeyReused)), "{backend}");
    }
    assert_eq!(world.log().await.len(), 1);

    let bobs = create(flow, &client("a"), bob, Some(KEY)).await.unwrap();
    let other_key = create(flow, &client("a"), ann, Some(&format!("{KEY}x")))
        .await
        .unwrap();
    let without = create(flow, &client("a"), ann, None).await.unwrap();
    let without_again = create(flow, &client("a"), ann, None).await.unwrap();
    let log = world.log().await;
    let expected = [first, bobs, other_key, without, without_again];
    assert_eq!(log, expected, "{backend}");
}

#[rstest]
#[tokio::test]
async fn a_key_is_forgotten_after_a_day(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let backend = world.database.backend;
    let ann = user();
    let record = async |action| create(&world.flow, &client(action), ann, Some(KEY)).await;
    let first = record("a").await.unwrap();
    world.clock.advance(DAY - Duration::from_millis(1));
    assert_eq!(record("a").await.unwrap(), first, "{backend}");
    assert!(matches!(record("b").await, Err(AuditError::KeyReused)));
    world.clock.advance(Duration::from_millis(1));
    let second = record("b").await.unwrap();
    assert_ne!(second.id, first.id, "{backend}");
    assert_eq!(record("b").await.unwrap(), second, "{backend}");
    assert_eq!(world.log().await.len(), 2, "{backend}");
}

#[rstest]
#[tokio::test]
async fn old_keys_go_a_few_at_a_time(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ann = user();
    let make = async |name: String| {
        create(&world.flow, &client("a"), ann, Some(&name))
            .await
            .unwrap();
    };
    for n in 0..40 {
        make(format!("an-old-key-{n:08}")).await;
    }
    world.clock.advance(DAY);
    let mut left = Vec::new();
    for n in 0..4 {
        make(format!("a-new-key-{n:08}")).await;
        left.push(count_keys(&world).await);
    }
    // Never all at once: what an idle night left behind must not outlast a statement's time.
    assert_eq!(left, [25, 10, 3, 4], "{}", world.database.backend);
}

async fn count_keys(world: &World) -> i64 {
    let count: Result<i64, StoreError> = world
        .db
        .read(|conn| Ok(idempotency_keys::table.count().get_result(conn)?))
        .await;
    count.unwrap()
}

#[rstest]
#[tokio::test]
async fn requests_at_the_same_moment_make_one_record(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let backend = world.database.backend;
    // Two replicas, neither of which has yet read the secret that keys are stored under.
    let flows = [
        world.flow.clone(),
        flow(&open(&world.database.url), &world.clock, &world.sealer),
    ];
    let ann = user();
    let requests: Vec<_> = (0..32)
        .map(|n| {
            let flow = flows[n % 2].clone();
            tokio::spawn(async move { create(&flow, &client("a"), ann, Some(KEY)).await })
        })
        .collect();
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.unwrap().unwrap());
    }
    let log = world.log().await;
    assert_eq!(log.len(), 1, "{backend}");
    assert!(answers.iter().all(|a| *a == log[0]), "{backend}");
}

#[rstest]
#[tokio::test]
async fn neither_key_nor_body_is_stored(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let mut body = client("a");
    body.metadata = json!({"note": "hunter2hunter2"}).as_object().cloned();
    let record = create(&world.flow, &body, user(), Some(KEY)).await.unwrap();
    let stored: Result<(Vec<_>, Vec<Secret>), StoreError> = world
        .db
        .read(|conn| {
            let keys = idempotency_keys::table
                .select((
                    idempotency_keys::id,
                    idempotency_keys::fingerprint,
                    idempotency_keys::record_id,
                ))
                .load::<(String, String, ud_kernel::RecordId)>(conn)?;
            let secrets = diesel::sql_query("SELECT sealed_key FROM server_keys");
            let secrets: Vec<Secret> = secrets.load(conn)?;
            Ok((keys, secrets))
        })
        .await;
    let (keys, secrets) = stored.unwrap();
    let [(id, fingerprint, record_id)] = &keys[..] else {
        panic!("{keys:?}");
    };
    let is_hmac = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(is_hmac(id) && is_hmac(fingerprint), "{keys:?}");
    assert_eq!(*record_id, record.id);
    assert!(
        secrets.len() == 1 && secrets[0].sealed_key.starts_with("v1.k1."),
        "the key is sealed"
    );
}
