//! `POST /internal/v1/not-before`

use ud_http::{Call, Problem};
use ud_kernel::{models::NotBefore, operation::Operation};
use ud_service::callers;

use crate::{state::SessionState, views::internal::NotBeforeBody};

/// Sets the policy version below which tokens of a user or a role are stale: 204. `O` is
/// [`ud_kernel::operation::SetNotBefore`], or what the release before calls it.
///
/// # Errors
/// 503 if the store fails.
pub async fn set_not_before<O>(
    state: SessionState,
    call: Call<O, callers::Role, NotBeforeBody>,
) -> Result<(), Problem>
where
    O: Operation<Body = NotBefore, Output = ()>,
{
    Ok(state
        .store
        .set_not_before(call.body.0, state.clock.now())
        .await?)
}
