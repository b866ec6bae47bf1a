//! `GET /api/v1/sessions`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, OwnOr, Problem, Refused, Scope, permissions::SessionsRead};
use ud_kernel::{Code, Cursor, FieldError, SessionId, Timestamp};

use crate::{
    models::session::Session,
    state::SessionState,
    views::session::{ListSessionsQuery, SessionListResponse, SessionResponse},
};

/// Where a page ended: the last item's time of login and id.
type Position = Cursor<(Timestamp, SessionId)>;

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
    let limit = query.limit().ok_or_else(|| {
        let error = FieldError::new("limit", "parameter.invalid", "must be 1 to 100");
        Problem::new(Code::RequestInvalidParameter).field(error)
    })?;
    let after = query.cursor.as_deref().map(Position::decode).transpose();
    let after = after.map_err(|_| Problem::new(Code::RequestInvalidCursor))?;
    let user_id = match (authed.scope(), query.user_id) {
        (Scope::All, Some(user_id)) => user_id,
        (Scope::All, None) | (Scope::Own(_), _) => authed.user_id(),
    };
    let mut sessions = state.flow.list(user_id).await?;
    state.note_read(&authed.origin(), user_id);
    if let Some(Cursor(position)) = after {
        sessions.retain(|session| place(session) < position);
    }
    let next_cursor = sessions
        .get(limit)
        .and_then(|_| sessions.get(limit - 1))
        .map(|last| Cursor(place(last)).encode());
    sessions.truncate(limit);
    let current = authed.caller.session_id();
    let items = sessions
        .into_iter()
        .map(|s| SessionResponse::new(s, current))
        .collect();
    Ok(HttpResponse::Ok().json(SessionListResponse { items, next_cursor }))
}

/// A session's place in the list; later ones come first.
const fn place(session: &Session) -> (Timestamp, SessionId) {
    (session.created_at, session.id)
}
