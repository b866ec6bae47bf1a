//! The password again, in a session that goes on; and what is done only by those who gave it lately.

use std::time::Duration;

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_kernel::Service;

use crate::{
    peers::Refuse,
    world::{OTHER_PASSWORD, PASSWORD, World, auth_time, outcome, read, text},
};

const EMAIL: &str = "ada@example.com";

async fn logged_in(backend: Backend) -> (World, Value) {
    let world = World::start(backend).await;
    world.register(EMAIL).await;
    let tokens = world.login(EMAIL, PASSWORD).await;
    (world, tokens)
}

#[rstest]
#[actix_web::test]
async fn the_session_goes_on_with_a_new_auth_time(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, first) = logged_in(backend).await;
    world.clock.advance(Duration::from_secs(600));
    let (_, second) = world.refresh(&first["refresh_token"]).await;
    assert_eq!(
        auth_time(&second),
        auth_time(&first),
        "a refresh proves nothing"
    );
    let (status, third) = read(world.reauthenticate(&second, PASSWORD)).await;
    assert_eq!(status, 200, "{backend}: {third}");
    assert_eq!(third["session_id"], first["session_id"]);
    assert_eq!(auth_time(&third), auth_time(&first) + 600);
    assert_eq!(world.validate(&third["access_token"]).await, 200);
    // It keeps it through refreshes.
    world.clock.advance(Duration::from_secs(60));
    let (_, fourth) = world.refresh(&third["refresh_token"]).await;
    assert_eq!(auth_time(&fourth), auth_time(&third), "{backend}");
}

#[actix_web::test]
async fn a_tab_that_refreshed_first_takes_nothing_from_it() {
    let (world, first) = logged_in(Backend::Sqlite).await;
    world.clock.advance(Duration::from_secs(600));
    let (_, refreshed) = world.refresh(&first["refresh_token"]).await;
    let (status, renewed) = read(world.reauthenticate(&first, PASSWORD)).await;
    assert_eq!(status, 200);
    assert_eq!(renewed["refresh_token"], refreshed["refresh_token"]);
    assert_eq!(auth_time(&renewed), auth_time(&first) + 600);
}

#[rstest]
#[actix_web::test]
async fn a_wrong_password_rotates_nothing_and_counts_as_a_failed_login(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, tokens) = logged_in(backend).await;
    for _ in 0..5 {
        let refused = outcome(world.reauthenticate(&tokens, OTHER_PASSWORD)).await;
        assert_eq!(refused, (401, "auth.invalid-credentials".to_owned()));
    }
    for password in [OTHER_PASSWORD, PASSWORD] {
        let refused = outcome(world.reauthenticate(&tokens, password)).await;
        assert_eq!(
            refused,
            (429, "request.rate-limited".to_owned()),
            "{backend}"
        );
    }
    let (status, _) = world.try_login(EMAIL, PASSWORD).await;
    assert_eq!(
        status, 200,
        "{backend}: a login from a known source is counted apart"
    );
    assert!(world.peers.with(|s| s.rotated.is_empty()));
    assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 200);
}

#[actix_web::test]
async fn an_outage_costs_nothing() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    world.peers.with(|s| s.role_down = true);
    let refused = outcome(world.reauthenticate(&tokens, PASSWORD)).await;
    assert_eq!(refused, (503, "server.dependency-unavailable".to_owned()));
    world.peers.with(|s| s.role_down = false);
    world.peers.refuse(&[Refuse::Down]);
    assert_eq!(read(world.reauthenticate(&tokens, PASSWORD)).await.0, 503);
    assert_eq!(read(world.reauthenticate(&tokens, PASSWORD)).await.0, 200);
}

