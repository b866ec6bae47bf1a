//! SECURITY rule 1, every pair of a caller and a change: nobody gives or takes a permission, a role or an end that
//! they do not hold.

use role_service::models::{ADMIN_ROLE, RoleError, USER_ROLE};
use rstest::rstest;
use testkit::Backend;

use crate::{
    holdings::{End, NEVER, Snapshot, assert_rule_one},
    support::{Fixture, rounds},
    world::{CALLERS, EVERYBODY, Op, SOON, Who, World, attempt, every_change},
};

/// What SECURITY rule 1 says of `op`, in the words of the rule, over what is held.
fn expected(w: &World, before: &Snapshot, op: Op) -> Result<(), RoleError> {
    let own = before.held_by(w.who[&Who::Own]);
    let holds = |permissions: &[&str]| permissions.iter().all(|p| own.end_of(p).is_some());
    let may = |needed: &str| own.end_of(needed).ok_or(RoleError::PermissionDenied);
    let is = |right: bool, otherwise| if right { Ok(()) } else { Err(otherwise) };
    let names_lifted = own.end_of("roles:grant").is_some();
    let held = |who: Who| before.held_by(w.who[&who]);
    let stored =
        |name: &str| -> Vec<&str> { w.permissions[name].iter().map(String::as_str).collect() };
    let has = |who: Who, name: &str| w.assignments.contains_key(&(who, name));
    let somebody_more = |name: &str| {
        EVERYBODY
            .iter()
            .any(|&who| has(who, name) && held(who).has_more_of_ours_than(&own))
    };
    let changed = |name: &str| {
        is(holds(&stored(name)), RoleError::Escalation)?;
        is(names_lifted || !somebody_more(name), RoleError::Escalation)
    };
    let put = |before: &[&str], after: &[&str]| {
        is(holds(after), RoleError::Escalation)?;
        let mut new = after.iter().filter(|p| !before.contains(p));
        is(
            new.all(|p| own.end_of(p) == Some(NEVER)),
            RoleError::PermissionsOutliveGrantor,
        )
    };
    let given = |who: Who, end: End, name: &str, permissions: &[&str]| {
        is(
            !held(who).has_more_of_ours_than(&own),
            RoleError::TargetHoldsMore,
        )?;
        let ends = permissions.iter().map(|p| own.end_of(p));
        let latest = ends.chain([own.end_of_name(name)]).min().flatten();
        is(latest >= Some(end), RoleError::AssignmentOutlivesGrantor)
    };
    match op {
        Op::Create(permissions) => {
            may("roles:write")?;
            put(&[], permissions)
        }
        Op::Describe(name) | Op::Set(name, _) => {
            may("roles:write")?;
            is(w.roles[name] != ADMIN_ROLE, RoleError::BuiltIn)?;
            is(name != "user" || holds(&["*"]), RoleError::Escalation)?;
            changed(name)?;
            match op {
                Op::Set(_, after) => put(&stored(name), after),
                _ => Ok(()),
            }
        }
        Op::Delete(name) => {
            may("roles:write")?;
            let built_in = [ADMIN_ROLE, USER_ROLE].contains(&w.roles[name]);
            is(!built_in, RoleError::BuiltIn)?;
            changed(name)?;
            let is_held = EVERYBODY.iter().any(|&who| has(who, name));
            is(
                !is_held || own.end_of_name(name).is_some(),
                RoleError::Escalation,
            )
        }
        Op::Assign(who, name, end) => {
            may("role-assignments:write")?;
            is(holds(&stored(name)), RoleError::Escalation)?;
            // The administrator's own role is `admin`.
            let is_named = own.end_of_name(name).is_some();
            is(is_named, RoleError::Escalation)?;
            is(name != "user", RoleError::BuiltIn)?;
            let is_admin = w.roles[name] == ADMIN_ROLE;
            is(!is_admin || end == NEVER, RoleError::AdministratorExpires)?;
            given(who, end, name, &stored(name))?;
            let has_it = has(who, name) || (is_admin && has(who, "own"));
            is(!has_it, RoleError::AlreadyAssigned)
        }
        Op::Unassign(who, name) => {
            may("role-assignments:write")?;
            is(has(who, name), RoleError::AssignmentNotFound)?;
            is(holds(&stored(name)), RoleError::Escalation)?;
            is(own.end_of_name(name).is_some(), RoleError::Escalation)?;
            is(
                !held(who).has_more_of_ours_than(&own),
                RoleError::TargetHoldsMore,
            )
        }
        Op::Invent(permissions, who) => {
            may("roles:write")?;
            put(&[], permissions)?;
            may("role-assignments:write")?;
            is(names_lifted, RoleError::Escalation)?;
            given(who, NEVER, "invented", permissions)
        }
    }
}

