//! SECURITY rule 1 by random walks: however users work together, together they gain nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use proptest::{prelude::*, test_runner::TestRunner};
use role_service::models::{Assignment, RoleError};
use rstest::rstest;
use testkit::Backend;
use ud_kernel::{RoleId, UserId};

use crate::{
    holdings::{Held, Snapshot, assert_rule_one},
    support::{Fixture, START, rounds},
};

/// A step of a random walk: who does it, and what.
#[derive(Debug, Clone)]
enum Step {
    Create(usize, BTreeSet<usize>),
    Update(usize, usize, BTreeSet<usize>),
    Delete(usize, usize),
    Assign(usize, usize, usize, Option<u64>),
    Unassign(usize, usize, usize),
    /// Some minutes pass.
    Wait(u64),
}

impl Step {
    fn kind(&self) -> &'static str {
        match self {
            Self::Create(..) => "create",
            Self::Update(..) => "update",
            Self::Delete(..) => "delete",
            Self::Assign(.., None) => "assign",
            Self::Assign(.., Some(_)) => "assign with an end",
            Self::Unassign(..) => "unassign",
            Self::Wait(_) => "wait",
        }
    }
}

/// Every kind of step.
const KINDS: [&str; 7] = [
    "create",
    "update",
    "delete",
    "assign",
    "assign with an end",
    "unassign",
    "wait",
];

const UNIVERSE: [&str; 7] = [
    "roles:write",
    "role-assignments:write",
    "orders:read",
    "orders:write",
    "users:delete",
    "audits:read",
    // The last: only one walk of two has it.
    "roles:grant",
];

const CLERKS: usize = 4;

fn names(set: &BTreeSet<usize>) -> Vec<&'static str> {
    set.iter().map(|i| UNIVERSE[*i]).collect()
}

fn permissions() -> impl Strategy<Value = BTreeSet<usize>> {
    proptest::collection::btree_set(0..UNIVERSE.len(), 0..4)
}

/// In minutes after the start, or none.
fn end() -> impl Strategy<Value = Option<u64>> {
    proptest::option::of(1..240u64)
}

fn step() -> impl Strategy<Value = Step> {
    // Of the users, one holds nothing at first, one is no clerk, one holds more than all of them.
    let who = prop_oneof![0..2usize, 0..CLERKS];
    let (role, user) = (0..40usize, 0..CLERKS + 3);
    prop_oneof![
        2 => (who.clone(), permissions()).prop_map(|(w, p)| Step::Create(w, p)),
        2 => (who.clone(), role.clone(), permissions()).prop_map(|(w, r, p)| Step::Update(w, r, p)),
        1 => (who.clone(), role.clone()).prop_map(|(w, r)| Step::Delete(w, r)),
        6 => (who.clone(), user.clone(), role.clone(), end())
            .prop_map(|(w, u, r, e)| Step::Assign(w, u, r, e)),
        2 => (who, user, role).prop_map(|(w, u, r)| Step::Unassign(w, u, r)),
        1 => (1..30u64).prop_map(Step::Wait),
    ]
}

/// A role each clerk begins with: what it permits, until when they have it, and who else has it.
#[derive(Debug, Clone)]
struct Start(BTreeSet<usize>, Option<u64>, Option<usize>);

fn start() -> impl Strategy<Value = Start> {
    (permissions(), end(), proptest::option::of(0..CLERKS)).prop_map(|(p, e, o)| Start(p, e, o))
}

struct Walk {
    f: Fixture,
    /// The clerks, one who holds nothing, one who is no clerk, and one who holds more.
    users: Vec<UserId>,
}

impl Walk {
    async fn begin(backend: Backend, starts: &[Start], is_granting: bool) -> Self {
        let f = Fixture::new(backend).await;
        let users: Vec<UserId> = (0..CLERKS + 3).map(|_| f.user()).collect();
        let walk = Self { f, users };
        let (honest, chief) = (CLERKS + 1, CLERKS + 2);
        let shared = walk.f.role("shared", &[]).await.id;
        let chiefs = walk.f.role("chiefs", &["keys:write"]).await.id;
        let names_alone = walk.f.role("names-alone", &[]).await.id;
        walk.f.role("foreign", &UNIVERSE).await;
        for (who, role) in [
            (0, shared),
            (honest, shared),
            (chief, shared),
            (honest, names_alone),
            (chief, chiefs),
        ] {
            walk.f.assign(walk.users[who], role).await;
        }
        // Two who may do both for good: without them most walks are refusals only.
        for (who, name) in ["clerk-a", "clerk-b"].into_iter().enumerate() {
            let clerk = walk.f.role(name, &UNIVERSE[..2]).await.id;
            walk.f.assign(walk.users[who], clerk).await;
        }
        for (i, Start(set, end, other)) in starts.iter().enumerate() {
            let mut set = set.clone();
            if !is_granting {
                set.remove(&(UNIVERSE.len() - 1));
            }
            let role = walk.f.role(&format!("start{i}"), &names(&set)).await.id;
            let first = i % CLERKS;
            walk.give(first, role, *end).await.unwrap();
            if let Some(other) = other.filter(|other| *other != first) {
                walk.give(other, role, None).await.unwrap();
            }
        }
        walk
    }

    async fn give(&self, user: usize, role: RoleId, end: Option<u64>) -> Result<(), RoleError> {
        let end = end.map(|minutes| START.plus(Duration::from_secs(60 * minutes)));
        let given = self.f.assign_as(self.f.admin, self.users[user], role, end);
        given.await.map(drop)
    }

