//! SECURITY rule 1 by random walks: however users work together, together they gain nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;
use testkit::Backend;
use ud_kernel::{RoleId, UserId};

use crate::support::{Fixture, rounds};

/// A step of a random walk: who does it, and what.
#[derive(Debug, Clone)]
enum Step {
    Create(usize, BTreeSet<usize>),
    Update(usize, usize, BTreeSet<usize>),
    Delete(usize, usize),
    Assign(usize, usize, usize),
    Unassign(usize, usize, usize),
}

const UNIVERSE: [&str; 6] = [
    "roles:write",
    "role-assignments:write",
    "orders:read",
    "orders:write",
    "users:delete",
    "audits:read",
];

fn permissions() -> impl Strategy<Value = BTreeSet<usize>> {
    proptest::collection::btree_set(0..UNIVERSE.len(), 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let (who, role, user) = (0..4usize, 0..12usize, 0..5usize);
    prop_oneof![
        (who.clone(), permissions()).prop_map(|(w, p)| Step::Create(w, p)),
        (who.clone(), role.clone(), permissions()).prop_map(|(w, r, p)| Step::Update(w, r, p)),
        (who.clone(), role.clone()).prop_map(|(w, r)| Step::Delete(w, r)),
        (who.clone(), user.clone(), role.clone()).prop_map(|(w, u, r)| Step::Assign(w, u, r)),
        (who, user, role).prop_map(|(w, u, r)| Step::Unassign(w, u, r)),
    ]
}

async fn take(f: &Fixture, users: &[UserId], n: usize, step: Step) {
    let roles: Vec<RoleId> = f
        .reads()
        .roles(None, 1000)
        .await
        .unwrap()
        .iter()
        .map(|r| r.id)
        .collect();
    let role = |i: usize| roles[i % roles.len()];
    let names = |set: BTreeSet<usize>| set.into_iter().map(|i| UNIVERSE[i]).collect::<Vec<_>>();
    // Refusals are the point of the exercise; what counts is what everybody holds afterwards.
    let _ = match step {
        Step::Create(who, set) => f
            .create_as(users[who], &format!("r{n}"), &names(set))
            .await
            .map(drop),
        Step::Update(who, r, set) => f
            .update_as(users[who], role(r), &names(set))
            .await
            .map(drop),
        Step::Delete(who, r) => f.delete_as(users[who], role(r)).await.map(drop),
        Step::Assign(who, user, r) => f
            .assign_as(users[who], users[user], role(r), None)
            .await
            .map(drop),
        Step::Unassign(who, user, r) => {
            let found = f.assignments_of(users[user]).await;
            match found.iter().find(|(a, _)| a.role_id == role(r)) {
                Some((assignment, _)) => f.unassign_as(users[who], assignment.id).await.map(drop),
                None => Ok(()),
            }
        }
    };
}

async fn union(f: &Fixture, users: &[UserId]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for user in users {
        all.extend(f.permissions(*user).await);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: rounds() / 2, ..ProptestConfig::default() })]

    /// However conspirators work together, together they never hold more than they did.
    #[test]
    fn conspirators_gain_nothing(
        start in proptest::collection::vec(permissions(), 4),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let f = Fixture::new(Backend::Sqlite).await;
            f.role("foreign", &UNIVERSE).await;
            let mut users = Vec::new();
            for (i, set) in start.into_iter().enumerate() {
                let names: Vec<&str> = set.into_iter().map(|i| UNIVERSE[i]).collect();
                users.push(f.user_with(&format!("own{i}"), &names).await);
            }
            users.push(f.user());
            let before = union(&f, &users).await;
            for (n, step) in steps.into_iter().enumerate() {
                take(&f, &users, n, step).await;
                let after = union(&f, &users).await;
                assert!(after.is_subset(&before), "{after:?} out of {before:?}");
            }
            assert_eq!(f.permissions(f.admin).await, ["*"]);
            assert!(f.permissions(f.user()).await.is_empty());
        });
    }
}
