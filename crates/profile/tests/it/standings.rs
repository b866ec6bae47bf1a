//! The one way by which an account becomes unable to log in (SECURITY rule 3): announced, reserved at role, made; and
//! what is left when it is killed, paused, or not answered between two steps.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use rstest::rstest;
use testkit::Backend;
use ud_kernel::{
    Service, UserId,
    models::{Provenance, Standing, UserStanding},
};
use user_profile_service::models::{
    Standings, StatusChange, standing_store,
    user::{User, UserStatus},
};

use crate::{
    acting::{delete, post},
    world::{World, expect_problem},
};

pub(crate) fn standing(state: Standing, sequence: i64) -> UserStanding {
    UserStanding { state, sequence }
}

pub(crate) fn standings(world: &World) -> Standings {
    let role = world.base.peers.client(Service::Role);
    Standings::new(
        world.db.clone(),
        role,
        world.clock.clone(),
        ud_kernel::Failpoints::none(),
    )
}

pub(crate) fn told(world: &World, user: UserId) -> Option<UserStanding> {
    let state = world.role.state();
    state.standings.get(&user.to_string()).copied()
}

pub(crate) async fn left(world: &World, user: UserId) -> Option<i64> {
    let found = world.db.read(move |conn| standing_store::find(conn, user));
    found.await.unwrap()
}

pub(crate) async fn stored(world: &World, user: UserId) -> User {
    world.stored(user).await.unwrap()
}

