//! Unlock codes.

use std::time::Duration;

use auth_service::{
    flows::unlock::unlock_identifier,
    models::{error::AuthError, schema::unlock_codes},
    tasks::forget_once,
};
use diesel::prelude::*;
use futures_util::future::join_all;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_db::{StoreError, sql::Bind};
use ud_kernel::{Service, UserId};

use crate::{
    attempts::{Try, attempt, register_named, set_status, strangers, unlock},
    world::{OTHER_PASSWORD, PASSWORD, World, outcome},
};

const ADA: &str = "ada@example.com";

/// A login that has to wait, from a source of its own.
fn login(n: usize, password: &str) -> Try {
    attempt(ADA, password, &format!("203.0.{n}.1"))
}

/// An account that strangers keep waiting.
pub(crate) async fn attacked(backend: Backend) -> (World, UserId) {
    let world = World::start(backend).await;
    let ada = register_named(&world, ADA, "countess").await;
    strangers(&world, ADA, 198, 55).await;
    assert_eq!(login(0, PASSWORD).status(&world).await, 429);
    (world, ada)
}

async fn rows(world: &World) -> i64 {
    let count = |c: &mut ud_db::DbConn| {
        let rows = unlock_codes::table.count().get_result(c);
        rows.map_err(StoreError::from)
    };
    world.db.read(count).await.unwrap()
}

fn by() -> serde_json::Value {
    serde_json::json!({"operator": {"uid": 1000, "name": "ada"}})
}

#[rstest]
#[actix_web::test]
async fn a_code_lets_its_owner_in_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, ada) = attacked(backend).await;
    let code = unlock(&world, ada).await;
    assert_eq!(code.len(), 8);
    let typed = format!(" {}-{} ", &code[..4].to_lowercase(), &code[4..]);
    let mut logged_in = login(1, PASSWORD).with_code(&typed).send(&world).await;
    assert_eq!(logged_in.status, 200, "{backend}");
    assert!(logged_in.body["device_token"].take().is_string());
    assert_eq!(rows(&world).await, 0);
    let replayed = login(2, PASSWORD).with_code(&code).send(&world).await;
    let without = login(2, PASSWORD).send(&world).await;
    assert_eq!(
        (replayed.status, replayed.wait),
        (429, without.wait),
        "{backend}"
    );
    // The strangers' counts are as they were.
    assert_eq!(strangers(&world, ADA, 199, 1).await, [429], "{backend}");
    let told = world.events_about(ada).await;
    assert_eq!(
        told,
        ["credentials_created", "account_unlocked"],
        "{backend}"
    );
}

#[rstest]
#[actix_web::test]
async fn of_logins_with_one_code_at_once_one_wins(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, ada) = attacked(backend).await;
    for round in 0..5 {
        let code = unlock(&world, ada).await;
        // Four of five tries, so that all of them may be hashed.
        let racing = (0..4).map(|n| {
            let login = login(10 * round + n, PASSWORD).with_code(&code);
            let world = &world;
            async move { login.status(world).await }
        });
        let mut told = join_all(racing).await;
        told.sort_unstable();
        assert_eq!(told, [200, 429, 429, 429], "{backend} {round}");
    }
}

#[rstest]
#[actix_web::test]
async fn a_code_has_five_tries_and_ten_minutes(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, ada) = attacked(backend).await;
    let code = unlock(&world, ada).await;
    // All at once: five, and not one more.
    let hashes = world.hashes().await;
    let trying = (0..20).map(|n| {
        let login = login(n, "wrong").with_code(&code);
        let world = &world;
        async move { login.status(world).await }
    });
    let told = join_all(trying).await;
    assert_eq!(
        told.iter().filter(|status| **status == 401).count(),
        5,
        "{backend}"
    );
    assert_eq!(world.hashes().await - hashes, 5, "{backend}");
    let void = login(1, PASSWORD).with_code(&code);
    assert_eq!(void.status(&world).await, 429, "{backend}");

    let code = unlock(&world, ada).await;
    world.clock.advance(Duration::from_secs(599));
    strangers(&world, ADA, 199, 5).await;
    for _ in 0..4 {
        let wrong = login(1, "wrong").with_code(&code);
        assert_eq!(wrong.status(&world).await, 401, "{backend}");
    }
    world.clock.advance(Duration::from_secs(1));
    let expired = login(2, PASSWORD).with_code(&code);
    assert_eq!(expired.status(&world).await, 429, "{backend}");
    forget_once(&world.other_process()).await.unwrap();
    assert_eq!(rows(&world).await, 0, "{backend}");
}

