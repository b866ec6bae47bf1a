//! `PUT /internal/v1/users/{id}/standing`

use ud_http::{Call, Problem};
use ud_kernel::{models::UserStanding, operation::SetStanding};
use ud_service::callers;

use crate::{state::RoleState, views::UserStandingRequest};

/// Takes from profile whether a user can log in, or is about to be unable to.
///
/// # Errors
/// 409 `role.last-administrator`; 503 if the database does not answer.
pub async fn set_standing(
    state: RoleState,
    call: Call<SetStanding, callers::Profile, UserStandingRequest>,
) -> Result<UserStanding, Problem> {
    let UserStandingRequest(standing) = call.body;
    Ok(state.standings.set(call.key, standing).await?)
}