#[actix_web::test]
async fn a_session_that_was_closed_meanwhile_stays_closed() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    let mut gate = world.gates.hold_at("reauthenticate.checked");
    let again = actix_web::rt::spawn(outcome(world.reauthenticate(&tokens, PASSWORD)));
    let held = gate.arrived().await;
    let logout = world
        .post("/api/v1/auth/logout", &json!({}))
        .bearer_auth(text(&tokens["access_token"]));
    assert_eq!(read(logout).await.0, 204);
    held.release();
    let refused = again.await.unwrap();
    assert_eq!(refused, (401, "auth.refresh-token-invalid".to_owned()));
}

#[actix_web::test]
async fn a_password_that_was_changed_meanwhile_is_looked_at_again() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    let other = world.login(EMAIL, PASSWORD).await;
    let mut gate = world.gates.hold_at("reauthenticate.checked");
    let again = actix_web::rt::spawn(outcome(world.reauthenticate(&tokens, PASSWORD)));
    let held = gate.arrived().await;
    let change = world.change_password(&other, PASSWORD, OTHER_PASSWORD);
    assert_eq!(read(change).await.0, 200);
    drop(gate);
    held.release();
    // The change closed this session, so whatever the old password says: nobody gets tokens for it.
    assert_eq!(again.await.unwrap().0, 401);
}

#[actix_web::test]
async fn a_suspended_user_is_told_so_only_for_the_right_password() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    let user = text(&tokens["user_id"]).to_owned();
    let path = format!("/internal/v1/credentials/{user}/status");
    let body = json!({"status": "suspended", "sequence": 2, "origin": {"request_id": "r"}});
    // The session is still open: session has not heard of it.
    world.peers.with(|s| s.deaf = true);
    let suspend = world.call(Service::Profile, Method::PUT, &path).json(&body);
    let _ = suspend.send().await.unwrap();
    let refused = outcome(world.reauthenticate(&tokens, OTHER_PASSWORD)).await;
    assert_eq!(refused, (401, "auth.invalid-credentials".to_owned()));
    let refused = outcome(world.reauthenticate(&tokens, PASSWORD)).await;
    assert_eq!(refused, (403, "auth.account-suspended".to_owned()));
    assert!(world.peers.with(|s| s.rotated.is_empty()));
}

#[actix_web::test]
async fn keys_and_other_sessions_need_a_recent_login() {
    let (world, _) = logged_in(Backend::Sqlite).await;
    world.peers.holds(&["*"]);
    let tokens = world.login(EMAIL, PASSWORD).await;
    let everything = json!({"all": true});
    let operations = [
        ("/api/v1/auth/keys/rotate", json!({})),
        ("/api/v1/auth/keys/nobody/revoke", json!({})),
        ("/api/v1/auth/logout", everything),
    ];
    let ask = |tokens: &Value, (path, body): &(&str, Value)| {
        world
            .post(path, body)
            .bearer_auth(text(&tokens["access_token"]))
    };
    world.clock.advance(Duration::from_secs(300));
    let (_, old) = world.refresh(&tokens["refresh_token"]).await;
    for operation in &operations {
        let answer = ask(&old, operation).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{operation:?}");
        assert_eq!(
            answer.headers()["www-authenticate"],
            "Bearer error=\"insufficient_user_authentication\", max_age=300"
        );
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], "auth.reauthentication-required");
    }
    assert_eq!(world.validate(&old["access_token"]).await, 200);
    // To end the session that asks, nobody is asked for a password.
    let own = world.login(EMAIL, PASSWORD).await;
    world.clock.advance(Duration::from_secs(300));
    let logout = ("/api/v1/auth/logout", json!({}));
    assert_eq!(outcome(ask(&own, &logout)).await.0, 204);

    let (status, fresh) = read(world.reauthenticate(&old, PASSWORD)).await;
    assert_eq!(status, 200, "{fresh}");
    world.clock.advance(Duration::from_secs(299));
    for (operation, expected) in operations.iter().zip([202, 404, 204]) {
        let (status, code) = outcome(ask(&fresh, operation)).await;
        assert_eq!(status, expected, "{operation:?}: {code}");
    }
}
