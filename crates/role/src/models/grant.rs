//! SECURITY rule 1: what a caller may give and take by what they hold ([`super::holdings`]).

use ud_db::DbConn;
use ud_http::permissions::{Permission, RolesGrant};
use ud_kernel::UserId;

use super::{
    Assignment, PermissionSet, Role, RoleError, assignment_store, change::Begun, holdings::End,
    role::union,
};

impl Begun {
    /// Refuses a caller who may neither give nor take `role`: they lack one of its permissions, or have neither the
    /// role itself nor `roles:grant`.
    pub(crate) fn guard_role(&self, role: &Role) -> Result<(), RoleError> {
        self.guard(&role.permissions)?;
        if self.held.end_of_name(role.id).is_some() {
            Ok(())
        } else {
            Err(RoleError::Escalation)
        }
    }

    /// Refuses an `assignment` of `role`, which [`Begun::guard_role`] let pass, to a user who holds more than the
    /// caller, and one that ends later than what the caller holds.
    pub(crate) fn guard_given(
        &self,
        conn: &mut DbConn,
        assignment: &Assignment,
        role: &Role,
    ) -> Result<(), RoleError> {
        self.guard_user(conn, assignment.user_id)?;
        let of_permissions = role.permissions.iter().map(|p| self.held.end_of(p));
        let latest = of_permissions.fold(self.held.end_of_name(role.id), Option::min);
        if Some(End::from(assignment.expires_at)) <= latest {
            Ok(())
        } else {
            Err(RoleError::AssignmentOutlivesGrantor)
        }
    }

    /// Refuses to take away an `assignment` of a `role` that the caller may not take, or of a user who holds more
    /// than the caller.
    pub(crate) fn guard_taken(
        &self,
        conn: &mut DbConn,
        assignment: &Assignment,
        role: &Role,
    ) -> Result<(), RoleError> {
        self.guard_role(role)?;
        self.guard_user(conn, assignment.user_id)
    }

    /// Refuses to give a role that has the permissions `before` those of `after` unless the caller holds them all,
    /// and without end those that are put in, because a role has no end.
    pub(crate) fn guard_put(
        &self,
        before: &PermissionSet,
        after: &PermissionSet,
    ) -> Result<(), RoleError> {
        self.guard(after)?;
        let is_endless = |p: &String| self.held.end_of(p) == Some(End::Never);
        if after.beyond(before).all(is_endless) {
            Ok(())
        } else {
            Err(RoleError::PermissionsOutliveGrantor)
        }
    }

    /// Refuses to change a `role` with a permission that the caller lacks, and, without `roles:grant`, one that
    /// somebody has who holds more than the caller.
    pub(crate) fn guard_changed(&self, conn: &mut DbConn, role: &Role) -> Result<(), RoleError> {
        self.guard(&role.permissions)?;
        if self.held.holds(RolesGrant::NAME) {
            return Ok(());
        }
        let theirs = assignment_store::roles_of_holders(conn, role.id, self.now)?;
        self.guard_holders(&theirs)
    }

    /// Refuses to delete a `role` as [`Begun::guard_changed`] refuses to change it, and, without `roles:grant`, one
    /// that somebody has and the caller has not: a deletion takes the role from its holders.
    pub(crate) fn guard_deleted(&self, conn: &mut DbConn, role: &Role) -> Result<(), RoleError> {
        self.guard(&role.permissions)?;
        if self.held.holds(RolesGrant::NAME) {
            return Ok(());
        }
        let theirs = assignment_store::roles_of_holders(conn, role.id, self.now)?;
        self.guard_holders(&theirs)?;
        if theirs.is_empty() {
            Ok(())
        } else {
            self.guard_role(role)
        }
    }

    /// Refuses if one of the holders whose roles are `theirs` holds more than the caller. Somebody does exactly if
    /// one of their roles does, so the roles are looked at one by one. The role `user`, which is not among them, is
    /// the caller's too.
    fn guard_holders(&self, theirs: &[Role]) -> Result<(), RoleError> {
        if theirs
            .iter()
            .all(|role| self.held.may_act_on(&role.permissions))
        {
            Ok(())
        } else {
            Err(RoleError::Escalation)
        }
    }

    /// Refuses a change to the assignments of a `user` who holds more than the caller (SECURITY rule 2).
    fn guard_user(&self, conn: &mut DbConn, user: UserId) -> Result<(), RoleError> {
        let theirs = assignment_store::in_effect(conn, user, self.now)?.roles;
        if self.held.may_act_on(&union(&theirs)) {
            Ok(())
        } else {
            Err(RoleError::TargetHoldsMore)
        }
    }
}
