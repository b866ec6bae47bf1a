//! `POST /internal/v1/marks`

use ud_http::{Call, Problem};
use ud_kernel::operation::SetMark;
use ud_service::callers;

use crate::{state::SessionState, views::internal::MarkBody};

/// Sets the policy version below which tokens of a user or a role are stale: 204.
///
/// # Errors
/// 503 if the store fails.
pub async fn set_mark(
    state: SessionState,
    call: Call<SetMark, callers::Role, MarkBody>,
) -> Result<(), Problem> {
    Ok(state.store.mark(call.body.0, state.clock.now()).await?)
}
