//! `DELETE /api/v1/sessions`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Limited, Problem, Refused, TooMany, permissions::SessionsWrite};
use ud_kernel::Code;
use ud_service::{Fresh, OwnOr};

use super::{asker, refused};
use crate::{
    limits,
    state::SessionState,
    views::session::{CloseScope, CloseSessionsQuery},
};

/// Ends all sessions of the caller, or all but the one that asks. With `sessions:write` those of another user
/// who holds nothing of this platform that the caller does not hold.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions",
    operation_id = "close_sessions",
    tag = "sessions",
    params(CloseSessionsQuery),
    security(("bearer" = [])),
    extensions(("x-max-login-age" = json!(300))),
    responses(
        (status = 204, description = "Ended; their tokens are refused from now on. Also when there was none."),
        Refused<400>, Refused<401>, Refused<403>, TooMany<limits::CloseSessions>, Refused<503>,
    )
)]
pub async fn close_sessions(
    state: web::Data<SessionState>,
    authed: Authed<Limited<limits::CloseSessions, Fresh<OwnOr<SessionsWrite>>>>,
    query: web::Query<CloseSessionsQuery>,
) -> Result<HttpResponse, Problem> {
    let user_id = query.user_id.unwrap_or_else(|| authed.user_id());
    authed.permit(user_id, Code::AUTH_PERMISSION_DENIED)?;
    let keep_asking = query.scope == CloseScope::Others;
    let (asker, origin) = (asker(&authed), authed.origin());
    let closed = state
        .flow
        .close_all(asker, user_id, keep_asking, origin.clone())
        .await;
    closed.map_err(|error| refused(&state, origin, user_id, error))?;
    Ok(HttpResponse::NoContent().finish())
}
