//! There is always an administrator, and an administrator is somebody who can log in (SECURITY rule 3): suspension,
//! reactivation, deletion, and `admin` given and taken, over two users. The first of two operations is paused between every
//! two of its steps, for so long that nothing happens, that 30 seconds pass, or that the sweeper withdraws it; there the
//! second one runs whole, and the first goes on or is killed. What comes out must be what one of the two orders gives, and
//! the three services agree about it. Two at once that both stop between steps are tried at random.

use std::{sync::Arc, time::Duration};

use rstest::rstest;
use testkit::{Arrival, Backend};
use ud_kernel::{AssignmentId, Failpoints, Timestamp, UserId, models::Provenance};
use user_profile_service::models::{ProfileError, StatusChange, user::UserStatus::Active};

use crate::{
    administrators_model::{Answer, BEGINNINGS, Kind, Operation, Schedule, allowed, schedules},
    administrators_world::House,
};
use role_service::models::{ADMIN_ROLE, NewAssignment, RoleError};

/// A prime, so that each point, pause and end is met.
const STRIDE: usize = 23;

fn answer_of_profile<T>(outcome: Result<T, ProfileError>) -> Answer {
    match outcome {
        Ok(_) => Answer::Done,
        Err(ProfileError::NotFound) => Answer::NotFound,
        Err(ProfileError::PermissionDenied | ProfileError::TargetHoldsMore) => Answer::Denied,
        Err(ProfileError::IsAdministrator | ProfileError::IsSelf) => Answer::Conflict,
        Err(error) if error.is_temporary() => Answer::Busy,
        Err(other) => panic!("{other}"),
    }
}

fn answer_of_role<T>(outcome: Result<T, RoleError>) -> Answer {
    match outcome {
        Ok(_) => Answer::Done,
        Err(RoleError::UnknownUser | RoleError::AssignmentNotFound) => Answer::NotFound,
        Err(RoleError::PermissionDenied | RoleError::Escalation | RoleError::TargetHoldsMore) => {
            Answer::Denied
        }
        Err(
            RoleError::AlreadyAssigned | RoleError::UserInactive | RoleError::LastAdministrator,
        ) => Answer::Conflict,
        Err(RoleError::Store(error)) if error.is_temporary() => Answer::Busy,
        Err(other) => panic!("{other}"),
    }
}

/// Does it, through the points of `steps`.
async fn operate(
    house: &House,
    ids: [UserId; 2],
    operation: Operation,
    assignment: Option<AssignmentId>,
    failpoints: Failpoints,
) -> Answer {
    let (actor, target) = (ids[operation.actor], ids[operation.target]);
    let origin = Provenance::default();
    let (accounts, assignments) = (
        house.accounts(failpoints.clone()),
        house.assignments(failpoints),
    );
    match operation.kind {
        Kind::Suspend | Kind::Reactivate => {
            let change = if operation.kind == Kind::Suspend {
                StatusChange::Suspend
            } else {
                StatusChange::Reactivate
            };
            let done = accounts.change_status(actor, &origin, target, change);
            answer_of_profile(done.await)
        }
        Kind::Delete => answer_of_profile(accounts.delete(actor, &origin, target).await),
        Kind::Assign => {
            let new = NewAssignment {
                user_id: target,
                role_id: ADMIN_ROLE,
                expires_at: None,
            };
            answer_of_role(assignments.create(actor, origin, new).await)
        }
        Kind::Unassign => {
            let id = assignment.unwrap_or_else(|| AssignmentId::new(Timestamp::from_millis(1)));
            answer_of_role(assignments.delete(actor, origin, id).await)
        }
    }
}

/// Two operations whose steps are released in a random order.
async fn run_both(house: &Arc<House>, schedule: Schedule, mut order: u64) {
    let ids = house.people(schedule.begin).await;
    let assignments = [
        house.assignment(ids[0]).await,
        house.assignment(ids[1]).await,
    ];
    let mut gate = house.gates.hold_everywhere();
    let start = |operation: Operation| {
        let (house, failpoints) = (Arc::clone(house), house.gates.failpoints());
        let assignment = assignments[operation.target];
        tokio::spawn(async move { operate(&house, ids, operation, assignment, failpoints).await })
    };
    let (mut first, mut second) = (start(schedule.first), start(schedule.second));
    let (mut a, mut b) = (None, None);
    let mut waiting: Vec<Arrival> = Vec::new();
    while a.is_none() || b.is_none() {
        let running = usize::from(a.is_none()) + usize::from(b.is_none());
        if waiting.len() == running {
            // Knuth's generator: the same orders in each run.
            order = order
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let chosen = (order >> 33) as usize % waiting.len();
            waiting.remove(chosen).release();
            continue;
        }
        tokio::select! {
            answer = &mut first, if a.is_none() => a = Some(answer.unwrap()),
            answer = &mut second, if b.is_none() => b = Some(answer.unwrap()),
            arrival = gate.arrived() => waiting.push(arrival),
        }
    }
    drop(gate);
    house.clock.advance(Duration::from_secs(61));
    house.settle().await;
    let people = house.see(ids).await;
    assert!(
        people.iter().any(|p| p.is_admin && p.status == Active),
        "no administrator can log in: {people:?} after {schedule:?}, {a:?}, {b:?}"
    );
}

