use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;

use crate::{
    peers::Refuse,
    world::{OTHER_PASSWORD, PASSWORD, World, auth_time, outcome, read, registration, text},
};

async fn logged_in(backend: Backend) -> (World, Value) {
    let world = World::start(backend).await;
    let body = registration("ada.lovelace@example.com", Some("countess"), PASSWORD);
    assert_eq!(world.put(world.new_user(), &body).await.status(), 201);
    let tokens = world.login("countess", PASSWORD).await;
    (world, tokens)
}

#[rstest]
#[actix_web::test]
async fn the_other_sessions_end_and_this_one_goes_on(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, tokens) = logged_in(backend).await;
    let other = world.login("countess", PASSWORD).await;
    world.clock.advance(Duration::from_secs(600));
    let change = world.change_password(&tokens, PASSWORD, OTHER_PASSWORD);
    let answer = change.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("revocation"));
    let renewed: Value = answer.json().await.unwrap();
    assert_eq!(renewed["session_id"], tokens["session_id"]);
    assert_eq!(auth_time(&renewed), auth_time(&tokens) + 600);
    assert_eq!(
        world.refresh(&other["refresh_token"]).await.0,
        401,
        "{backend}"
    );
    // A copy of the old refresh token is as old as after any refresh.
    let (status, again) = world.refresh(&tokens["refresh_token"]).await;
    assert_eq!(status, 200, "{backend}");
    assert_eq!(again["refresh_token"], renewed["refresh_token"]);
    let (status, _) = world.refresh(&renewed["refresh_token"]).await;
    assert_eq!(status, 200, "{backend}");
    assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 401);
    assert_eq!(world.try_login("countess", PASSWORD).await.0, 401);
    world.login("countess", OTHER_PASSWORD).await;
    let user = text(&tokens["user_id"]).parse().unwrap();
    assert_eq!(
        world.events_about(user).await,
        [
            "credentials_created",
            "password_changed",
            "credentials_epoch_raised"
        ]
    );
    let closed = world.peers.with(|s| s.closed.last().unwrap().clone());
    assert_eq!(closed.min_epoch, Some(2));
    assert_eq!(
        closed.except_session_id.unwrap().to_string(),
        text(&tokens["session_id"])
    );
}

#[actix_web::test]
async fn what_the_session_service_did_not_hear_is_pending() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    world.peers.with(|s| s.deaf = true);
    let change = world.change_password(&tokens, PASSWORD, OTHER_PASSWORD);
    let answer = change.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["revocation"]),
        (204, &"pending".parse().unwrap())
    );
    world.peers.with(|s| s.deaf = false);
    let told = world
        .until(async || world.peers.with(|s| s.events.first().cloned()))
        .await;
    assert_eq!(
        Value::Object(told.data.details),
        json!({"min_epoch": 2, "except_session_id": tokens["session_id"]})
    );
}

#[actix_web::test]
async fn a_change_stands_when_the_session_cannot_be_renewed() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    // The others are closed, then the rotation fails.
    world.peers.refuse(&[Refuse::Down]);
    let change = world.change_password(&tokens, PASSWORD, OTHER_PASSWORD);
    let answer = change.send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert!(!answer.headers().contains_key("revocation"));
    assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 200);
    world.login("countess", OTHER_PASSWORD).await;
}

#[actix_web::test]
async fn the_refresh_token_is_of_the_session_that_asks() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    let other = world.login("countess", PASSWORD).await;
    world.register("mallory@example.com").await;
    let stranger = world.login("mallory@example.com", PASSWORD).await;
    let hashes = world.hashes().await;
    for refresh in [
        &other["refresh_token"],
        &stranger["refresh_token"],
        &json!("udr_x"),
    ] {
        let mixed = json!({"access_token": tokens["access_token"], "refresh_token": refresh});
        for request in [
            world.change_password(&mixed, PASSWORD, OTHER_PASSWORD),
            world.reauthenticate(&mixed, PASSWORD),
        ] {
            let refused = outcome(request).await;
            assert_eq!(refused, (401, "auth.refresh-token-invalid".to_owned()));
        }
    }
    assert_eq!(world.hashes().await, hashes, "no password was looked at");
    assert!(world.peers.with(|s| s.rotated.is_empty()));
    world.login("countess", PASSWORD).await;
}

#[rstest]
#[actix_web::test]
async fn a_wrong_current_password_counts_as_a_failed_login(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, tokens) = logged_in(backend).await;
    let attempt = |current: &str| outcome(world.change_password(&tokens, current, OTHER_PASSWORD));
    for _ in 0..5 {
        assert_eq!(
            attempt("wrong").await,
            (401, "auth.invalid-credentials".to_owned())
        );
    }
    assert_eq!(
        attempt("wrong").await,
        (429, "request.rate-limited".to_owned())
    );
    assert_eq!(
        attempt(PASSWORD).await,
        (429, "request.rate-limited".to_owned()),
        "{backend}"
    );
    let (status, _) = world.try_login("ada.lovelace@example.com", PASSWORD).await;
    assert_eq!(
        status, 200,
        "{backend}: a login from a known source is counted apart"
    );
}

#[actix_web::test]
async fn the_policy_refuses_with_reasons() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    for (new, code) in [
        ("short", "password.too-short"),
        ("password123password", "password.common"),
        ("aaaaaaaaaaaaaaaaaaaaaaab", "password.guessable"),
        ("my-ada.lovelace-9-quilt", "password.contains-context"),
        ("the countess of 9 quilts", "password.contains-context"),
        ("nul\0in the middle of it", "password.invalid-character"),
        (&"x1-".repeat(100), "password.too-long"),
    ] {
        let (status, body) = read(world.change_password(&tokens, PASSWORD, new)).await;
        assert_eq!(status, 422, "{new}");
        assert_eq!(body["errors"][0]["pointer"], "/new_password");
        assert_eq!(body["errors"][0]["code"], code, "{new}");
    }
    world.login("countess", PASSWORD).await;
}

#[rstest]
#[actix_web::test]
async fn of_changes_at_once_one_password_stays(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, tokens) = logged_in(backend).await;
    let news: Vec<String> = (0..4).map(|n| format!("{OTHER_PASSWORD} {n}")).collect();
    let changing = news
        .iter()
        .map(|new| outcome(world.change_password(&tokens, PASSWORD, new)));
    let outcomes = futures_util::future::join_all(changing).await;
    let done = outcomes.iter().filter(|o| o.0 == 200).count();
    assert_eq!(done, 1, "{backend}: {outcomes:?}");
    // Who lost had a wrong password by then, and that counts.
    world.clock.advance(Duration::from_secs(900));
    let mut opened = 0;
    for new in &news {
        opened += usize::from(world.try_login("countess", new).await.0 == 200);
    }
    assert_eq!(opened, 1);
}
