//! One successor, whoever asks where and by whichever clock; and what is no refresh token has no effect.

use std::time::Duration;

use auth_service::models::token::refresh_token::RefreshToken;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use rstest::rstest;
use testkit::new_key_ring;
use ud_config::KeyRing;
use ud_kernel::models::SessionState;

use crate::{
    ground::Store::{self, Redis, Sqlite},
    seen::{Seen, Tokens},
    world::{Skews, World},
};

const MINUTE: Duration = Duration::from_secs(60);

async fn logged_in(store: Store, skews: Skews) -> (World, Tokens) {
    let world = World::start_with(store, skews).await;
    let email = world.register_ada().await;
    let tokens = world.log_in(0, email).await;
    (world, tokens)
}

/// 64 clients present the token, to the replicas in turn.
async fn sixty_four(world: &World, token: &str) -> Vec<Seen> {
    join_all((0..64).map(|i| world.refresh(i % 2, token))).await
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn clocks_half_a_second_apart_give_one_successor(#[case] store: Store) {
    for ahead in [0, 1] {
        let mut skews = Skews::default();
        skews.auths[ahead] = 500;
        skews.sessions[1 - ahead] = 500;
        let (world, first) = logged_in(store, skews).await;
        world.advance(MINUTE);
        let answers = sixty_four(&world, &first.refresh).await;
        let tokens: Vec<Tokens> = answers.iter().map(Seen::tokens).collect();
        let second = &tokens[0];
        assert!(tokens.iter().all(|t| t.refresh == second.refresh));
        assert_ne!(second.refresh, first.refresh);
        // Nobody was one too many: the successor is the current token, and all were of one rotation.
        let third = world.refresh(0, &second.refresh).await.tokens();
        assert_ne!(third.refresh, second.refresh);
        for i in 0..world.sessions.len() {
            assert_eq!(world.state(i, second).await, SessionState::Good);
        }
        let events = world.ground.events().await;
        assert_eq!(events, ["user_logged_in"], "a refresh writes no event");
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn clocks_five_minutes_apart_give_one_successor_and_close_nothing(#[case] store: Store) {
    for skew in [300_000, -300_000] {
        let skews = Skews {
            auths: [0, skew],
            sessions: [0, skew],
            ..Skews::default()
        };
        let (world, first) = logged_in(store, skews).await;
        world.advance(10 * MINUTE);
        let answers = sixty_four(&world, &first.refresh).await;
        let second = answers[0].tokens();
        assert!(answers.iter().all(|a| a.tokens().refresh == second.refresh));
        for i in [0, 1] {
            let again = world.refresh(i, &first.refresh).await.tokens();
            assert_eq!(again.refresh, second.refresh);
        }
        let third = world.refresh(1, &second.refresh).await.tokens();
        assert_eq!(world.state(0, &third).await, SessionState::Good);
        assert_eq!(world.ground.events().await, ["user_logged_in"], "{skew}");
    }
}

/// Three tabs of one browser, each behind the last by one refresh, and the first one again.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn three_tabs_log_nobody_out(#[case] store: Store) {
    let (world, first) = logged_in(store, Skews::default()).await;
    world.advance(MINUTE);
    let second = world.refresh(0, &first.refresh).await.tokens();
    world.advance(Duration::from_millis(300));
    let third = world.refresh(1, &second.refresh).await.tokens();
    world.advance(Duration::from_millis(300));
    let newest = world.refresh(0, &third.refresh).await.tokens();
    for seconds in [1, 8] {
        world.advance(Duration::from_secs(seconds));
        for tokens in [&first, &second, &third] {
            let again = world.refresh(1, &tokens.refresh).await.tokens();
            assert_eq!(again.refresh, newest.refresh);
        }
    }
    let _ = world.refresh(1, &newest.refresh).await.tokens();
    assert_eq!(world.ground.events().await, ["user_logged_in"]);
}

/// The answer never arrived, and the client comes back much later; the access token it gets is as good as any.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_lost_answer_comes_again_and_its_access_token_is_good(#[case] store: Store) {
    let (world, first) = logged_in(store, Skews::default()).await;
    world.advance(MINUTE);
    let lost = world.refresh(0, &first.refresh).await.tokens();
    world.advance(60 * MINUTE);
    let late = world
        .refresh_from(1, &first.refresh, "198.51.100.7")
        .await
        .tokens();
    assert_eq!(late.refresh, lost.refresh);
    assert_ne!(late.access, lost.access);
    let ends = |tokens: &Tokens| tokens.lasts;
    assert_eq!(ends(&late), ends(&lost) - 3_600, "no end has moved");
    assert_eq!(world.validate(1, &lost.access).await.status, 401, "expired");
    assert_eq!(world.validate(1, &late.access).await.status, 200);
    let _ = world.refresh(0, &late.refresh).await.tokens();
    assert_eq!(
        world.ground.events().await,
        ["user_logged_in", "refresh_token_repeated_late"]
    );
}

/// The successor cannot be made any more: nothing happens, and who has it goes on.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_lost_answer_whose_key_is_gone_has_no_effect(#[case] store: Store) {
    let (mut world, first) = logged_in(store, Skews::default()).await;
    let old = world.ring.clone();
    // The second token is tagged by a key that goes; the first by one that stays.
    world.rotate(format!("{},{old}", new_key_ring("r2"))).await;
    let second = world.refresh(0, &first.refresh).await.tokens();
    world.advance(MINUTE);
    world.rotate(old).await;
    world.refresh(0, &first.refresh).await.refused();
    assert_eq!(world.state(0, &second).await, SessionState::Good);
    assert_eq!(world.ground.events().await, ["user_logged_in"]);
}

