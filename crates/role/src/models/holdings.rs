//! What a user holds at one moment, and until when.

use std::collections::BTreeMap;

use ud_db::{DbConn, StoreError};
use ud_http::permissions::{Permission as _, RolesGrant};
use ud_kernel::{RoleId, Timestamp, UserId, permission};

use super::{PermissionSet, Role, USER_ROLE, assignment_store, role_store};

/// Until when something is held. The later end is the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// From this second on it is not held.
    At(Timestamp),
    /// It is held without end.
    Never,
}

impl From<Option<Timestamp>> for End {
    fn from(expires_at: Option<Timestamp>) -> Self {
        expires_at.map_or(Self::Never, Self::At)
    }
}

/// What a user holds at one moment. What several assignments give is held until the latest of their ends; an
/// assignment that has ended gives nothing.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    roles: BTreeMap<RoleId, End>,
    permissions: BTreeMap<String, End>,
}

impl Holdings {
    /// Reads what `user` holds at `now`.
    pub(crate) fn read(
        conn: &mut DbConn,
        user: UserId,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let everybody = role_store::find(conn, USER_ROLE)?
            .ok_or_else(|| StoreError::Internal("the role `user` is missing".to_owned()))?;
        let mut held = Self::default();
        held.add(&everybody, End::Never);
        for (assignment, role) in assignment_store::of_user(conn, user)? {
            if assignment.is_in_effect(now) {
                held.add(&role, assignment.expires_at.into());
            }
        }
        Ok(held)
    }

    fn add(&mut self, role: &Role, end: End) {
        self.roles.insert(role.id, end);
        for permission in role.permissions.iter() {
            let known = self.permissions.entry(permission.clone()).or_insert(end);
            *known = end.max(*known);
        }
    }

    /// Until when what needs `permission` is allowed; `None` if it is not.
    pub(super) fn end_of(&self, permission: &str) -> Option<End> {
        let by = |name| self.permissions.get(name).copied();
        by(permission).max(by(permission::ALL))
    }

    /// Until when `role` can be given as a name: for as long as it is held, or `roles:grant` is, whichever ends
    /// later. `None` if neither is.
    pub(super) fn end_of_name(&self, role: RoleId) -> Option<End> {
        self.roles
            .get(&role)
            .copied()
            .max(self.end_of(RolesGrant::NAME))
    }

    /// Whether what needs `permission` is allowed.
    pub(crate) fn holds(&self, permission: &str) -> bool {
        self.end_of(permission).is_some()
    }

    /// Whether all of `permissions` are held; `*` among them only by holding `*`.
    pub(crate) fn includes(&self, permissions: &PermissionSet) -> bool {
        permissions.iter().all(|permission| self.holds(permission))
    }

    /// Whether these let act on a user who holds `target` (SECURITY rule 2).
    pub(super) fn may_act_on(&self, target: &PermissionSet) -> bool {
        let held: Vec<&String> = self.permissions.keys().collect();
        permission::may_act_on(&held, &target.to_vec())
    }
}
