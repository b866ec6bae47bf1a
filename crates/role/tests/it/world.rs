//! The callers, the changes and the roles of the tests of SECURITY rule 1, in one database.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use role_service::models::{
    ADMIN_ROLE, Change, NewAssignment, RoleError, RolePatch, USER_ROLE, assignment_flow, role_flow,
};
use ud_db::{DbConn, StoreError, TxError};
use ud_kernel::{AssignmentId, Patch, RoleId, Timestamp, UserId};

use crate::{
    holdings::{End, NEVER, Snapshot},
    support::{Fixture, START, new_role, set},
};

/// When what is temporary ends, in seconds.
pub const SOON: End = START.as_secs() + 3600;

/// A caller: their own role's permissions, and until when they have that role, `carried`, `reads`, and a role with
/// `roles:grant`, if they have that.
pub struct Caller(
    pub &'static str,
    pub &'static [&'static str],
    [End; 3],
    Option<End>,
);

pub const BOTH: &[&str] = &["roles:write", "role-assignments:write"];

pub const CALLERS: [Caller; 12] = [
    Caller("no role", &[], [NEVER; 3], None),
    Caller("roles", &["roles:write"], [NEVER; 3], None),
    Caller("assignments", &["role-assignments:write"], [NEVER; 3], None),
    Caller("both", BOTH, [NEVER; 3], None),
    Caller("both and grant", BOTH, [NEVER; 3], Some(NEVER)),
    Caller("temporary", BOTH, [SOON; 3], None),
    Caller("temporary name", BOTH, [NEVER, SOON, NEVER], None),
    Caller("temporary permission", BOTH, [NEVER, NEVER, SOON], None),
    Caller("temporary grant", BOTH, [NEVER; 3], Some(SOON)),
    Caller("temporary, grant", BOTH, [SOON; 3], Some(NEVER)),
    Caller(
        "assignments and grant",
        &["role-assignments:write"],
        [NEVER; 3],
        Some(NEVER),
    ),
    Caller("admin", &["*"], [NEVER; 3], None),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The caller.
    Own,
    /// Somebody who holds nothing.
    Friend,
    /// Somebody who holds no more of ours than any caller.
    Peer,
    /// Somebody who holds more than any caller but the administrator.
    Chief,
}

pub const EVERYBODY: [Who; 4] = [Who::Own, Who::Friend, Who::Peer, Who::Chief];

/// Each role, its permissions, and who of the others has it. `own`, `carried`, `common` and `reads` are the
/// caller's too.
pub const ROLES: [(&str, &[&str], &[Who]); 11] = [
    ("vacant", &[], &[]),
    ("shop", &[], &[Who::Peer]),
    ("carried", &[], &[Who::Peer]),
    ("common", &[], &[Who::Chief]),
    ("guarded", &[], &[Who::Chief]),
    ("reads", &["orders:read"], &[]),
    ("reading", &["orders:read"], &[]),
    ("lent", &["orders:read"], &[Who::Peer]),
    ("foreign", &["orders:delete"], &[Who::Peer]),
    ("strong", &["users:delete"], &[Who::Chief]),
    ("granting", &["roles:grant"], &[]),
];

/// Permissions that a role can be made with, or be given instead of its own.
pub const SETS: [&[&str]; 5] = [
    &[],
    &["orders:read"],
    &["orders:delete"],
    &["roles:grant"],
    &["orders:read", "roles:write"],
];

