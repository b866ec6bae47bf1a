//! `GET /api/v1/sessions/{id}`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Problem, Refused, permissions::SessionsRead};
use ud_kernel::{Code, SessionId};
use ud_service::OwnOr;

use crate::{state::SessionState, views::session::SessionResponse};

/// One living session: one's own, or with `sessions:read` anybody's.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{id}",
    operation_id = "read_session",
    tag = "sessions",
    params(("id" = String, Path, format = Uuid, description = "The session.")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The session.", body = SessionResponse),
        Refused<400>, Refused<401>, Refused<404>, Refused<503>,
    )
)]
pub async fn read_session(
    state: web::Data<SessionState>,
    authed: Authed<OwnOr<SessionsRead>>,
    id: web::Path<SessionId>,
) -> Result<HttpResponse, Problem> {
    let session = state.flow.read(id.into_inner()).await?;
    authed.permit(session.user_id, Code::SESSION_NOT_FOUND)?;
    state.note_read(&authed.origin(), session.user_id);
    let current = authed.caller.session_id();
    Ok(HttpResponse::Ok().json(SessionResponse::new(session, current)))
}
