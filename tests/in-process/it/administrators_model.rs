//! The operations on administrators, what must come out of them, and the schedules by which two of them are run at once.

use std::time::Duration;

use user_profile_service::models::user::UserStatus::{self, Active, Deleted, Suspended};

use crate::administrators_world::Person;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Suspend,
    Reactivate,
    Delete,
    Assign,
    Unassign,
}

/// Something one of the two does to one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) actor: usize,
    pub(crate) target: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    NotFound,
    Denied,
    Conflict,
    /// 503: nothing was done.
    Busy,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) begin: [Person; 2],
    pub(crate) first: Operation,
    pub(crate) second: Operation,
    /// The first operation is stopped at the point of this number.
    pub(crate) point: usize,
    pub(crate) pause: Duration,
    pub(crate) is_killed: bool,
}

const KINDS: [Kind; 5] = [
    Kind::Suspend,
    Kind::Reactivate,
    Kind::Delete,
    Kind::Assign,
    Kind::Unassign,
];
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(30),
    Duration::from_secs(70),
];
/// No operation has more points.
const POINTS: usize = 5;

pub(crate) const fn person(status: UserStatus, is_admin: bool) -> Person {
    Person { status, is_admin }
}

pub(crate) const BEGINNINGS: [[Person; 2]; 3] = [
    [person(Active, true), person(Active, false)],
    [person(Active, true), person(Active, true)],
    [person(Active, true), person(Suspended, false)],
];

/// What must come out of an operation that nothing runs beside.
fn model(mut people: [Person; 2], operation: Operation) -> ([Person; 2], Answer) {
    let Operation {
        kind,
        actor,
        target,
    } = operation;
    let (is_own, may) = (actor == target, people[actor].is_admin);
    let before = people[target];
    let it = &mut people[target];
    let answer = match kind {
        Kind::Suspend | Kind::Reactivate if is_own => Answer::Conflict,
        Kind::Suspend | Kind::Reactivate | Kind::Delete if before.status == Deleted => {
            Answer::NotFound
        }
        Kind::Suspend | Kind::Reactivate if !may => Answer::Denied,
        Kind::Delete if !is_own && !may => Answer::Denied,
        Kind::Suspend | Kind::Delete if before.is_admin => Answer::Conflict,
        Kind::Suspend => {
            it.status = Suspended;
            Answer::Done
        }
        Kind::Reactivate => {
            it.status = Active;
            Answer::Done
        }
        Kind::Delete => {
            *it = person(Deleted, false);
            Answer::Done
        }
        Kind::Assign if before.status == Deleted => Answer::NotFound,
        Kind::Assign if before.status == Suspended => Answer::Conflict,
        Kind::Assign if !may => Answer::Denied,
        Kind::Assign if before.is_admin => Answer::Conflict,
        Kind::Assign => {
            it.is_admin = true;
            Answer::Done
        }
        Kind::Unassign if !may => Answer::Denied,
        Kind::Unassign if !before.is_admin => Answer::NotFound,
        Kind::Unassign => {
            it.is_admin = false;
            if people.iter().any(|p| p.is_admin && p.status == Active) {
                Answer::Done
            } else {
                people[target].is_admin = true;
                Answer::Conflict
            }
        }
    };
    (people, answer)
}

/// Everything that may come out of two operations at once: the people, and what each is answered.
pub(crate) fn allowed(schedule: &Schedule) -> Vec<([Person; 2], Option<Answer>, Answer)> {
    let Schedule {
        begin,
        first,
        second,
        ..
    } = *schedule;
    let mut outcomes = Vec::new();
    let (after_first, a) = model(begin, first);
    let (people, b) = model(after_first, second);
    outcomes.push((people, Some(a), b));
    let (after_second, b) = model(begin, second);
    let (people, late) = model(after_second, first);
    outcomes.push((people, Some(late), b));
    if schedule.is_killed {
        outcomes.push((after_second, None, b));
    }
    // While the target's status is being changed they are made no administrator, whatever comes of it.
    let changes = |kind| matches!(kind, Kind::Suspend | Kind::Reactivate | Kind::Delete);
    let is_same = first.target == second.target;
    if is_same && first.kind == Kind::Assign && changes(second.kind) {
        outcomes.push((after_second, Some(Answer::Conflict), b));
    }
    if is_same && changes(first.kind) && second.kind == Kind::Assign && begin[second.actor].is_admin
    {
        outcomes.push((after_first, Some(a), Answer::Conflict));
        if schedule.is_killed {
            outcomes.push((begin, None, Answer::Conflict));
        }
    }
    outcomes
}

fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for kind in KINDS {
        for (actor, target) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            all.push(Operation {
                kind,
                actor,
                target,
            });
        }
    }
    all
}

/// Every schedule whose first operation does something: where it is refused at once, there is nothing to interleave.
pub(crate) fn schedules() -> Vec<Schedule> {
    let mut all = Vec::new();
    for begin in BEGINNINGS {
        for first in operations() {
            if model(begin, first).1 != Answer::Done {
                continue;
            }
            for second in operations() {
                for point in 0..POINTS {
                    for pause in PAUSES {
                        for is_killed in [false, true] {
                            all.push(Schedule {
                                begin,
                                first,
                                second,
                                point,
                                pause,
                                is_killed,
                            });
                        }
                    }
                }
            }
        }
    }
    all
}
