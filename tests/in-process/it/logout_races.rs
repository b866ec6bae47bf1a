//! Refreshes that race with a logout: whatever comes first, no token is left that lives.

use end_to_end::rounds;
use futures_util::future::{join, join_all};
use rstest::rstest;
use serde_json::json;
use ud_kernel::models::SessionState;

use crate::{
    ground::Store::{self, Redis, Sqlite},
    seen::{Seen, Tokens},
    waiting::until,
    world::World,
};

/// How a client logs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Access,
    Refresh,
    Everywhere,
}

const WAYS: [Way; 3] = [Way::Access, Way::Refresh, Way::Everywhere];

/// Every point at which a refresh stands between two steps.
const POINTS: [&str; 3] = [
    "refresh.credential-read",
    "refresh.access-read",
    "refresh.rotated",
];

async fn log_out(world: &World, way: Way, tokens: &Tokens) {
    let path = "/api/v1/auth/logout";
    let answer = match way {
        Way::Access => world.post_as(1, path, &tokens.access, &json!({})).await,
        Way::Refresh => world.log_out(1, tokens).await,
        Way::Everywhere => {
            let body = json!({"all": true});
            world.post_as(1, path, &tokens.access, &body).await
        }
    };
    assert_eq!(answer.status, 204, "{answer:?}");
}

/// Nothing of a session lives: neither what a client had, nor what it got.
async fn nothing_lives(world: &World, what: &str, had: &Tokens, got: &[Seen]) {
    let given = got.iter().filter(|a| a.status == 200).map(Seen::tokens);
    let all: Vec<Tokens> = given.chain([had.clone()]).collect();
    for tokens in &all {
        for i in 0..world.sessions.len() {
            let state = world.state(i, tokens).await;
            assert_eq!(state, SessionState::Closed, "{what}");
        }
        for i in [0, 1] {
            let over = async || world.validate(i, &tokens.access).await.status == 401;
            until(what, over).await;
            world.refresh(i, &tokens.refresh).await.refused();
        }
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_logout_between_any_two_steps_of_a_refresh_leaves_nothing(#[case] store: Store) {
    let world = World::start(store).await;
    let email = world.register_ada().await;
    for way in WAYS {
        for point in POINTS {
            let tokens = world.log_in(0, email).await;
            let mut gate = world.auths[0].own.gates.hold_at(point);
            let meanwhile = async {
                let refresh = gate.arrived().await;
                log_out(&world, way, &tokens).await;
                refresh.release();
            };
            let (answer, ()) = join(world.refresh(0, &tokens.refresh), meanwhile).await;
            drop(gate);
            let what = format!("{way:?} at {point}: {answer:?}");
            // Only what was rotated before could still be answered.
            match point {
                "refresh.rotated" => assert_eq!(answer.status, 200, "{what}"),
                _ => answer.refused(),
            }
            nothing_lives(&world, &what, &tokens, &[answer]).await;
        }
    }
}

/// The epoch is raised, the session service does not know yet: a refresh in between gets nothing, and costs nothing.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_refresh_inside_a_logout_gets_nothing(#[case] store: Store) {
    let world = World::start(store).await;
    let email = world.register_ada().await;
    let tokens = world.log_in(0, email).await;
    let mut gate = world.auths[1].own.gates.hold_at("logout.epoch-raised");
    let meanwhile = async {
        let logout = gate.arrived().await;
        let answer = world.refresh(0, &tokens.refresh).await;
        logout.release();
        answer
    };
    let ((), answer) = join(log_out(&world, Way::Everywhere, &tokens), meanwhile).await;
    // Not yet, or no more: the outbox may have told session by now.
    assert!(matches!(answer.status, 401 | 503), "{answer:?}");
    nothing_lives(&world, "inside a logout", &tokens, &[answer]).await;
    let events = world.ground.events().await;
    assert_eq!(events, ["user_logged_in", "session_closed"]);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn refreshes_and_a_logout_at_once_leave_nothing(#[case] store: Store) {
    let world = World::start(store).await;
    let email = world.register_ada().await;
    for round in 0..rounds(6, 200) {
        let way = WAYS[round % 3];
        let tokens = world.log_in(0, email).await;
        let mut before: Vec<_> = (0..8)
            .map(|i| world.refresh(i % 2, &tokens.refresh))
            .collect();
        // Each round begins the logout at another place among the refreshes.
        let after = before.split_off(round % 9);
        let logout = log_out(&world, way, &tokens);
        let (first, (second, ())) = join(join_all(before), join(join_all(after), logout)).await;
        let answers = [first, second].concat();
        for answer in &answers {
            let expected = matches!(answer.status, 200 | 401 | 503);
            assert!(expected, "{round}: {answer:?}");
        }
        nothing_lives(
            &world,
            &format!("round {round}: {way:?}"),
            &tokens,
            &answers,
        )
        .await;
    }
}
