//! `POST /internal/v1/sessions/step`

use actix_web::web;
use ud_http::{FromService, Json, Problem};
use ud_kernel::models::SessionGrant;
use ud_service::callers;

use crate::{state::SessionState, views::internal::StepSessionBody};

/// Rotates a session's refresh token: the commit point of a refresh.
///
/// # Errors
/// 401 `session.closed`; 409 `session.epoch-too-old`, `session.policy-stale`.
pub async fn step_session(
    _: FromService<callers::Auth>,
    state: web::Data<SessionState>,
    body: Json<StepSessionBody>,
) -> Result<web::Json<SessionGrant>, Problem> {
    let grant = state.store.step(body.0.0).await;
    Ok(web::Json(state.count("step", grant)?))
}
