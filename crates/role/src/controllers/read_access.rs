//! `GET /internal/v1/users/{id}/access`

use ud_http::{Call, Problem};
use ud_kernel::{models::Access, operation::ReadAccess};
use ud_service::callers;

use crate::state::RoleState;

/// Tells auth, profile and session what a user may do now.
///
/// # Errors
/// 503 if the database does not answer.
pub async fn read_access(
    state: RoleState,
    call: Call<ReadAccess, (callers::Auth, callers::Profile, callers::Session)>,
) -> Result<Access, Problem> {
    Ok(state.reads.access(call.key).await?)
}
