//! `GET /internal/v1/sessions/{session_id}/state`

use actix_web::web;
use ud_http::{FromService, Problem, RequestOrigin};
use ud_kernel::{
    SessionId,
    models::{SessionStateQuery, SessionStateResponse},
};
use ud_service::callers;

use crate::state::SessionState;

/// Returns the state of a session. What the caller claims to have seen of the feed is believed with session's own tag on it
/// only.
///
/// # Errors
/// 503 if the store fails; 503 `auth.revocation-unavailable` if it has gone back again.
pub async fn read_state(
    caller: FromService<callers::Any>,
    origin: RequestOrigin,
    state: web::Data<SessionState>,
    id: web::Path<SessionId>,
    query: web::Query<SessionStateQuery>,
) -> Result<web::Json<SessionStateResponse>, Problem> {
    let query = query.into_inner();
    if let Some(claim) = query.known()
        && let Some(seen) = state.believe(claim, caller.service, origin.0)
    {
        state.store.learn(seen).await?;
    }
    let now = state.clock.now();
    let (id, query) = (id.into_inner(), query.without_claim());
    let state = state.store.state(id, query, now).await?;
    Ok(web::Json(SessionStateResponse { state }))
}
