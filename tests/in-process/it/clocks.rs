//! Clocks that step back, and clocks that differ: no hole opens.

use std::time::Duration;

use rstest::rstest;
use ud_kernel::models::SessionState;

use crate::{
    ground::Store::{self, Redis, Sqlite},
    service::START,
    waiting::until,
    world::{Skews, World, off},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Sets the clocks of auth to so many milliseconds from the time it is.
fn step_clocks(world: &World, by: i64) {
    for auth in &world.auths {
        auth.own.clock.set(off(world.clock.now(), by));
    }
}

/// Ten seconds are ten by the store's clock, whatever auth's does meanwhile.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_clock_that_steps_moves_no_window(#[case] store: Store) {
    for step in [-3_600_000, -60_000, -1_001, 1_001, 300_000] {
        let world = World::start(store).await;
        let email = world.register_ada().await;
        // Much is at stake: what comes late is a lost answer for a minute, and then reuse.
        world.role.holds(&["users:write"]);
        let first = world.log_in(0, email).await;
        world.advance(30 * MINUTE);
        let second = world.refresh(0, &first.refresh).await.tokens();
        world.advance(Duration::from_millis(9_999));
        step_clocks(&world, step);
        let again = world.refresh(1, &first.refresh).await.tokens();
        assert_eq!(again.refresh, second.refresh);
        assert_eq!(world.ground.events().await, ["user_logged_in"]);
        world.advance(Duration::from_millis(1));
        let late = world.refresh(1, &first.refresh).await.tokens();
        assert_eq!(late.refresh, second.refresh);
        world.advance(Duration::from_millis(49_999));
        let late = world.refresh(1, &first.refresh).await.tokens();
        assert_eq!(late.refresh, second.refresh);
        world.advance(Duration::from_millis(1));
        world.refresh(1, &first.refresh).await.refused();
        world.refresh(0, &second.refresh).await.refused();
        let expected = [
            "user_logged_in",
            "refresh_token_repeated_late",
            "refresh_token_reused",
        ];
        assert_eq!(world.ground.events().await, expected, "{step}");
    }
}

/// Two rotations back is reuse after ten seconds, whatever auth says the time is.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn no_clock_makes_an_older_token_good(#[case] store: Store) {
    for by in [-3_600_000, -500, 0, 500, 300_000] {
        let world = World::start(store).await;
        let email = world.register_ada().await;
        let first = world.log_in(0, email).await;
        world.advance(120 * MINUTE);
        let second = world.refresh(0, &first.refresh).await.tokens();
        let third = world.refresh(0, &second.refresh).await.tokens();
        world.advance(Duration::from_secs(10));
        step_clocks(&world, by);
        world.refresh(1, &first.refresh).await.refused();
        world.refresh(0, &third.refresh).await.refused();
        assert_eq!(world.state(0, &third).await, SessionState::Closed, "{by}");
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_clock_that_steps_back_lengthens_no_session(#[case] store: Store) {
    const DAY: i64 = 86_400_000;
    let world = World::start(store).await;
    let email = world.register_ada().await;
    let mut tokens = world.log_in(0, email).await;
    // Refreshed for ever by a clock that goes back again and again: it ends thirty days after the login all the same.
    for by in [0, -3_600_000, -300_000, 0] {
        world.advance(Duration::from_secs(7 * 86_400));
        step_clocks(&world, by);
        tokens = world.refresh(0, &tokens.refresh).await.tokens();
        let auth = world.auths[0].own.clock.now();
        let end = auth.plus(Duration::from_secs(tokens.lasts));
        assert!(end <= off(START, 30 * DAY), "{by}: {end}");
        assert!(end <= off(world.clock.now(), 14 * DAY), "{by}: {end}");
    }
    world.advance(Duration::from_secs(2 * 86_400));
    step_clocks(&world, 0);
    world.refresh(0, &tokens.refresh).await.refused();
}

/// By the clock of the session service an unused session has ended; by auth's it has not, so it must be closed.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_logout_holds_whatever_session_thinks_the_time_is(#[case] store: Store) {
    for skew in [300_000, -300_000] {
        let skews = Skews {
            sessions: [skew; 2],
            ..Skews::default()
        };
        let world = World::start_with(store, skews).await;
        let email = world.register_ada().await;
        world.role.holds(&["users:write"]);
        let tokens = world.log_in(0, email).await;
        world.advance(57 * MINUTE);
        assert_eq!(world.log_out(1, &tokens).await.status, 204);
        world.refresh(0, &tokens.refresh).await.refused();
        // A minute later it would have been refreshed, and have lived on.
        world.advance(MINUTE);
        world.refresh(1, &tokens.refresh).await.refused();
        assert_eq!(world.state(0, &tokens).await, SessionState::Closed);
    }
}

/// By the clock of the session service the access token has ended; by those of its verifiers it has not.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn a_revocation_is_told_whatever_session_thinks_the_time_is(#[case] store: Store) {
    for skew in [300_000, -300_000] {
        let skews = Skews {
            sessions: [skew; 2],
            ..Skews::default()
        };
        let world = World::start_with(store, skews).await;
        let email = world.register_ada().await;
        let tokens = world.log_in(0, email).await;
        let other = world.log_in(0, email).await;
        world.advance(12 * MINUTE);
        for i in [0, 1] {
            until("auth follows", async || world.follows(i).await).await;
            assert_eq!(world.validate(i, &tokens.access).await.status, 200);
        }
        assert_eq!(world.log_out(0, &tokens).await.status, 204);
        let ended = world.set_status(0, other.user, "suspended", 2).await;
        assert_eq!(ended.body["sessions_closed"], true, "{ended:?}");
        for i in [0, 1] {
            for tokens in [&tokens, &other] {
                let over = async || world.validate(i, &tokens.access).await.status == 401;
                until("the token is refused", over).await;
            }
        }
    }
}
