//! Tries of others, and what they leave to somebody at the same address, or about the same account.

use std::time::Duration;

use auth_service::{
    flows::check_password::{Account, PasswordAttempt, check_password},
    models::throttle,
};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_config::keys;
use ud_kernel::{Service, Source, models::Provenance};

use crate::{
    attempts::attempt,
    throttling::ADA,
    world::{PASSWORD, World, limit},
};

/// A neighbour that uses up what the address has is nothing to a device that has been here before.
#[actix_web::test]
async fn a_known_device_logs_in_beside_a_flood_of_its_neighbours() {
    let world = World::start_with(Backend::Sqlite, |config, _| {
        let limits = &mut config.limits.operations;
        limits.set(&keys::LIMIT_LOGIN, limit(3, 60));
        limits.set(&keys::LIMIT_LOGIN_DEVICE, limit(2, 60));
    })
    .await;
    world.register(ADA).await;
    let here = "192.0.2.1";
    let token = attempt(ADA, PASSWORD, here).device_token(&world).await;
    for _ in 0..2 {
        let rubbish = attempt("nobody@example.com", "wrong", here);
        assert_eq!(rubbish.status(&world).await, 401);
    }
    // A forged token is as none.
    let forged = attempt(ADA, PASSWORD, here).with_token(&json!("udd_AAAA"));
    for other in [attempt(ADA, PASSWORD, here), forged] {
        assert_eq!(other.status(&world).await, 429);
    }
    let known = attempt(ADA, PASSWORD, here).with_token(&token);
    for expected in [200, 200, 429] {
        assert_eq!(known.status(&world).await, expected);
    }
}

/// Whoever resets the connection once the password is being looked at has had a hash computed all the same.
#[rstest]
#[actix_web::test]
async fn a_try_that_is_given_up_is_charged_to_its_source(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let mut state = world.other_process();
    state.failpoints = world.gates.failpoints();
    let mut gate = world.gates.hold_at("password.counted");
    let source = Source::of("192.0.2.1".parse().unwrap());
    let tried = PasswordAttempt {
        account: Account::Named("nobody@example.com".to_owned()),
        password: "wrong".to_owned().into(),
        device_token: None,
        unlock_code: None,
        source,
        origin: Provenance::default(),
    };
    let asking = tokio::spawn({
        let state = state.clone();
        async move { check_password(&state, &tried, &mut None).await.map(drop) }
    });
    gate.arrived().await.abandon();
    asking.abort();
    let judged = state
        .throttle
        .attempt(None, "nobody@example.com", None, source);
    let counts = async || {
        let names = judged.names();
        let read = state
            .db
            .read(move |conn| throttle::store::find_all(conn, &names));
        read.await.unwrap().len()
    };
    // What was typed from there, the identifier from everywhere, by either name; and the source.
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while counts().await < judged.names().len() {
        assert!(std::time::Instant::now() < end, "{backend}: never charged");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An account that begins, or ends, while strangers wait: they wait on, and cannot tell.
#[rstest]
#[actix_web::test]
async fn an_account_that_begins_changes_no_strangers_wait(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start_with(backend, |config, _| {
        config.limits.throttle.account = limit(3, 1800);
    })
    .await;
    for n in 0..3 {
        let stranger = attempt(ADA, "wrong", &format!("192.0.{n}.1"));
        assert_eq!(stranger.status(&world).await, 401, "{backend}");
    }
    let fresh = |n: u8| attempt(ADA, "wrong", &format!("198.51.{n}.1"));
    assert_eq!(fresh(0).status(&world).await, 429, "{backend}: nobody's");
    let ada = world.register(ADA).await;
    assert_eq!(fresh(1).status(&world).await, 429, "{backend}: somebody's");
    let path = format!("/internal/v1/credentials/{ada}/status");
    let deleted = json!({"status": "deleted", "sequence": 5, "origin": {"request_id": "r"}});
    let request = world.call(Service::Profile, Method::PUT, &path);
    let answer = request.json(&deleted).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        fresh(2).status(&world).await,
        429,
        "{backend}: nobody's again"
    );
}