    async fn take(&self, n: usize, step: &Step) -> Result<(), RoleError> {
        let (f, users) = (&self.f, &self.users);
        let roles = f.reads().roles(None, 1000).await.unwrap();
        // Every second choice is among all roles, the built-in ones too; the others are among the clerk's own, where
        // most is allowed.
        let own_of = |who: usize| f.assignments_of(users[who]);
        let choose = |own: Vec<(Assignment, String)>, i: usize| {
            let own = own
                .get(i / 2 % own.len().max(1))
                .filter(|_| i.is_multiple_of(2));
            own.map_or(roles[i / 2 % roles.len()].id, |(assignment, _)| {
                assignment.role_id
            })
        };
        match step {
            Step::Create(who, set) => f
                .create_as(users[*who], &format!("r{n}"), &names(set))
                .await
                .map(drop),
            Step::Update(who, r, set) => {
                let role = choose(own_of(*who).await, *r);
                f.update_as(users[*who], role, &names(set)).await.map(drop)
            }
            Step::Delete(who, r) => {
                let role = choose(own_of(*who).await, *r);
                f.delete_as(users[*who], role).await.map(drop)
            }
            Step::Assign(who, user, r, end) => {
                let role = choose(own_of(*who).await, *r);
                let end = end.map(|minutes| f.clock.now().plus(Duration::from_secs(60 * minutes)));
                f.assign_as(users[*who], users[*user], role, end)
                    .await
                    .map(drop)
            }
            Step::Unassign(who, user, r) => {
                let role = choose(own_of(*who).await, *r);
                let found = f.assignments_of(users[*user]).await;
                match found.iter().find(|(a, _)| a.role_id == role) {
                    Some((assignment, _)) => {
                        f.unassign_as(users[*who], assignment.id).await.map(drop)
                    }
                    None => Err(RoleError::AssignmentNotFound),
                }
            }
            Step::Wait(minutes) => {
                f.clock.advance(Duration::from_secs(60 * minutes));
                Ok(())
            }
        }
    }

    /// Goes all `steps`; tells which kinds succeeded.
    async fn go(&self, steps: &[Step], is_granting: bool) -> BTreeMap<&'static str, u32> {
        let mut done = BTreeMap::new();
        // The clerks, and who they can make one.
        let group = &self.users[..=CLERKS];
        let chief = self.users[CLERKS + 2];
        let first = Snapshot::of(&self.f).await;
        let all = first.held_by_all(group);
        let mut before = first.clone();
        for (n, step) in steps.iter().enumerate() {
            let outcome = self.take(n, step).await;
            let after = Snapshot::of(&self.f).await;
            let case = format!("{step:?}: {outcome:?}");
            let who = match step {
                Step::Create(who, ..)
                | Step::Update(who, ..)
                | Step::Delete(who, ..)
                | Step::Assign(who, ..)
                | Step::Unassign(who, ..) => Some(self.users[*who]),
                Step::Wait(_) => None,
            };
            if let Some(who) = who {
                assert_rule_one(who, &before, &after, &case);
            }
            let mut gained = after.held_by_all(group).beyond(&all);
            if is_granting {
                // Names may be given by whoever holds `roles:grant`; permissions never.
                gained.names.clear();
            }
            assert_eq!(gained, Held::default(), "{case}");
            if !is_granting {
                assert_eq!(after.held_by(chief), first.held_by(chief), "{case}");
            }
            if outcome.is_ok() {
                *done.entry(step.kind()).or_insert(0) += 1;
            } else if who.is_some() {
                assert_eq!(
                    after, before,
                    "{case}: refused, and still something changed"
                );
            }
            before = after;
        }
        assert_eq!(self.f.permissions(self.f.admin).await, ["*"]);
        assert!(self.f.permissions(self.f.user()).await.is_empty());
        done
    }
}

/// However conspirators work together, together they never hold a permission, a role or a later end than one of
/// them did. Returns how many steps of each kind succeeded on all walks.
fn walks(backend: Backend, cases: u32, is_granting: bool) -> BTreeMap<&'static str, u32> {
    let done = Mutex::new(BTreeMap::new());
    let config = ProptestConfig {
        cases,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let starts = proptest::collection::vec(start(), CLERKS..2 * CLERKS);
    let steps = proptest::collection::vec(step(), 30..80);
    let walked = TestRunner::new(config).run(&(starts, steps), |(starts, steps)| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let some = runtime.block_on(async {
            let walk = Walk::begin(backend, &starts, is_granting).await;
            walk.go(&steps, is_granting).await
        });
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, times) in some {
            *done.entry(kind).or_insert(0) += times;
        }
        Ok(())
    });
    walked.unwrap();
    done.into_inner().unwrap()
}

/// Walks on which all is refused would show nothing.
#[track_caller]
fn assert_every_kind_succeeded(done: &BTreeMap<&'static str, u32>) {
    for kind in KINDS {
        assert!(done.contains_key(kind), "no {kind} succeeded: {done:?}");
    }
}

#[test]
fn conspirators_gain_nothing() {
    let done = walks(Backend::Sqlite, rounds() / 2, false);
    assert_every_kind_succeeded(&done);
}

#[rstest]
#[test]
fn conspirators_gain_nothing_on_servers(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let mut done = walks(backend, rounds() / 6, false);
    done.remove("wait");
    // So few walks need not have every kind.
    assert!(done.len() > 2, "{done:?}");
}

#[test]
fn conspirators_who_may_give_names_gain_no_permission() {
    let done = walks(Backend::Sqlite, rounds() / 2, true);
    assert_every_kind_succeeded(&done);
}
