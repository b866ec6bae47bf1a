//! SECURITY rule 1: nobody grants what they do not hold. Every pair of a caller and a change, and random
//! walks over changes.

use std::collections::{BTreeMap, BTreeSet};

use role_service::models::{ADMIN_ROLE, RoleError, USER_ROLE};
use testkit::Backend;
use ud_kernel::{AssignmentId, RoleId, UserId};

use crate::support::Fixture;

/// Who calls, by the permissions they hold beside `orders:read`.
const CALLERS: [(&str, &[&str]); 5] = [
    ("nobody", &[]),
    ("roles", &["roles:write"]),
    ("assignments", &["role-assignments:write"]),
    ("both", &["roles:write", "role-assignments:write"]),
    ("admin", &["*"]),
];

/// Everybody in one world, and the roles they change.
struct World<'a> {
    f: &'a Fixture,
    caller: UserId,
    /// A friend of the caller who holds nothing.
    friend: UserId,
    /// Somebody who holds `orders:delete`.
    other: UserId,
    others_assignment: AssignmentId,
    /// Has `orders:read`, which every caller holds.
    held: RoleId,
    /// Has `orders:delete`, which only the administrator holds; the caller does not have the role.
    foreign: RoleId,
    /// The role by which the caller has what they hold.
    own: RoleId,
    /// Not the name of a role yet.
    free_name: String,
}

