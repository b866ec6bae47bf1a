//! `DELETE /api/v1/sessions/{id}`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Limited, Problem, Refused, TooMany, permissions::SessionsWrite};
use ud_kernel::{Code, SessionId};
use ud_service::OwnOr;

use super::{asker, refused};
use crate::limits;
use crate::state::SessionState;

/// Ends one session: one's own, or with `sessions:write` another's who holds nothing of this platform that
/// the caller does not hold. The session that asks needs no recent login.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{id}",
    operation_id = "close_session",
    tag = "sessions",
    params(("id" = String, Path, format = Uuid, description = "The session.")),
    security(("bearer" = [])),
    extensions(("x-max-login-age" = json!(300))),
    responses(
        (status = 204, description = "Ended; its tokens are refused from now on."),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, TooMany<limits::CloseSession>, Refused<503>,
    )
)]
pub async fn close_session(
    state: web::Data<SessionState>,
    authed: Authed<Limited<limits::CloseSession, OwnOr<SessionsWrite>>>,
    id: web::Path<SessionId>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    if id != authed.caller.session_id() {
        authed.require_fresh()?;
    }
    let session = state.flow.read(id).await?;
    authed.permit(session.user_id, Code::SESSION_NOT_FOUND)?;
    let (asker, origin) = (asker(&authed), authed.origin());
    let closed = state.flow.close_one(asker, &session, origin.clone()).await;
    closed.map_err(|error| refused(&state, origin, session.user_id, error))?;
    Ok(HttpResponse::NoContent().finish())
}
