//! Who may end whose sessions (SECURITY rule 2).

use ud_kernel::{UserId, models::Access, operation::ReadAccess, permission};
use ud_peer::{CallError, ServiceClient};

use super::error::SessionError;

/// The permission to see others' sessions end.
const SESSIONS_WRITE: &str = "sessions:write";

/// Whether `caller` may end sessions of `target`, by what both hold now, not by what the token says.
///
/// # Errors
/// [`SessionError::TargetHoldsMore`], [`SessionError::NotPermitted`], or the failed call to role.
pub(crate) async fn may_close(
    role: &ServiceClient,
    caller: UserId,
    target: UserId,
) -> Result<(), SessionError> {
    let (caller, target) = tokio::try_join!(access(role, caller), access(role, target))?;
    if !permission::holds(&caller.permissions, SESSIONS_WRITE) {
        return Err(SessionError::NotPermitted);
    }
    if !permission::may_act_on(&caller.permissions, &target.permissions) {
        return Err(SessionError::TargetHoldsMore);
    }
    Ok(())
}

async fn access(role: &ServiceClient, user: UserId) -> Result<Access, CallError> {
    role.call::<ReadAccess>(user, ()).await
}
