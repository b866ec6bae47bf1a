//! Role is away while clients refresh: nothing is lost by trying.

use std::time::Duration;

use futures_util::future::join_all;
use rstest::rstest;

use crate::{
    ground::Store::{self, Redis, Sqlite},
    world::World,
};

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn after_a_minute_without_role_the_same_token_works(#[case] store: Store) {
    let world = World::start(store).await;
    let email = world.register_ada().await;
    let first = world.log_in(0, email).await;
    let second = world.refresh(0, &first.refresh).await.tokens();
    world.role.is_down(true);
    for _ in 0..12 {
        world.advance(Duration::from_secs(5));
        let asked = (0..4).map(|i| world.refresh(i % 2, &second.refresh));
        for answer in join_all(asked).await {
            assert_eq!(answer.code(), "server.dependency-unavailable", "{answer:?}");
            assert_eq!(answer.status, 503);
            let seconds = answer.retry_after.as_deref().map(str::parse::<u64>);
            assert!(matches!(seconds, Some(Ok(1..))), "{answer:?}");
        }
    }
    world.role.is_down(false);
    let asked = (0..64).map(|i| world.refresh(i % 2, &second.refresh));
    let answers = join_all(asked).await;
    let third = answers[0].tokens();
    assert!(answers.iter().all(|a| a.tokens().refresh == third.refresh));
    assert_ne!(third.refresh, second.refresh);
    let _ = world.refresh(1, &third.refresh).await.tokens();
    assert_eq!(world.ground.events().await, ["user_logged_in"]);
}

/// What is no token, or is old, is judged before role is asked; what a thief tries meanwhile is caught afterwards.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_replay_during_the_outage_is_caught_after_it(#[case] store: Store) {
    let world = World::start(store).await;
    let email = world.register_ada().await;
    let first = world.log_in(0, email).await;
    let second = world.refresh(0, &first.refresh).await.tokens();
    let second = world.refresh(0, &second.refresh).await.tokens();
    world.role.is_down(true);
    world.advance(Duration::from_secs(60));
    world.refresh(0, "udr_AAAA").await.refused();
    assert_eq!(world.refresh(0, &first.refresh).await.status, 503);
    world.role.is_down(false);
    world.refresh(0, &first.refresh).await.refused();
    world.refresh(1, &second.refresh).await.refused();
    let events = world.ground.events().await;
    assert_eq!(events, ["user_logged_in", "refresh_token_reused"]);
}