#[rstest]
#[tokio::test]
async fn role_is_asked_before_a_change_and_told_after_it(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let (ada, bob) = (
        world.register_email("ada@example.org").await,
        world.register_email("bob@example.org").await,
    );
    let boss = world.stranger();
    for (verb, expected) in [
        ("suspend", standing(Standing::Inactive, 2)),
        ("reactivate", standing(Standing::Active, 3)),
    ] {
        let answer = post(&world, boss, &["users:write"], ada, verb).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(told(&world, ada), Some(expected));
        assert_eq!(left(&world, ada).await, None);
    }
    let order = world.role.state().told.clone();
    assert_eq!(
        order,
        [
            standing(Standing::Reserved, 2),
            standing(Standing::Inactive, 2),
            standing(Standing::Active, 3)
        ]
    );
    assert_eq!(
        delete(&world, bob, &[], bob).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(told(&world, bob), Some(standing(Standing::Inactive, 2)));
    assert_eq!(left(&world, bob).await, None);
}

/// Role's transaction decides, whatever profile was told of the user's roles a moment before.
#[rstest]
#[tokio::test]
async fn a_reservation_refused_leaves_the_account_as_it_was(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let boss = world.stranger();
    for (step, is_deletion) in [(2, false), (3, true)] {
        let mut gate = world.gates.hold_at("standing.announced");
        let acting = async {
            if is_deletion {
                delete(&world, boss, &["users:delete"], ada).await
            } else {
                post(&world, boss, &["users:write"], ada, "suspend").await
            }
        };
        let meanwhile = async {
            let arrival = gate.arrived().await;
            world.role.grant(ada, &["admin"], &["*"]);
            arrival.release();
        };
        let (answer, ()) = tokio::join!(acting, meanwhile);
        expect_problem(answer, 409, "user.is-administrator").await;
        let user = stored(&world, ada).await;
        assert_eq!((user.status, user.version), (UserStatus::Active, step));
        // A copy of the reservation that arrives now, late, finds a later standing.
        assert_eq!(told(&world, ada), Some(standing(Standing::Active, step)));
        assert_eq!(left(&world, ada).await, None);
        world.role.grant(ada, &[], &[]);
    }
    assert_eq!(world.events_about(ada).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn role_away_is_503_and_nothing_changes(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let boss = world.stranger();
    let act = || post(&world, boss, &["users:write"], ada, "suspend");
    for how in ["down after the announcement", "answers lost", "older"] {
        {
            let mut role = world.role.state();
            role.loses_standings = how == "answers lost";
            role.knows_no_standings = how == "older";
        }
        let answer = if how.starts_with("down") {
            let mut gate = world.gates.hold_at("standing.announced");
            let meanwhile = async {
                let arrival = gate.arrived().await;
                world.role.state().is_down = true;
                arrival.release();
            };
            tokio::join!(act(), meanwhile).0
        } else {
            act().await
        };
        assert!(answer.headers().contains_key("retry-after"), "{how}");
        expect_problem(answer, 503, "server.dependency-unavailable").await;
        let user = stored(&world, ada).await;
        assert_eq!(user.status, UserStatus::Active, "{how}");
        // Whatever role has stored, nobody can make the announced change any more; role learns of it later.
        assert_eq!(left(&world, ada).await, Some(user.version), "{how}");
        {
            let mut role = world.role.state();
            (role.is_down, role.loses_standings, role.knows_no_standings) = (false, false, false);
        }
        // The service's own sweeper may have done it already.
        standings(&world).sweep().await.unwrap();
        let active = standing(Standing::Active, user.version);
        assert_eq!(told(&world, ada), Some(active), "{how}");
        assert_eq!(left(&world, ada).await, None);
        assert_eq!(standings(&world).sweep().await.unwrap(), 0);
    }
    assert_eq!(act().await.status(), StatusCode::OK);
    assert_eq!(world.events_about(ada).await.len(), 2);
}

/// Killed between any two steps: after a minute the sweeper has finished it, and role knows the outcome.
#[rstest]
#[tokio::test]
async fn what_is_killed_between_two_steps_is_finished_by_the_sweeper(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let boss = world.stranger();
    for (number, (point, expected)) in [
        ("standing.announced", UserStatus::Active),
        ("standing.reserved", UserStatus::Active),
        ("suspension.committed", UserStatus::Suspended),
        ("standing.told", UserStatus::Suspended),
    ]
    .into_iter()
    .enumerate()
    {
        let ada = world
            .register_email(&format!("a{number}@example.org"))
            .await;
        world.role.grant(boss, &[], &["users:write"]);
        let mut gate = world.gates.hold_at(point);
        let flow = world.account_flow();
        let acting = tokio::spawn(async move {
            let origin = Provenance::default();
            flow.change_status(boss, &origin, ada, StatusChange::Suspend)
                .await
        });
        gate.arrived().await.abandon();
        drop(gate);
        acting.abort();
        // Within the minute it may still be made.
        world.clock.advance(Duration::from_secs(30));
        if expected == UserStatus::Active {
            assert_eq!(standings(&world).sweep().await.unwrap(), 0, "{point}");
            assert_eq!(left(&world, ada).await, Some(2), "{point}");
        }
        world.clock.advance(Duration::from_secs(31));
        standings(&world).sweep().await.unwrap();
        let user = stored(&world, ada).await;
        assert_eq!((user.status, user.version), (expected, 2), "{point}");
        let state = match expected {
            UserStatus::Active => Standing::Active,
            _ => Standing::Inactive,
        };
        assert_eq!(told(&world, ada), Some(standing(state, 2)), "{point}");
        assert_eq!(left(&world, ada).await, None, "{point}");
    }
}

/// A change that was paused for so long that the sweeper withdrew it is announced and reserved again.
#[rstest]
#[tokio::test]
async fn a_change_that_was_overtaken_begins_anew(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let boss = world.stranger();
    let mut gate = world.gates.hold_at("standing.reserved");
    let acting = post(&world, boss, &["users:write"], ada, "suspend");
    let meanwhile = async {
        let arrival = gate.arrived().await;
        world.clock.advance(Duration::from_secs(61));
        standings(&world).sweep().await.unwrap();
        assert_eq!(told(&world, ada), Some(standing(Standing::Active, 2)));
        arrival.release();
        gate.arrived().await.release();
    };
    let (answer, ()) = tokio::join!(acting, meanwhile);
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(told(&world, ada), Some(standing(Standing::Inactive, 3)));
    let user = stored(&world, ada).await;
    assert_eq!((user.status, user.version), (UserStatus::Suspended, 3));
}

/// Somebody who changes their name all the time is suspended all the same, or it is said to be busy.
#[rstest]
#[tokio::test]
async fn the_users_own_changes_do_not_keep_a_suspension_from_being_made(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let boss = world.stranger();
    let mut gate = world.gates.hold_at("standing.reserved");
    let acting = post(&world, boss, &["users:write"], ada, "suspend");
    let meanwhile = async {
        let arrival = gate.arrived().await;
        let path = format!("/api/v1/users/{ada}");
        let patch = world.as_user(ada, &[], Method::PATCH, &path);
        let patch = patch.json(&serde_json::json!({"given_name": "Ada"}));
        assert_eq!(patch.send().await.unwrap().status(), StatusCode::OK);
        arrival.release();
        gate.arrived().await.release();
    };
    let (answer, ()) = tokio::join!(acting, meanwhile);
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(told(&world, ada), Some(standing(Standing::Inactive, 3)));
    assert_eq!(left(&world, ada).await, None);
}

/// Two ask for the suspension, and one for the deletion, of one user at once: each is answered, one standing is left.
#[rstest]
#[tokio::test]
async fn changes_of_one_user_at_once_leave_one_outcome(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let boss = world.stranger();
    for round in 0..10 {
        let ada = world.register_email(&format!("u{round}@example.org")).await;
        let all = ["users:write", "users:delete"];
        let (a, b, c) = tokio::join!(
            post(&world, boss, &all, ada, "suspend"),
            post(&world, boss, &all, ada, "suspend"),
            delete(&world, boss, &all, ada),
        );
        let statuses = [
            a.status().as_u16(),
            b.status().as_u16(),
            c.status().as_u16(),
        ];
        let fine = |status: &u16| [200, 204, 404, 503].contains(status);
        assert!(statuses.iter().all(fine), "{statuses:?}");
        world.clock.advance(Duration::from_secs(61));
        while standings(&world).sweep().await.unwrap() > 0 {}
        let user = stored(&world, ada).await;
        if statuses[2] == 204 {
            assert_eq!(user.status, UserStatus::Deleted, "{statuses:?}");
        }
        let state = match user.status {
            UserStatus::Active => Standing::Active,
            _ => Standing::Inactive,
        };
        let last = told(&world, ada).unwrap();
        assert_eq!(last.state, state, "{statuses:?}");
        assert_eq!(left(&world, ada).await, None);
        // No status is told twice as a change.
        let kinds: Vec<_> = world
            .events_about(ada)
            .await
            .iter()
            .map(|e| e.sequence)
            .collect();
        let mut distinct = kinds.clone();
        distinct.dedup();
        assert_eq!(kinds, distinct);
    }
}