/// The `n`th world of a database: other users, other roles.
async fn world<'a>(f: &'a Fixture, n: usize, permissions: &[&str]) -> World<'a> {
    let held = f.role(&format!("held{n}"), &["orders:read"]).await.id;
    let foreign = f.role(&format!("foreign{n}"), &["orders:delete"]).await.id;
    let (caller, friend, other) = (f.user(), f.user(), f.user());
    let own = if permissions == ["*"] {
        f.assign(caller, ADMIN_ROLE).await;
        ADMIN_ROLE
    } else {
        let with_read: Vec<&str> = permissions.iter().copied().chain(["orders:read"]).collect();
        let own = f.role(&format!("own{n}"), &with_read).await.id;
        f.assign(caller, own).await;
        own
    };
    f.update_as(f.admin, USER_ROLE, &[]).await.unwrap();
    let others_assignment = f.assign(other, foreign).await.id;
    let free_name = format!("free{n}");
    World {
        f,
        caller,
        friend,
        other,
        others_assignment,
        held,
        foreign,
        own,
        free_name,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Try {
    CreateHeld,
    CreateEmpty,
    CreateForeign,
    AddHeldToHeld,
    AddForeignToOwn,
    AddForeignToHeld,
    EmptyForeign,
    DeleteHeld,
    DeleteForeign,
    ChangeUser,
    ChangeAdmin,
    DeleteAdmin,
    AssignHeldToFriend,
    AssignHeldToSelf,
    AssignForeignToSelf,
    AssignForeignToFriend,
    AssignAdminToSelf,
    AssignAdminToFriend,
    AssignUser,
    UnassignForeign,
    UnassignOwn,
}

use Try::{
    AddForeignToHeld, AddForeignToOwn, AddHeldToHeld, AssignAdminToFriend, AssignAdminToSelf,
    AssignForeignToFriend, AssignForeignToSelf, AssignHeldToFriend, AssignHeldToSelf, AssignUser,
    ChangeAdmin, ChangeUser, CreateEmpty, CreateForeign, CreateHeld, DeleteAdmin, DeleteForeign,
    DeleteHeld, EmptyForeign, UnassignForeign, UnassignOwn,
};

/// The outcome for a holder of `roles:write`, `role-assignments:write` and `orders:read`; of the two
/// permissions the operation asks for one.
const TRIES: [(Try, &str, Result<(), RoleError>); 21] = [
    (CreateHeld, "roles:write", Ok(())),
    (CreateEmpty, "roles:write", Ok(())),
    (CreateForeign, "roles:write", Err(RoleError::Escalation)),
    (AddHeldToHeld, "roles:write", Ok(())),
    (AddForeignToOwn, "roles:write", Err(RoleError::Escalation)),
    (AddForeignToHeld, "roles:write", Err(RoleError::Escalation)),
    (EmptyForeign, "roles:write", Err(RoleError::Escalation)),
    (DeleteHeld, "roles:write", Ok(())),
    (DeleteForeign, "roles:write", Err(RoleError::Escalation)),
    (ChangeUser, "roles:write", Err(RoleError::Escalation)),
    (ChangeAdmin, "roles:write", Err(RoleError::BuiltIn)),
    (DeleteAdmin, "roles:write", Err(RoleError::BuiltIn)),
    (AssignHeldToFriend, "role-assignments:write", Ok(())),
    (AssignHeldToSelf, "role-assignments:write", Ok(())),
    (
        AssignForeignToSelf,
        "role-assignments:write",
        Err(RoleError::Escalation),
    ),
    (
        AssignForeignToFriend,
        "role-assignments:write",
        Err(RoleError::Escalation),
    ),
    (
        AssignAdminToSelf,
        "role-assignments:write",
        Err(RoleError::Escalation),
    ),
    (
        AssignAdminToFriend,
        "role-assignments:write",
        Err(RoleError::Escalation),
    ),
    (
        AssignUser,
        "role-assignments:write",
        Err(RoleError::BuiltIn),
    ),
    (
        UnassignForeign,
        "role-assignments:write",
        Err(RoleError::Escalation),
    ),
    (UnassignOwn, "role-assignments:write", Ok(())),
];

async fn attempt(w: &World<'_>, change: Try) -> Result<(), RoleError> {
    let (f, caller, name) = (w.f, w.caller, w.free_name.as_str());
    let own_with = |extra: &'static str| async move {
        let mut permissions = f.reads().role(w.own).await.unwrap().permissions.to_vec();
        permissions.retain(|p| p != "*");
        permissions.push(extra.to_owned());
        permissions
    };
    match change {
        CreateHeld => f.create_as(caller, name, &["orders:read"]).await.map(drop),
        CreateEmpty => f.create_as(caller, name, &[]).await.map(drop),
        CreateForeign => f
            .create_as(caller, name, &["orders:delete"])
            .await
            .map(drop),
        AddHeldToHeld => f
            .update_as(caller, w.held, &["orders:read"])
            .await
            .map(drop),
        AddForeignToOwn => {
            let permissions = own_with("orders:delete").await;
            let permissions: Vec<&str> = permissions.iter().map(String::as_str).collect();
            f.update_as(caller, w.own, &permissions).await.map(drop)
        }
        AddForeignToHeld => f
            .update_as(caller, w.held, &["orders:read", "orders:delete"])
            .await
            .map(drop),
        EmptyForeign => f.update_as(caller, w.foreign, &[]).await.map(drop),
        DeleteHeld => f.delete_as(caller, w.held).await.map(drop),
        DeleteForeign => f.delete_as(caller, w.foreign).await.map(drop),
        ChangeUser => f
            .update_as(caller, USER_ROLE, &["orders:read"])
            .await
            .map(drop),
        ChangeAdmin => f
            .update_as(caller, ADMIN_ROLE, &["orders:read"])
            .await
            .map(drop),
        DeleteAdmin => f.delete_as(caller, ADMIN_ROLE).await.map(drop),
        AssignHeldToFriend => f.assign_as(caller, w.friend, w.held, None).await.map(drop),
        AssignHeldToSelf => f.assign_as(caller, caller, w.held, None).await.map(drop),
        AssignForeignToSelf => f.assign_as(caller, caller, w.foreign, None).await.map(drop),
        AssignForeignToFriend => f
            .assign_as(caller, w.friend, w.foreign, None)
            .await
            .map(drop),
        AssignAdminToSelf => f
            .assign_as(caller, caller, ADMIN_ROLE, None)
            .await
            .map(drop),
        AssignAdminToFriend => f
            .assign_as(caller, w.friend, ADMIN_ROLE, None)
            .await
            .map(drop),
        AssignUser => f
            .assign_as(caller, w.friend, USER_ROLE, None)
            .await
            .map(drop),
        UnassignForeign => f.unassign_as(caller, w.others_assignment).await.map(drop),
        UnassignOwn => {
            let own = f.assignments_of(caller).await.remove(0).0.id;
            f.unassign_as(caller, own).await.map(drop)
        }
    }
}

