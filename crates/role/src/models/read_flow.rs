//! Reading roles, assignments, and what a user may do.

use ud_db::{Db, StoreError};
use ud_kernel::{AssignmentId, Clock, RoleId, UserId, models::Access};

use super::{
    Assignment, AssignmentFilter, Role, RoleError, assignment_store, policy_store,
    role::{effective_permissions, granting},
    role_store,
};

/// Reads of this service; none takes the lock that changes take.
#[derive(Clone)]
pub struct ReadFlow {
    /// The store.
    pub db: Db,
    /// Tells what is in effect.
    pub clock: Clock,
}

impl ReadFlow {
    /// One role.
    ///
    /// # Errors
    /// [`RoleError::RoleNotFound`], [`RoleError::Store`].
    pub async fn role(&self, id: RoleId) -> Result<Role, RoleError> {
        let found = self.db.read(move |conn| role_store::find(conn, id)).await?;
        found.ok_or(RoleError::RoleNotFound)
    }

    /// Up to `limit` roles after `after`.
    ///
    /// # Errors
    /// [`RoleError::Store`].
    pub async fn roles(&self, after: Option<RoleId>, limit: i64) -> Result<Vec<Role>, RoleError> {
        let read = self
            .db
            .read(move |conn| role_store::page(conn, after, limit));
        Ok(read.await?)
    }

    /// One assignment in effect, with its role's name.
    ///
    /// # Errors
    /// [`RoleError::AssignmentNotFound`], [`RoleError::Store`].
    pub async fn assignment(&self, id: AssignmentId) -> Result<(Assignment, String), RoleError> {
        let now = self.clock.now();
        let found = self
            .db
            .read(move |conn| assignment_store::find_with_name(conn, id))
            .await?;
        found
            .filter(|(assignment, _)| assignment.is_in_effect(now))
            .ok_or(RoleError::AssignmentNotFound)
    }

    /// Up to `limit` assignments in effect after `after`, with their roles' names.
    ///
    /// # Errors
    /// [`RoleError::Store`].
    pub async fn assignments(
        &self,
        filter: AssignmentFilter,
        after: Option<AssignmentId>,
        limit: i64,
    ) -> Result<Vec<(Assignment, String)>, RoleError> {
        let now = self.clock.now();
        let read = self
            .db
            .read(move |conn| assignment_store::page(conn, filter, after, limit, now));
        Ok(read.await?)
    }

    /// Names of the roles by which `user` may do what needs `permission`, sorted; none if they may not.
    ///
    /// # Errors
    /// [`RoleError::Store`].
    pub async fn granting(
        &self,
        user: UserId,
        permission: String,
    ) -> Result<Vec<String>, RoleError> {
        let now = self.clock.now();
        let held = self
            .db
            .read(move |conn| assignment_store::in_effect(conn, user, now))
            .await?;
        Ok(granting(&held.roles, &permission))
    }

    /// What `user` may do now. The version is read before the roles and outside a transaction: the answer is
    /// never older than the version it names, so a not-before can only be too strict, never too late.
    ///
    /// # Errors
    /// [`RoleError::Store`].
    pub async fn access(&self, user: UserId) -> Result<Access, RoleError> {
        let now = self.clock.now();
        let read = self.db.read(move |conn| {
            let policy_version = policy_store::version(conn)?;
            let held = assignment_store::in_effect(conn, user, now)?;
            let mut roles: Vec<String> = held.roles.iter().map(|role| role.name.clone()).collect();
            roles.sort_unstable();
            Ok::<_, StoreError>(Access {
                roles,
                permissions: effective_permissions(&held.roles),
                policy_version,
                valid_until: held.until,
            })
        });
        Ok(read.await?)
    }
}