/// Whether the first operation has a point of this number.
async fn run(house: &Arc<House>, schedule: Schedule) -> bool {
    let ids = house.people(schedule.begin).await;
    let assignments = [
        house.assignment(ids[0]).await,
        house.assignment(ids[1]).await,
    ];
    let of = |operation: Operation| assignments[operation.target];
    let mut gate = house.gates.hold_everywhere();
    let first = tokio::spawn({
        let (house, operation) = (Arc::clone(house), schedule.first);
        let (assignment, failpoints) = (of(operation), house.gates.failpoints());
        async move { operate(&house, ids, operation, assignment, failpoints).await }
    });
    let mut first = std::pin::pin!(first);
    let mut stopped: Option<Arrival> = None;
    for number in 0..=schedule.point {
        let arrival = tokio::select! {
            answer = &mut first => {
                // It has fewer points.
                answer.unwrap();
                return false;
            }
            arrival = gate.arrived() => arrival,
        };
        if number == schedule.point {
            stopped = Some(arrival);
        } else {
            arrival.release();
        }
    }
    drop(gate);
    house.clock.advance(schedule.pause);
    if !schedule.pause.is_zero() {
        house.settle().await;
    }
    let second = schedule.second;
    let second_answer = operate(house, ids, second, of(second), Failpoints::none()).await;
    let first_answer = match stopped {
        Some(arrival) if schedule.is_killed => {
            arrival.abandon();
            first.abort();
            None
        }
        stopped => {
            drop(stopped);
            Some(first.await.unwrap())
        }
    };
    house.clock.advance(Duration::from_secs(61));
    house.settle().await;
    let people = house.see(ids).await;
    assert!(
        people.iter().any(|p| p.is_admin && p.status == Active),
        "no administrator can log in: {people:?} after {schedule:?}, {first_answer:?}, {second_answer:?}"
    );
    let possible = allowed(&schedule);
    let is_possible = possible.iter().any(|(expected, a, b)| {
        *expected == people && *b == second_answer && (first_answer.is_none() || *a == first_answer)
    });
    assert!(
        is_possible,
        "{people:?} after {schedule:?}, {first_answer:?}, {second_answer:?}; possible: {possible:?}"
    );
    true
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[case(Backend::Mysql)]
#[actix_web::test]
async fn whatever_is_interleaved_an_administrator_can_log_in(#[case] backend: Backend) {
    let house = Arc::new(House::start(backend).await);
    let all = schedules();
    // A part of them that differs between the databases; all of them with TEST_LONG.
    let stride = end_to_end::rounds(STRIDE, 1);
    let offset = backend as usize % stride;
    let mut reached = 0;
    for schedule in all.iter().skip(offset).step_by(stride) {
        reached += usize::from(run(&house, *schedule).await);
    }
    assert!(
        reached * 3 >= all.len() / stride,
        "only {reached} schedules had that point"
    );
    println!("{backend}: {reached} schedules of {}", all.len());
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[case(Backend::Mysql)]
#[actix_web::test]
async fn two_at_once_that_both_stop_between_steps_leave_an_administrator(#[case] backend: Backend) {
    let house = Arc::new(House::start(backend).await);
    let all: Vec<_> = schedules()
        .into_iter()
        .filter(|s| s.point == 0 && s.pause.is_zero() && !s.is_killed)
        .collect();
    let rounds = end_to_end::rounds(60, 2_000);
    for (round, schedule) in (0_u64..).zip(all.iter().cycle().step_by(7).take(rounds)) {
        run_both(&house, *schedule, round).await;
    }
}

/// The finding that led here: the only administrator left was one who could not log in.
#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[case(Backend::Mysql)]
#[actix_web::test]
async fn a_suspended_user_is_not_made_the_only_administrator(#[case] backend: Backend) {
    let house = House::start(backend).await;
    let ids = house.people(BEGINNINGS[0]).await;
    let act = |kind, target, assignment| {
        let operation = Operation {
            kind,
            actor: 0,
            target,
        };
        operate(&house, ids, operation, assignment, Failpoints::none())
    };
    assert_eq!(act(Kind::Suspend, 1, None).await, Answer::Done);
    assert_eq!(act(Kind::Assign, 1, None).await, Answer::Conflict);
    let own = house.assignment(ids[0]).await;
    assert_eq!(act(Kind::Unassign, 0, own).await, Answer::Conflict);
    assert_eq!(act(Kind::Reactivate, 1, None).await, Answer::Done);
    assert_eq!(act(Kind::Assign, 1, None).await, Answer::Done);
    assert_eq!(act(Kind::Unassign, 0, own).await, Answer::Done);
}