async fn every_pair(backend: Backend) {
    let changes = every_change();
    for caller in &CALLERS {
        let f = Fixture::new(backend).await;
        let world = World::new(&f, caller).await;
        let before = Snapshot::of(&f).await;
        let mut done = 0;
        for &op in &changes {
            let case = format!("{backend}: {} {op:?}", caller.0);
            let (outcome, after) = attempt(&f, &world, op).await;
            assert_eq!(outcome, expected(&world, &before, op), "{case}");
            assert_rule_one(world.who[&Who::Own], &before, &after, &case);
            done += usize::from(outcome.is_ok());
        }
        assert_eq!(Snapshot::of(&f).await, before, "all was undone");
        // A caller who may nothing is refused everything, and no other is.
        assert_eq!(done == 0, caller.1.is_empty(), "{}: {done}", caller.0);
    }
}

#[tokio::test]
async fn every_caller_and_every_change_on_sqlite() {
    every_pair(Backend::Sqlite).await;
}

#[tokio::test]
async fn every_caller_and_every_change_on_postgres() {
    every_pair(Backend::Postgres).await;
}

#[tokio::test]
async fn every_caller_and_every_change_on_mysql() {
    every_pair(Backend::Mysql).await;
}

/// What the caller held decides, and nothing else: the table of outcomes is not the rule's own words only.
#[rstest]
#[tokio::test]
async fn a_clerk_gives_what_they_have_and_nothing_else(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let w = World::new(&f, &CALLERS[3]).await;
    let refused = Err(RoleError::Escalation);
    let more = Err(RoleError::TargetHoldsMore);
    for (op, expected) in [
        (Op::Assign(Who::Friend, "carried", NEVER), Ok(())),
        (Op::Assign(Who::Friend, "reads", SOON), Ok(())),
        (Op::Unassign(Who::Peer, "carried"), Ok(())),
        (Op::Unassign(Who::Own, "own"), Ok(())),
        (Op::Create(&["orders:read"]), Ok(())),
        (Op::Delete("vacant"), Ok(())),
        (Op::Set("shop", &["orders:read"]), Ok(())),
        (Op::Assign(Who::Own, "vacant", SOON), refused.clone()),
        (Op::Assign(Who::Own, "reading", NEVER), refused.clone()),
        (Op::Assign(Who::Friend, "shop", NEVER), refused.clone()),
        (Op::Invent(&[], Who::Own), refused.clone()),
        (Op::Unassign(Who::Peer, "shop"), refused.clone()),
        (Op::Delete("shop"), refused.clone()),
        (Op::Describe("guarded"), refused.clone()),
        (Op::Set("common", &["orders:read"]), refused.clone()),
        (Op::Delete("common"), refused),
        (Op::Assign(Who::Chief, "carried", NEVER), more.clone()),
        (Op::Unassign(Who::Chief, "common"), more),
    ] {
        let (outcome, _) = attempt(&f, &w, op).await;
        assert_eq!(outcome, expected, "{backend}: {op:?}");
    }
}

/// The token may say what it likes: rights are those of the moment.
#[rstest]
#[tokio::test]
async fn rights_are_those_of_the_moment(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let w = World::new(&f, &CALLERS[3]).await;
    let give = Op::Assign(Who::Friend, "carried", NEVER);
    let take = |name| f.unassign_as(f.admin, w.assignments[&(Who::Own, name)]);
    assert_eq!(attempt(&f, &w, give).await.0, Ok(()));
    take("carried").await.unwrap();
    assert_eq!(attempt(&f, &w, give).await.0, Err(RoleError::Escalation));
    take("own").await.unwrap();
    for op in [give, Op::Create(&[])] {
        assert_eq!(
            attempt(&f, &w, op).await.0,
            Err(RoleError::PermissionDenied)
        );
    }
}

/// Two clerks take a role from each other at the same moment: the first who does it leaves the other without what it
/// needs. Rights that were read before the change had its turn would let both pass.
#[rstest]
#[tokio::test]
async fn two_clerks_cannot_take_a_role_from_each_other(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let writer = f.role("writer", &["role-assignments:write"]).await.id;
    let shop = f.role("shop", &[]).await.id;
    let (a, b) = (f.user(), f.user());
    for user in [a, b] {
        f.assign(user, writer).await;
    }
    for round in 0..rounds() {
        let (of_a, of_b) = (f.assign(a, shop).await.id, f.assign(b, shop).await.id);
        let (first, second) = tokio::join!(f.unassign_as(a, of_b), f.unassign_as(b, of_a));
        let outcomes = [first.map(drop), second.map(drop)];
        let case = format!("{backend} round {round}: {outcomes:?}");
        assert!(outcomes.contains(&Ok(())), "{case}");
        assert!(outcomes.contains(&Err(RoleError::Escalation)), "{case}");
        let left = if outcomes[0].is_ok() { of_a } else { of_b };
        f.unassign_as(f.admin, left).await.unwrap();
    }
}