fn expected(
    permissions: &[&str],
    change: Try,
    needed: &str,
    otherwise: Result<(), RoleError>,
) -> Result<(), RoleError> {
    if permissions == ["*"] {
        return match change {
            ChangeAdmin | DeleteAdmin | AssignUser | AddForeignToOwn => Err(RoleError::BuiltIn),
            AssignAdminToSelf => Err(RoleError::AlreadyAssigned),
            _ => Ok(()),
        };
    }
    if permissions.contains(&needed) {
        otherwise
    } else {
        Err(RoleError::PermissionDenied)
    }
}

async fn snapshot(w: &World<'_>) -> BTreeMap<UserId, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for user in [w.caller, w.friend, w.other, w.f.admin] {
        all.insert(user, w.f.permissions(user).await.into_iter().collect());
    }
    all
}

/// What anybody gained is what the caller held, and the caller gained nothing.
fn assert_nobody_gained(
    caller: UserId,
    before: &BTreeMap<UserId, BTreeSet<String>>,
    after: &BTreeMap<UserId, BTreeSet<String>>,
    case: &str,
) {
    let held = &before[&caller];
    if held.contains("*") {
        return;
    }
    for (user, permissions) in after {
        let Some(had) = before.get(user) else {
            continue;
        };
        let gained: BTreeSet<_> = permissions.difference(had).cloned().collect();
        assert!(gained.is_subset(held), "{case}: {user} gained {gained:?}");
    }
    assert!(after[&caller].is_subset(held), "{case}: the caller gained");
}

async fn every_pair(backend: Backend) {
    let f = Fixture::new(backend).await;
    let mut worlds = 0..;
    for (name, permissions) in CALLERS {
        // One world for the refused changes, which leave no trace; a fresh one after each that is not.
        let mut w = world(&f, worlds.next().unwrap(), permissions).await;
        for (change, needed, otherwise) in TRIES {
            let case = format!("{backend}: {name} {change:?}");
            let before = snapshot(&w).await;
            let version = f.access(w.caller).await.policy_version;
            let outcome = attempt(&w, change).await;
            let expected = expected(permissions, change, needed, otherwise);
            assert_eq!(outcome, expected, "{case}");
            let after = snapshot(&w).await;
            assert_nobody_gained(w.caller, &before, &after, &case);
            if outcome.is_ok() {
                w = world(&f, worlds.next().unwrap(), permissions).await;
            } else {
                assert_eq!(after, before, "{case}");
                assert_eq!(f.access(w.caller).await.policy_version, version, "{case}");
            }
        }
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

/// The token may say what it likes: rights are those of the moment.
#[tokio::test]
async fn rights_are_those_of_the_moment() {
    for backend in Backend::ALL {
        let f = Fixture::new(backend).await;
        let w = world(&f, 0, &["roles:write", "role-assignments:write"]).await;
        let own = w.f.assignments_of(w.caller).await.remove(0).0.id;
        w.f.unassign_as(w.f.admin, own).await.unwrap();
        assert_eq!(
            attempt(&w, CreateEmpty).await,
            Err(RoleError::PermissionDenied)
        );
        assert_eq!(
            attempt(&w, AssignHeldToSelf).await,
            Err(RoleError::PermissionDenied)
        );
    }
}
