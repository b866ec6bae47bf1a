//! `GET /internal/v1/sessions/{session_id}/state`

use actix_web::web;
use ud_http::{FromService, Problem, RequestOrigin};
use ud_kernel::{
    Service, SessionId,
    models::{Origin, SessionStateQuery, SessionStateResponse},
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
    let (id, query) = (id.into_inner(), query.into_inner());
    Ok(web::Json(
        state_of(&state, caller.service, origin.0, id, query).await?,
    ))
}

/// Returns the state of a session to `caller`.
///
/// # Errors
/// As [`read_state`].
pub async fn state_of(
    state: &SessionState,
    caller: Service,
    origin: Origin,
    id: SessionId,
    query: SessionStateQuery,
) -> Result<SessionStateResponse, Problem> {
    if let Some(claim) = query.known()
        && let Some(seen) = state.believe(claim, caller, origin)
    {
        state.store.learn(seen).await?;
    }
    let now = state.clock.now();
    let state = state.store.state(id, query.without_claim(), now).await?;
    Ok(SessionStateResponse { state })
}
