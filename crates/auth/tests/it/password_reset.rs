//! `admin reset` (SECURITY rule 13).

use auth_service::{flows::reset_password::reset_password, models::error::AuthError};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_kernel::Service;

use crate::world::{PASSWORD, World, registration};

fn by() -> Value {
    json!({"operator": {"uid": 0, "name": "root"}})
}

async fn ada(backend: Backend) -> (World, ud_kernel::UserId) {
    let world = World::start(backend).await;
    let user = world.new_user();
    let body = registration("ada.lovelace@example.com", Some("countess"), PASSWORD);
    assert_eq!(world.put(user, &body).await.status(), 201);
    (world, user)
}

#[rstest]
#[actix_web::test]
async fn a_reset_gives_a_new_password_and_ends_every_session(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, user) = ada(backend).await;
    let tokens = world.login("countess", PASSWORD).await;
    // Somebody guesses until the owner cannot log in either.
    for _ in 0..10 {
        world.try_login("Ada.Lovelace@example.com", "wrong").await;
    }
    let email = "ada.lovelace@example.com";
    assert_eq!(world.try_login(email, PASSWORD).await.0, 429, "{backend}");

    let state = world.other_process();
    let (reset, password) = reset_password(&state, " ADA.Lovelace@example.com ", false, &by())
        .await
        .unwrap();
    assert_eq!(reset, user);
    assert!(password.chars().count() >= 24);
    // What was counted for a known source counts no more: the epoch has ended that evidence.
    assert_eq!(world.try_login(email, PASSWORD).await.0, 401, "{backend}");
    world.login(email, &password).await;
    // Until the running service has told session of the new epoch, nobody refreshes.
    assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 503);
    let told = world.events_about(user).await;
    assert_eq!(
        told,
        [
            "credentials_created",
            "password_reset",
            "credentials_epoch_raised"
        ],
        "{backend}"
    );
    let events = world.events().await;
    let reset = events
        .iter()
        .find(|e| e.kind.to_string() == "password_reset");
    assert_eq!(reset.unwrap().data.details["operator"]["name"], "root");
    let (_, second) = reset_password(&state, "countess", false, &by())
        .await
        .unwrap();
    assert_ne!(*password, *second);
}

#[rstest]
#[actix_web::test]
async fn who_cannot_log_in_is_not_reset(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, user) = ada(backend).await;
    let state = world.other_process();
    for nobody in ["nobody@example.com", "nobody", "", "+15550100", "a@b@c"] {
        let refused = reset_password(&state, nobody, false, &by())
            .await
            .unwrap_err();
        assert!(matches!(refused, AuthError::CredentialNotFound), "{nobody}");
    }
    let path = format!("/internal/v1/credentials/{user}/status");
    let status = json!({"status": "suspended", "sequence": 5, "origin": {"request_id": "r"}});
    let request = world
        .call(Service::Profile, Method::PUT, &path)
        .json(&status);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let events = world.events_about(user).await;
    let refused = reset_password(&state, "countess", false, &by())
        .await
        .unwrap_err();
    assert!(matches!(refused, AuthError::Suspended), "{backend}");
    assert_eq!(world.events_about(user).await, events, "{backend}");

    // The operator may say so.
    let (_, password) = reset_password(&state, "countess", true, &by())
        .await
        .unwrap();
    world.login("countess", &password).await;
    // A deleted account is gone for good.
    let status = json!({"status": "deleted", "sequence": 6, "origin": {"request_id": "r"}});
    let request = world
        .call(Service::Profile, Method::PUT, &path)
        .json(&status);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let refused = reset_password(&state, "countess", true, &by())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, AuthError::CredentialNotFound),
        "{backend}"
    );
}
