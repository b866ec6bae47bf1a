//! `POST /internal/v1/sessions/rotate`

use ud_http::{Call, Problem};
use ud_kernel::{
    models::{RotateSession, SessionGrant},
    operation::Operation,
};
use ud_service::callers;

use crate::{state::SessionState, views::internal::RotateSessionBody};

/// Rotates a session's refresh token: the commit point of a refresh. `O` is [`ud_kernel::operation::RotateSession`], or
/// what the release before calls it.
///
/// # Errors
/// 401 `session.closed`; 409 `session.epoch-too-old`, `session.policy-stale`.
pub async fn rotate_session<O>(
    state: SessionState,
    call: Call<O, callers::Auth, RotateSessionBody>,
) -> Result<SessionGrant, Problem>
where
    O: Operation<Body = RotateSession, Output = SessionGrant>,
{
    let grant = state.store.rotate(call.body.0).await;
    Ok(state.count("rotate", grant)?)
}
