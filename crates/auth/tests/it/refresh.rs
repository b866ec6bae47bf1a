use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_kernel::Service;

use crate::{
    peers::Refuse,
    world::{PASSWORD, START, World, read, text},
};

async fn logged_in(backend: Backend) -> (World, Value) {
    let world = World::start(backend).await;
    world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    (world, tokens)
}

#[rstest]
#[actix_web::test]
async fn a_refresh_gives_a_successor_and_the_same_again_when_repeated(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (world, first) = logged_in(backend).await;
    world.clock.advance(Duration::from_secs(600));
    let (status, second) = world.refresh(&first["refresh_token"]).await;
    assert_eq!(status, 200, "{backend}: {second}");
    assert_eq!(second["session_id"], first["session_id"]);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!(world.validate(&second["access_token"]).await, 200);
    let (status, again) = world.refresh(&first["refresh_token"]).await;
    assert_eq!(status, 200);
    assert_eq!(
        again["refresh_token"], second["refresh_token"],
        "the same bytes"
    );
    let (status, third) = world.refresh(&second["refresh_token"]).await;
    assert_eq!(status, 200, "{third}");
    // The first token is two rotations old now.
    let (status, body) = world.refresh(&first["refresh_token"]).await;
    assert_eq!(
        (status, text(&body["code"])),
        (401, "auth.refresh-token-invalid")
    );
    let (status, _) = world.refresh(&third["refresh_token"]).await;
    assert_eq!(status, 401, "{backend}: reuse closed the session");
}

#[actix_web::test]
async fn a_forged_token_reaches_nobody() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    let good = text(&tokens["refresh_token"]).to_owned();
    let last = if good.ends_with('A') { "B" } else { "A" };
    for forged in [
        format!("{}{last}", &good[..good.len() - 1]),
        good.replace("udr_", "udx_"),
        good[4..].to_owned(),
        "udr_".to_owned(),
        "x".to_owned(),
        text(&tokens["access_token"])[..200].to_owned(),
    ] {
        let (status, body) = world.refresh(&json!(forged)).await;
        assert_eq!(
            (status, text(&body["code"])),
            (401, "auth.refresh-token-invalid"),
            "{forged}"
        );
    }
    assert!(world.peers.with(|s| s.rotated.is_empty()));
    assert_eq!(
        world.refresh(&tokens["refresh_token"]).await.0,
        200,
        "without effect"
    );
}

#[actix_web::test]
async fn an_outage_costs_nothing() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    world.peers.with(|s| s.role_down = true);
    let (status, body) = world.refresh(&tokens["refresh_token"]).await;
    assert_eq!(
        (status, text(&body["code"])),
        (503, "server.dependency-unavailable")
    );
    assert!(
        world.peers.with(|s| s.rotated.is_empty()),
        "role is asked before the rotation"
    );
    world.peers.with(|s| s.role_down = false);
    for refusal in [Refuse::Down, Refuse::Unknown] {
        world.peers.refuse(&[refusal]);
        let (status, body) = world.refresh(&tokens["refresh_token"]).await;
        assert_eq!(
            (status, text(&body["code"])),
            (503, "server.dependency-unavailable")
        );
    }
    assert_eq!(
        world.refresh(&tokens["refresh_token"]).await.0,
        200,
        "the same token works"
    );
}

#[actix_web::test]
async fn roles_and_epochs_that_changed_meanwhile_are_read_again() {
    let (world, tokens) = logged_in(Backend::Sqlite).await;
    world.peers.refuse(&[Refuse::PolicyStale]);
    assert_eq!(world.refresh(&tokens["refresh_token"]).await.0, 200);
    // Refused for its epoch although nothing changed here: session was not told of the change before.
    let tokens = world.login("ada@example.com", PASSWORD).await;
    // It is asked again, and if it takes longer the same token works later.
    world.peers.refuse(&[Refuse::EpochTooOld; 4]);
    for status in [503, 200] {
        let answer = world.refresh(&tokens["refresh_token"]).await;
        assert_eq!(answer.0, status, "{answer:?}");
    }
}

#[rstest]
#[actix_web::test]
async fn a_suspended_or_deleted_user_refreshes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    for (sequence, status) in [(2, "suspended"), (3, "deleted")] {
        let (world, tokens) = logged_in(backend).await;
        // Even if the session service never hears of it.
        world.peers.with(|s| s.deaf = true);
        let user = text(&tokens["user_id"]);
        let path = format!("/internal/v1/credentials/{user}/status");
        let body = json!({"status": status, "sequence": sequence, "origin": {"request_id": "r"}});
        let put = world
            .call(Service::Profile, reqwest::Method::PUT, &path)
            .json(&body);
        let (answer, changed) = read(put).await;
        assert_eq!(
            (answer, changed),
            (200, json!({"epoch": 2, "sessions_closed": false}))
        );
        let (refused, _) = world.refresh(&tokens["refresh_token"]).await;
        assert_eq!(refused, 401, "{backend} {status}");
    }
}

#[actix_web::test]
async fn the_successor_is_the_same_across_a_change_of_keys() {
    let old = testkit::new_key_ring("old");
    let new = testkit::new_key_ring("new");
    // As before the rotation: one key.
    let before = old.clone();
    let world = World::start_with(Backend::Sqlite, move |config, _| {
        config.signing.refresh_tokens = Some(before.parse().unwrap());
    })
    .await;
    world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    let (_, second) = world.refresh(&tokens["refresh_token"]).await;
    // The keys of the state are what a restarted replica would have.
    let ring: ud_config::KeyRing = format!("{new},{old}").parse().unwrap();
    let token = auth_service::models::token::refresh_token::RefreshToken::decode(
        &ring,
        text(&second["refresh_token"]),
    )
    .unwrap();
    assert_eq!(
        token.encode(&ring, "old").unwrap(),
        text(&second["refresh_token"])
    );
    assert_eq!(world.clock.now(), START);
    assert_eq!(world.peers.with(|s| s.rotated[0].key_id.clone()), "old");
}

/// What session needs to know for a late repetition: whether much is at stake, and which successors can be made.
#[actix_web::test]
async fn session_is_told_what_is_at_stake_and_which_keys_there_are() {
    let world = World::start_with(Backend::Sqlite, |config, _| {
        let ring = format!(
            "{},{}",
            testkit::new_key_ring("new"),
            testkit::new_key_ring("old")
        );
        config.signing.refresh_tokens = Some(ring.parse().unwrap());
    })
    .await;
    world.register("ada@example.com").await;
    let mut tokens = world.login("ada@example.com", PASSWORD).await;
    for (held, privileged) in [
        (&[][..], false),
        (&["users:read", "orders:write"], false),
        (&["users:write"], true),
        (&["*"], true),
    ] {
        world.peers.holds(held);
        let (status, next) = world.refresh(&tokens["refresh_token"]).await;
        assert_eq!(status, 200, "{next}");
        tokens = next;
        let last = world.peers.with(|s| s.rotated.last().cloned().unwrap());
        assert_eq!(last.privileged, privileged, "{held:?}");
        assert_eq!(last.key_ids, ["new", "old"]);
    }
}
