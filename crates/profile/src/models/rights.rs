//! Acting on another user (SECURITY rules 2 and 3): what caller and target may do is asked of role, now, and
//! not read from a token.

use ud_kernel::{UserId, models::Access, operation::ReadAccess, permission};
use ud_peer::{CallError, ServiceClient};

use super::ProfileError;

/// The role of administrators.
const ADMIN: &str = "admin";

/// Asks role.
#[derive(Clone)]
pub struct Rights {
    role: ServiceClient,
}

impl Rights {
    /// Asks through `role`.
    #[must_use]
    pub const fn new(role: ServiceClient) -> Self {
        Self { role }
    }

    async fn access(&self, user: UserId, actor: UserId) -> Result<Access, CallError> {
        let role = self.role.on_behalf_of(actor);
        role.call::<ReadAccess>(user, ()).await
    }

    /// Lets `actor` act on `target` if they still hold `needed` and hold everything of ours that the target
    /// holds. On oneself there is nothing to ask.
    ///
    /// # Errors
    /// [`ProfileError::PermissionDenied`], [`ProfileError::TargetHoldsMore`], [`ProfileError::Peer`].
    pub async fn may_act(
        &self,
        actor: UserId,
        target: UserId,
        needed: &str,
    ) -> Result<(), ProfileError> {
        if actor == target {
            return Ok(());
        }
        self.compare(actor, target, needed).await.map(drop)
    }

    /// As [`Rights::may_act`], and refuses if the target is an administrator, also when it is the actor.
    ///
    /// # Errors
    /// As [`Rights::may_act`], and [`ProfileError::IsAdministrator`].
    pub async fn may_lock_out(
        &self,
        actor: UserId,
        target: UserId,
        needed: &str,
    ) -> Result<(), ProfileError> {
        let held = if actor == target {
            self.access(target, actor).await?
        } else {
            self.compare(actor, target, needed).await?
        };
        if held.roles.iter().any(|role| role == ADMIN) {
            return Err(ProfileError::IsAdministrator);
        }
        Ok(())
    }

    /// Gives what the target holds.
    async fn compare(
        &self,
        actor: UserId,
        target: UserId,
        needed: &str,
    ) -> Result<Access, ProfileError> {
        let (own, held) = tokio::try_join!(self.access(actor, actor), self.access(target, actor))?;
        if !permission::holds(&own.permissions, needed) {
            return Err(ProfileError::PermissionDenied);
        }
        if !permission::may_act_on(&own.permissions, &held.permissions) {
            return Err(ProfileError::TargetHoldsMore);
        }
        Ok(held)
    }
}
