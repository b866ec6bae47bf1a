//! Who is counted for a refresh token: a good one's session, otherwise whoever sent it (SECURITY rule 11).

use std::time::Duration;

use auth_service::AuthConfig;
use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::Backend;
use ud_config::{TokenConfig, keys};
use ud_events::EventType;

use crate::world::{PASSWORD, World, limit, outcome, read, text};

/// The documented limits of what presents a refresh token.
fn defaults(config: &mut AuthConfig, _: &mut TokenConfig) {
    for key in [
        &keys::LIMIT_REFRESH,
        &keys::LIMIT_REFRESH_SESSION,
        &keys::LIMIT_LOGOUT,
    ] {
        let default = key.default.unwrap().parse().unwrap();
        config.limits.operations.set(key, default);
    }
}

/// 100 people, or 600 with `TEST_LONG`.
fn rounds(short: usize, long: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "tells tests how often to repeat")]
    let is_long = std::env::var_os("TEST_LONG").is_some();
    if is_long { long } else { short }
}

async fn world() -> World {
    let world = World::start_with(Backend::Sqlite, defaults).await;
    world.register("ada@example.com").await;
    world
}

async fn refresh_from(world: &World, address: &str, token: &Value) -> (u16, Value) {
    let request = world.post("/api/v1/auth/refresh", &json!({"refresh_token": token}));
    read(request.header("x-forwarded-for", address)).await
}

/// Finding 4 (c): it was one limit for both, looked at before the tag.
#[actix_web::test]
async fn rubbish_of_a_neighbour_costs_a_good_token_nothing() {
    let world = world().await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    let rubbish = json!("x");
    for _ in 0..60 {
        let (status, body) = refresh_from(&world, "192.0.2.1", &rubbish).await;
        assert_eq!(
            (status, text(&body["code"])),
            (401, "auth.refresh-token-invalid")
        );
    }
    assert_eq!(refresh_from(&world, "192.0.2.1", &rubbish).await.0, 429);
    // A forged tag is rubbish as well.
    let good = text(&tokens["refresh_token"]);
    let forged = json!(format!("{}AAAAAAAA", &good[..good.len() - 8]));
    assert_eq!(refresh_from(&world, "192.0.2.1", &forged).await.0, 429);
    assert_eq!(refresh_from(&world, "192.0.2.2", &forged).await.0, 401);
    let (status, _) = refresh_from(&world, "192.0.2.1", &tokens["refresh_token"]).await;
    assert_eq!(status, 200, "behind the same address");
    assert_eq!(world.peers.with(|s| s.rotated.len()), 1);
}

/// As after a change of the role `user`, or of the signing keys.
#[actix_web::test]
async fn everybody_behind_one_address_refreshes_at_once() {
    let people = rounds(100, 600);
    let world = world().await;
    let mut sessions = Vec::new();
    for _ in 0..people {
        sessions.push(world.login("ada@example.com", PASSWORD).await);
    }
    let all = sessions
        .iter()
        .map(|tokens| refresh_from(&world, "192.0.2.1", &tokens["refresh_token"]));
    let statuses: Vec<_> = join_all(all).await.into_iter().map(|(s, _)| s).collect();
    assert!(statuses.iter().all(|s| *s == 200), "{statuses:?}");
}

#[actix_web::test]
async fn three_tabs_and_their_retries_are_served_and_a_flood_of_one_session_is_not() {
    let world = world().await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    let other = world.login("ada@example.com", PASSWORD).await;
    // Three tabs, each refused with 503 twice; then each repeats the token within the window.
    world.peers.with(|s| s.role_down = true);
    for _ in 0..6 {
        let (status, _) = world.refresh(&tokens["refresh_token"]).await;
        assert_eq!(status, 503);
    }
    world.peers.with(|s| s.role_down = false);
    let mut successors = Vec::new();
    for _ in 0..3 {
        let (status, next) = world.refresh(&tokens["refresh_token"]).await;
        assert_eq!(status, 200, "{next}");
        successors.push(text(&next["refresh_token"]).to_owned());
    }
    assert!(successors.iter().all(|token| *token == successors[0]));
    // Thirty in all at one moment; then one in two seconds.
    for _ in 0..21 {
        assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 200);
    }
    let answer = world
        .post(
            "/api/v1/auth/refresh",
            &json!({"refresh_token": tokens["refresh_token"]}),
        )
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(world.refresh(&other["refresh_token"]).await.0, 200);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 200);
    assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 429);
}

/// Finding 20: a logout had no limit.
#[actix_web::test]
async fn logouts_are_counted_by_user_by_session_and_by_source() {
    let world = World::start_with(Backend::Sqlite, |config, _| {
        let limits = &mut config.limits.operations;
        limits.set(&keys::LIMIT_LOGOUT, limit(2, 60));
    })
    .await;
    world.register("ada@example.com").await;
    world.register("bob@example.com").await;
    let ada = world.login("ada@example.com", PASSWORD).await;
    let again = world.login("ada@example.com", PASSWORD).await;
    let bob = world.login("bob@example.com", PASSWORD).await;
    let by_refresh = |token: &Value| {
        outcome(world.post("/api/v1/auth/logout", &json!({"refresh_token": token})))
    };
    for expected in [401, 401, 429] {
        assert_eq!(by_refresh(&json!("udr_x")).await.0, expected);
    }
    for expected in [204, 204, 429] {
        assert_eq!(by_refresh(&ada["refresh_token"]).await.0, expected);
    }
    assert_eq!(by_refresh(&again["refresh_token"]).await.0, 204);
    let by_access = |tokens: &Value| {
        let request = world.post("/api/v1/auth/logout", &json!({}));
        outcome(request.bearer_auth(text(&tokens["access_token"])))
    };
    // Session does not hear of it, so that the token lives on.
    world.peers.with(|s| s.deaf = true);
    for expected in [204, 204, 429] {
        assert_eq!(by_access(&bob).await.0, expected);
    }
}

/// Finding 20: a session closed long ago is no order for anybody.
#[actix_web::test]
async fn a_logout_of_what_is_closed_leaves_no_event() {
    let world = world().await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    let order = json!({"refresh_token": tokens["refresh_token"]});
    for _ in 0..10 {
        let answer = outcome(world.post("/api/v1/auth/logout", &order)).await;
        assert_eq!(answer.0, 204);
    }
    let orders = async || {
        let events = world.events().await;
        let orders = events.iter();
        let orders = orders.filter(|e| e.kind == EventType::LOGOUT_REQUESTED);
        orders.count()
    };
    assert_eq!(orders().await, 0);
    // While session is away one order waits for it, however often it is given.
    let other = world.login("ada@example.com", PASSWORD).await;
    world.peers.with(|s| s.deaf = true);
    for tokens in [&tokens, &other, &tokens, &other, &tokens] {
        let order = json!({"refresh_token": tokens["refresh_token"]});
        let answer = world.post("/api/v1/auth/logout", &order).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers()["revocation"], "pending");
    }
    assert_eq!(orders().await, 2);
}