#[derive(Debug, Clone, Copy)]
pub enum Op {
    Create(&'static [&'static str]),
    Describe(&'static str),
    Set(&'static str, &'static [&'static str]),
    Delete(&'static str),
    Assign(Who, &'static str, End),
    Unassign(Who, &'static str),
    /// Makes a role with these permissions, and assigns it.
    Invent(&'static [&'static str], Who),
}

pub fn every_change() -> Vec<Op> {
    let mut all = Vec::new();
    let built_in = ["admin", "user", "own"];
    let names = || ROLES.iter().map(|role| role.0).chain(built_in);
    for permissions in SETS {
        all.push(Op::Create(permissions));
        all.extend(EVERYBODY.map(|who| Op::Invent(permissions, who)));
        all.extend(names().map(|name| Op::Set(name, permissions)));
    }
    for name in names() {
        all.extend([Op::Describe(name), Op::Delete(name)]);
        for who in EVERYBODY {
            all.push(Op::Unassign(who, name));
            all.extend([SOON, SOON + 1, NEVER].map(|end| Op::Assign(who, name, end)));
        }
    }
    all
}

/// Everybody in one database, and the roles they change.
#[derive(Clone)]
pub struct World {
    pub who: BTreeMap<Who, UserId>,
    pub roles: BTreeMap<&'static str, RoleId>,
    pub assignments: BTreeMap<(Who, &'static str), AssignmentId>,
    /// By name, as stored.
    pub permissions: BTreeMap<&'static str, Vec<String>>,
}

impl World {
    pub async fn new(f: &Fixture, caller: &Caller) -> Self {
        let mut w = Self {
            who: EVERYBODY.map(|who| (who, f.user())).into(),
            roles: BTreeMap::from([("admin", ADMIN_ROLE), ("user", USER_ROLE)]),
            assignments: BTreeMap::new(),
            permissions: BTreeMap::from([("admin", vec!["*".to_owned()]), ("user", vec![])]),
        };
        for (name, permissions, holders) in ROLES {
            w.role(f, name, permissions).await;
            for who in holders {
                w.give(f, *who, name, NEVER).await;
            }
        }
        let Caller(_, permissions, [own, carried, reads], grant) = *caller;
        if permissions == ["*"] {
            w.roles.insert("own", ADMIN_ROLE);
            w.permissions.insert("own", vec!["*".to_owned()]);
        } else {
            w.role(f, "own", permissions).await;
        }
        w.give(f, Who::Own, "own", own).await;
        w.give(f, Who::Own, "carried", carried).await;
        w.give(f, Who::Own, "common", NEVER).await;
        w.give(f, Who::Own, "reads", reads).await;
        if let Some(end) = grant {
            w.role(f, "granter", &["roles:grant"]).await;
            w.give(f, Who::Own, "granter", end).await;
        }
        w
    }

    async fn role(&mut self, f: &Fixture, name: &'static str, permissions: &[&str]) {
        self.roles.insert(name, f.role(name, permissions).await.id);
        let permissions = permissions.iter().map(ToString::to_string).collect();
        self.permissions.insert(name, permissions);
    }

    async fn give(&mut self, f: &Fixture, who: Who, name: &'static str, end: End) {
        let made = f
            .assign_as(f.admin, self.who[&who], self.roles[name], expiry(end))
            .await;
        self.assignments.insert((who, name), made.unwrap().id);
    }

    /// Does `op`, in the transaction of the service.
    pub fn perform(&self, conn: &mut DbConn, change: &Change, op: Op) -> Result<(), RoleError> {
        let assign = |conn: &mut DbConn, who, role_id, end| {
            let (user_id, expires_at) = (self.who[&who], expiry(end));
            let new = NewAssignment {
                user_id,
                role_id,
                expires_at,
            };
            assignment_flow::assign(conn, change, new).map(drop)
        };
        let patch = |conn: &mut DbConn, name, patch| {
            role_flow::update(conn, change, self.roles[name], &patch, &|_| true).map(drop)
        };
        match op {
            Op::Create(permissions) => {
                role_flow::create(conn, change, &new_role("free", permissions)).map(drop)
            }
            Op::Describe(name) => {
                let description = Patch::Set("other".to_owned());
                patch(
                    conn,
                    name,
                    RolePatch {
                        description,
                        permissions: None,
                    },
                )
            }
            Op::Set(name, permissions) => {
                let permissions = Some(set(permissions));
                patch(
                    conn,
                    name,
                    RolePatch {
                        description: Patch::Keep,
                        permissions,
                    },
                )
            }
            Op::Delete(name) => {
                role_flow::delete(conn, change, self.roles[name], &|_| true).map(drop)
            }
            Op::Assign(who, name, end) => assign(conn, who, self.roles[name], end),
            Op::Unassign(who, name) => {
                // Somebody's assignment that never was, where there is none.
                let none = || AssignmentId::new(START);
                let id = self
                    .assignments
                    .get(&(who, name))
                    .copied()
                    .unwrap_or_else(none);
                assignment_flow::unassign(conn, change, id).map(drop)
            }
            Op::Invent(permissions, who) => {
                let made = role_flow::create(conn, change, &new_role("invented", permissions))?;
                assign(conn, who, made.id, NEVER)
            }
        }
    }
}

fn expiry(end: End) -> Option<Timestamp> {
    (end != NEVER).then(|| Timestamp::from_secs(end))
}

/// Ends a transaction that is not to be kept.
#[derive(Debug)]
enum Undo {
    Seen,
    Store(StoreError),
}

impl From<StoreError> for Undo {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl TxError for Undo {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Seen => None,
        }
    }
}

/// Does `op` and undoes it again: its outcome, and what everybody held after it.
pub async fn attempt(f: &Fixture, world: &World, op: Op) -> (Result<(), RoleError>, Snapshot) {
    let (world, now) = (world.clone(), f.clock.now());
    let change = f.change(world.who[&Who::Own]);
    let seen = Arc::new(Mutex::new(None));
    let shown = Arc::clone(&seen);
    let end = f.db.tx(move |conn| {
        let outcome = world.perform(conn, &change, op);
        if let Err(RoleError::Store(error)) = outcome {
            return Err(Undo::Store(error));
        }
        *shown.lock().unwrap() = Some((outcome, Snapshot::read(conn, now)?));
        Err::<(), _>(Undo::Seen)
    });
    assert!(matches!(end.await, Err(Undo::Seen)), "{op:?}");
    seen.lock().unwrap().take().unwrap()
}
