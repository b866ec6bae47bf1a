//! `GET /internal/v1/sessions/{id}/state`

use ud_http::{Call, Problem};
use ud_kernel::{models::SessionStateResponse, operation::ReadSessionState};
use ud_service::callers;

use crate::state::SessionState;

/// Returns the state of a session. What the caller claims to have seen of the feed is believed with session's own tag on it
/// only.
///
/// # Errors
/// 503 if the store fails; 503 `auth.revocation-unavailable` if it has gone back again.
pub async fn read_state(
    state: SessionState,
    call: Call<ReadSessionState, callers::Any>,
) -> Result<SessionStateResponse, Problem> {
    if let Some(claim) = call.body.0.known()
        && let Some(seen) = state.believe(claim, call.service, || call.provenance())
    {
        state.store.learn(seen).await?;
    }
    let (now, query) = (state.clock.now(), call.body.0.without_claim());
    let state = state.store.state(call.key, query, now).await?;
    Ok(SessionStateResponse { state })
}
