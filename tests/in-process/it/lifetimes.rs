//! How long sessions last, by what their users may do.

use std::time::Duration;

use rstest::rstest;
use ud_kernel::models::SessionState;

use crate::{
    ground::Store::{self, Redis, Sqlite},
    seen::Tokens,
    world::World,
};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Refreshes after each of these pauses, and then is one second too late.
async fn refresh_until(world: &World, first: Tokens, pauses: &[u64], last: u64) {
    let mut tokens = first;
    for pause in pauses {
        world.advance(secs(*pause));
        tokens = world.refresh(0, &tokens.refresh).await.tokens();
    }
    assert_eq!(tokens.lasts, last);
    world.advance(secs(last));
    world.refresh(1, &tokens.refresh).await.refused();
    assert_eq!(world.state(0, &tokens).await, SessionState::Closed);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn fourteen_days_idle_and_thirty_in_all(#[case] store: Store) {
    let world = World::start(store).await;
    let email = world.register_ada().await;
    // What others' permissions are called is nothing to this platform.
    world
        .role
        .holds(&["users:read", "orders:write", "orders:delete"]);
    let first = world.log_in(0, email).await;
    assert_eq!(first.lasts, 14 * DAY);
    refresh_until(&world, first, &[14 * DAY - 1, 10 * DAY], 6 * DAY + 1).await;
    let first = world.log_in(0, email).await;
    refresh_until(&world, first, &[14 * DAY - 1], 14 * DAY).await;
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn an_hour_idle_and_twelve_in_all_for_who_may_change_things(#[case] store: Store) {
    let world = World::start(store).await;
    let email = world.register_ada().await;
    for held in ["users:write", "sessions:delete", "*"] {
        world.role.holds(&[held]);
        let first = world.log_in(0, email).await;
        assert_eq!(first.lasts, HOUR, "{held}");
        let pauses = [HOUR - 1; 11];
        refresh_until(&world, first, &pauses, HOUR).await;
        let first = world.log_in(0, email).await;
        let pauses = [HOUR - 1; 12];
        refresh_until(&world, first, &pauses, 12).await;
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[actix_web::test]
async fn rights_that_come_shorten_and_rights_that_go_do_not_lengthen(#[case] store: Store) {
    let world = World::start(store).await;
    let email = world.register_ada().await;
    let first = world.log_in(0, email).await;
    world.advance(secs(1800));
    world.role.holds(&["roles:write"]);
    let second = world.refresh(0, &first.refresh).await.tokens();
    assert_eq!(second.lasts, HOUR);
    world.role.holds(&[]);
    world.advance(secs(1800));
    let third = world.refresh(0, &second.refresh).await.tokens();
    assert_eq!(third.lasts, HOUR);
    // Longer unused than the new rights allow: it ends, and says why.
    let idle = world.log_in(0, email).await;
    world.advance(secs(HOUR));
    world.role.holds(&["roles:write"]);
    world.refresh(0, &idle.refresh).await.refused();
    assert_eq!(world.state(0, &idle).await, SessionState::Closed);
    let events = world.ground.events().await;
    assert_eq!(
        events,
        ["user_logged_in", "user_logged_in", "session_closed"]
    );
}