/// Calls between services live for a minute: whoever is five minutes off from all others reaches nobody.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_replica_whose_calls_nobody_believes_changes_nothing(#[case] store: Store) {
    for skew in [300_000, -300_000] {
        let skews = Skews {
            auths: [0, skew],
            in_calls: true,
            ..Skews::default()
        };
        let (world, first) = logged_in(store, skews).await;
        world.advance(10 * MINUTE);
        let answers = sixty_four(&world, &first.refresh).await;
        for (i, answer) in answers.iter().enumerate() {
            match i % 2 {
                0 => drop(answer.tokens()),
                _ => assert!(answer.status >= 500, "{answer:?}"),
            }
        }
        let second = answers[0].tokens();
        assert_eq!(world.state(0, &second).await, SessionState::Good);
        let _ = world.refresh(0, &second.refresh).await.tokens();
        assert_eq!(world.ground.events().await, ["user_logged_in"]);
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn the_successor_is_the_same_bytes_across_a_change_of_keys(#[case] store: Store) {
    let (mut world, first) = logged_in(store, Skews::default()).await;
    let old = world.ring.clone();
    world.advance(MINUTE);
    let second = world.refresh(0, &first.refresh).await.tokens();
    // A lost answer, a new key in front of the ring, and the client asks again.
    world.rotate(format!("{},{old}", new_key_ring("r2"))).await;
    world.advance(Duration::from_millis(9_999));
    for i in [0, 1] {
        let again = world.refresh(i, &first.refresh).await.tokens();
        assert_eq!(again.refresh, second.refresh, "the same bytes");
    }
    let third = world.refresh(1, &second.refresh).await.tokens();
    assert_eq!(key_id(&second.refresh), b"r1");
    assert_eq!(key_id(&third.refresh), b"r2");

    // The old key is taken away: what it tagged is no token any more, however old, and closes nothing.
    let ring = world.ring.split(',').next().unwrap().to_owned();
    world.rotate(ring).await;
    world.advance(MINUTE);
    for tokens in [&first, &second] {
        world.refresh(0, &tokens.refresh).await.refused();
    }
    let fourth = world.refresh(0, &third.refresh).await.tokens();
    assert_eq!(world.state(0, &fourth).await, SessionState::Good);
    assert_eq!(world.ground.events().await, ["user_logged_in"]);
}

fn bytes_of(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .decode(token.strip_prefix("udr_").unwrap())
        .unwrap()
}

fn token_of(bytes: &[u8]) -> String {
    format!("udr_{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn key_id(token: &str) -> Vec<u8> {
    let bytes = bytes_of(token);
    bytes[2..2 + usize::from(bytes[1])].to_vec()
}

/// What somebody makes of an old token and the current one without the key that tags tokens.
fn forgeries(ring: &str, old: &Tokens, current: &Tokens) -> Vec<(&'static str, String)> {
    let (from, current) = (bytes_of(&old.refresh), bytes_of(&current.refresh));
    let (counter, tag) = (34 + usize::from(from[1]), from.len() - 32);
    let changed = |at: usize, to: u8| {
        let mut bytes = from.clone();
        bytes[at] = to;
        token_of(&bytes)
    };
    let mut mixed = current;
    mixed[counter..counter + 8].copy_from_slice(&from[counter..counter + 8]);
    let known = RefreshToken::decode(&ring.parse().unwrap(), &old.refresh).unwrap();
    let other: KeyRing = new_key_ring("r1").parse().unwrap();
    vec![
        ("a wrong tag", changed(tag + 7, from[tag + 7] ^ 1)),
        ("an unknown key", changed(2, b'x')),
        ("another version", changed(0, 2)),
        ("no tag", token_of(&from[..tag])),
        ("the old counter under the new tag", token_of(&mixed)),
        (
            "another key of that name",
            known.encode(&other, "r1").unwrap(),
        ),
    ]
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_forged_old_counter_closes_nothing(#[case] store: Store) {
    let (world, first) = logged_in(store, Skews::default()).await;
    let second = world.refresh(0, &first.refresh).await.tokens();
    let third = world.refresh(0, &second.refresh).await.tokens();
    world.advance(MINUTE);
    for (what, forged) in forgeries(&world.ring, &first, &third) {
        assert_ne!(forged, first.refresh, "{what}");
        for i in [0, 1] {
            world.refresh(i, &forged).await.refused();
            assert_eq!(world.state(0, &third).await, SessionState::Good, "{what}");
        }
    }
    assert_eq!(world.ground.events().await, ["user_logged_in"]);
    let fourth = world.refresh(1, &third.refresh).await.tokens();
    // What it was made of would have closed it.
    world.refresh(0, &first.refresh).await.refused();
    assert_eq!(world.state(0, &fourth).await, SessionState::Closed);
    assert_eq!(
        world.ground.events().await,
        ["user_logged_in", "refresh_token_reused"]
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_replay_from_elsewhere_gets_the_same_and_is_told(#[case] store: Store) {
    let (world, first) = logged_in(store, Skews::default()).await;
    let second = world.refresh(0, &first.refresh).await.tokens();
    let again = world.refresh(1, &first.refresh).await.tokens();
    assert_eq!(again.refresh, second.refresh);
    assert_eq!(world.ground.events().await, ["user_logged_in"]);
    let elsewhere = world.refresh_from(1, &first.refresh, "198.51.100.7").await;
    assert_eq!(elsewhere.tokens().refresh, second.refresh);
    assert_eq!(
        world.ground.events().await,
        ["user_logged_in", "refresh_token_replayed"]
    );
}

/// All of auth and all of session end and begin anew between a refresh and the replay of its token.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_restart_of_everything_moves_no_window(#[case] store: Store) {
    let (mut world, first) = logged_in(store, Skews::default()).await;
    world.advance(MINUTE);
    let second = world.refresh(0, &first.refresh).await.tokens();
    world.restart_all_after(|_| {}).await;
    world.advance(Duration::from_millis(9_999));
    let again = world.refresh(1, &first.refresh).await.tokens();
    assert_eq!(again.refresh, second.refresh);
    world.restart_all_after(|_| {}).await;
    assert_eq!(world.ground.events().await, ["user_logged_in"]);
    world.advance(Duration::from_millis(1));
    let late = world.refresh(1, &first.refresh).await.tokens();
    assert_eq!(late.refresh, second.refresh);
    assert_eq!(world.state(0, &second).await, SessionState::Good);
    assert_eq!(
        world.ground.events().await,
        ["user_logged_in", "refresh_token_repeated_late"]
    );
}
