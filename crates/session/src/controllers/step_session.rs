//! `POST /internal/v1/sessions/step`

use ud_http::{Call, Problem};
use ud_kernel::{models::SessionGrant, operation::StepSession};
use ud_service::callers;

use crate::{state::SessionState, views::internal::StepSessionBody};

/// Rotates a session's refresh token: the commit point of a refresh.
///
/// # Errors
/// 401 `session.closed`; 409 `session.epoch-too-old`, `session.policy-stale`.
pub async fn step_session(
    state: SessionState,
    call: Call<StepSession, callers::Auth, StepSessionBody>,
) -> Result<SessionGrant, Problem> {
    let grant = state.store.step(call.body.0).await;
    Ok(state.count("step", grant)?)
}
