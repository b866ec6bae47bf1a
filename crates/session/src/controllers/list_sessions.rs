//! `GET /api/v1/sessions`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, PageRequest, Problem, Refused, permissions::SessionsRead};
use ud_kernel::{SessionId, Timestamp};
use ud_service::{OwnOr, RowScope};

use crate::{
    models::session::Session,
    state::SessionState,
    views::session::{ListSessionsQuery, SessionListResponse, SessionResponse},
};

/// The living sessions of the caller, or with `sessions:read` of another user, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    operation_id = "list_sessions",
    tag = "sessions",
    params(ListSessionsQuery),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "One page.", body = SessionListResponse),
        Refused<400>, Refused<401>, Refused<503>,
    )
)]
pub async fn list_sessions(
    state: web::Data<SessionState>,
    authed: Authed<OwnOr<SessionsRead>>,
    query: web::Query<ListSessionsQuery>,
) -> Result<HttpResponse, Problem> {
    let request = PageRequest::new(query.limit, query.cursor.as_deref())?;
    let user_id = match (authed.scope(), query.user_id) {
        (RowScope::All, Some(user_id)) => user_id,
        (RowScope::All, None) | (RowScope::Own(_), _) => authed.user_id(),
    };
    let mut sessions = state.flow.list(user_id).await?;
    state.note_read(&authed.origin(), user_id);
    if let Some(position) = request.after {
        sessions.retain(|session| place(session) < position);
    }
    let page = request.page(sessions, place);
    let current = authed.caller.session_id();
    let items = page.items.into_iter();
    Ok(HttpResponse::Ok().json(SessionListResponse {
        items: items.map(|s| SessionResponse::new(s, current)).collect(),
        next_cursor: page.next_cursor,
    }))
}

/// A session's place in the list; later ones come first.
const fn place(session: &Session) -> (Timestamp, SessionId) {
    (session.created_at, session.id)
}
