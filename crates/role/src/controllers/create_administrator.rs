//! `POST /internal/v1/administrators`

use ud_http::{Call, Problem};
use ud_kernel::operation::{CreateAdministrator, Created};
use ud_service::callers;

use crate::state::RoleState;

/// Lets profile make the first administrator, once.
///
/// # Errors
/// 409 `role.administrator-exists`; 503 if the database does not answer.
pub async fn create_administrator(
    state: RoleState,
    call: Call<CreateAdministrator, callers::Profile>,
) -> Result<Created<()>, Problem> {
    let first = call.body.0;
    let made = state
        .assignments
        .make_first_administrator(first.user_id, first.origin);
    Ok(Created {
        is_new: made.await?,
        value: (),
    })
}