#[rstest]
#[actix_web::test]
async fn a_code_is_good_for_one_account_and_one_epoch_and_the_newest_alone(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, ada) = attacked(backend).await;
    let bob = world.register("bob@example.com").await;
    let bobs = unlock(&world, bob).await;
    assert_eq!(
        login(1, PASSWORD).with_code(&bobs).status(&world).await,
        429,
        "{backend}"
    );
    let (first, second) = (unlock(&world, ada).await, unlock(&world, ada).await);
    assert_ne!(first, second);
    assert_eq!(
        login(1, PASSWORD).with_code(&first).status(&world).await,
        429,
        "{backend}"
    );
    set_status(&world, ada, "suspended", 5).await;
    set_status(&world, ada, "active", 6).await;
    let ended = login(1, PASSWORD).with_code(&second);
    assert_eq!(
        ended.status(&world).await,
        429,
        "{backend}: of an older epoch"
    );
    let third = unlock(&world, ada).await;
    let by_username = attempt("countess", PASSWORD, "203.0.1.1").with_code(&third);
    assert_eq!(by_username.status(&world).await, 200, "{backend}");
    // A suspension ends a code as it ends devices.
    let fourth = unlock(&world, ada).await;
    set_status(&world, ada, "suspended", 7).await;
    assert_eq!(
        login(3, PASSWORD).with_code(&fourth).status(&world).await,
        429
    );
}

#[rstest]
#[actix_web::test]
async fn nobody_can_tell_whether_there_is_a_code(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, ada) = attacked(backend).await;
    register_named(&world, "bob@example.com", "builder").await;
    strangers(&world, "bob@example.com", 197, 55).await;
    strangers(&world, "nobody@example.com", 196, 55).await;
    unlock(&world, ada).await;
    for code in ["22222222", "ABCDEFGH", "no code", "", "\u{0}"] {
        let mut told = Vec::new();
        for identifier in [ADA, "bob@example.com", "nobody@example.com"] {
            for password in [PASSWORD, OTHER_PASSWORD] {
                let login = attempt(identifier, password, "203.0.113.1").with_code(code);
                let answer = login.send(&world).await;
                told.push((answer.status, answer.body["code"].clone()));
            }
        }
        let limited = (429, json!("request.rate-limited"));
        assert!(
            told.iter().all(|one| *one == limited),
            "{backend} {code:?}: {told:?}"
        );
    }
    let over = attempt(ADA, PASSWORD, "203.0.113.1").with_code(&"2".repeat(33));
    assert_eq!(over.status(&world).await, 422);
}

#[rstest]
#[actix_web::test]
async fn the_machine_unlocks_by_identifier_and_tells_who_did(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, ada) = attacked(backend).await;
    let state = world.other_process();
    let (user, code) = unlock_identifier(&state, " Countess ", &by())
        .await
        .unwrap();
    assert_eq!(user, ada);
    let unlocked = login(1, PASSWORD).with_code(code.as_str());
    assert_eq!(unlocked.status(&world).await, 200, "{backend}");
    let events = world.events().await;
    let event = events
        .iter()
        .find(|e| e.kind.to_string() == "account_unlocked");
    let event = event.unwrap();
    assert_eq!(event.data.details["operator"]["name"], "ada", "{backend}");
    assert_eq!(event.data.actor_id, None);
    let all = serde_json::to_string(&events).unwrap();
    assert!(!all.contains(code.as_str()), "the code is nowhere");
    for nobody in ["nobody@example.com", "", "a@b@c"] {
        let refused = unlock_identifier(&state, nobody, &by()).await.unwrap_err();
        assert!(matches!(refused, AuthError::CredentialNotFound), "{nobody}");
    }
}

#[actix_web::test]
async fn only_accounts_that_exist_are_unlocked() {
    let world = World::start(Backend::Sqlite).await;
    let ada = world.register(ADA).await;
    let origin = json!({"origin": {"request_id": "r-9", "ip": "192.0.2.7"}});
    let ask = async |user: UserId| {
        let path = format!("/internal/v1/credentials/{user}/unlock");
        let request = world.call(Service::Profile, Method::POST, &path);
        outcome(request.json(&origin)).await
    };
    let not_found = (404, "auth.credential-not-found".to_owned());
    assert_eq!(ask(world.new_user()).await, not_found);
    assert_eq!(ask(ada).await.0, 200);
    set_status(&world, ada, "deleted", 5).await;
    assert_eq!(rows(&world).await, 0, "gone with the account");
    assert_eq!(ask(ada).await, not_found);
}

#[actix_web::test]
async fn a_code_of_a_clock_that_was_ahead_is_none() {
    let (world, ada) = attacked(Backend::Sqlite).await;
    let code = unlock(&world, ada).await;
    let ahead = world.clock.now().plus(Duration::from_secs(86_400));
    let set = move |c: &mut ud_db::DbConn| {
        let set = diesel::update(unlock_codes::table).set(unlock_codes::expires_at.eq(Bind(ahead)));
        set.execute(c).map_err(StoreError::from)
    };
    world.db.tx(set).await.unwrap();
    assert_eq!(
        login(1, PASSWORD).with_code(&code).status(&world).await,
        429
    );
    forget_once(&world.other_process()).await.unwrap();
    assert_eq!(rows(&world).await, 0);
}
