use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_events::EventType;

use crate::world::{PASSWORD, World, outcome, text};

async fn logged_in(backend: Backend) -> (World, Value) {
    let world = World::start(backend).await;
    world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    (world, tokens)
}

#[rstest]
#[actix_web::test]
async fn a_logout_ends_the_session_it_was_asked_in(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, tokens) = logged_in(backend).await;
    let other = world.login("ada@example.com", PASSWORD).await;
    let answer = world
        .ask(Method::POST, "/api/v1/auth/logout")
        .bearer_auth(text(&tokens["access_token"]))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    assert!(!answer.headers().contains_key("revocation"));
    let (status, _) = world.refresh(&tokens["refresh_token"]).await;
    assert_eq!(status, 401, "{backend}");
    assert_eq!(
        world.refresh(&other["refresh_token"]).await.0,
        200,
        "the other one lives"
    );
}

#[rstest]
#[actix_web::test]
async fn all_ends_every_session_by_the_epoch(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, tokens) = logged_in(backend).await;
    let other = world.login("ada@example.com", PASSWORD).await;
    let answer = world
        .post("/api/v1/auth/logout", &json!({"all": true}))
        .bearer_auth(text(&tokens["access_token"]))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    for tokens in [&tokens, &other] {
        assert_eq!(
            world.refresh(&tokens["refresh_token"]).await.0,
            401,
            "{backend}"
        );
    }
    let user = text(&tokens["user_id"]).parse().unwrap();
    let kinds = world.events_about(user).await;
    assert_eq!(kinds, ["credentials_created", "credentials_epoch_raised"]);
    let mut events = world.events().await;
    events.retain(|e| e.kind == EventType::CREDENTIALS_EPOCH_RAISED);
    let raised = events.remove(0);
    assert_eq!(Value::Object(raised.data.details), json!({"min_epoch": 2}));
    assert_eq!(raised.data.actor_id, Some(user));
    world.login("ada@example.com", PASSWORD).await;
    assert_eq!(world.peers.with(|s| s.created.last().unwrap().epoch), 2);
}

#[actix_web::test]
async fn a_refresh_token_takes_the_place_of_an_access_token() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let answer = world
        .post("/api/v1/auth/logout", &body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 401);
    // Again: nothing to end, and no error.
    assert_eq!(
        world
            .post("/api/v1/auth/logout", &body)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );

    let logout = |body: Value| outcome(world.post("/api/v1/auth/logout", &body));
    let forged = logout(json!({"refresh_token": "udr_AAAA"})).await;
    assert_eq!(forged, (401, "auth.refresh-token-invalid".to_owned()));
    let all = logout(json!({"refresh_token": tokens["refresh_token"], "all": true})).await;
    assert_eq!(all, (422, "request.validation-failed".to_owned()));
    assert_eq!(
        logout(json!({})).await,
        (401, "auth.token-missing".to_owned())
    );
    let bare = world.ask(Method::POST, "/api/v1/auth/logout");
    assert_eq!(outcome(bare).await, (401, "auth.token-missing".to_owned()));
}

#[rstest]
#[actix_web::test]
async fn what_cannot_be_told_directly_goes_through_the_outbox(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, tokens) = logged_in(backend).await;
    let other = world.login("ada@example.com", PASSWORD).await;
    world.peers.with(|s| s.deaf = true);
    let logout = |body: Value, token: &Value| {
        world
            .post("/api/v1/auth/logout", &body)
            .bearer_auth(text(token))
            .send()
    };
    let one = logout(json!({}), &tokens["access_token"]).await.unwrap();
    assert_eq!(
        (one.status().as_u16(), &one.headers()["revocation"]),
        (204, &"pending".parse().unwrap())
    );
    let all = logout(json!({"all": true}), &other["access_token"])
        .await
        .unwrap();
    assert_eq!(
        (all.status().as_u16(), &all.headers()["revocation"]),
        (204, &"pending".parse().unwrap())
    );
    world.peers.with(|s| s.deaf = false);
    let told = world
        .until(async || {
            world
                .peers
                .with(|s| (s.events.len() == 2).then(|| s.events.clone()))
        })
        .await;
    assert_eq!(told[0].kind, EventType::LOGOUT_REQUESTED, "{backend}");
    assert_eq!(
        Value::Object(told[0].data.details.clone()),
        json!({"session_id": tokens["session_id"]})
    );
    assert_eq!(told[1].kind, EventType::CREDENTIALS_EPOCH_RAISED);
    assert!(told[0].sequence < told[1].sequence);
}
