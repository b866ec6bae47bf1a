//! `PUT /internal/v1/sessions/{session_id}`

use actix_web::{HttpResponse, web};
use ud_http::{FromService, Json, Problem};
use ud_kernel::SessionId;
use ud_service::callers;

use crate::{state::SessionState, views::internal::CreateSessionBody};

/// Creates a session: 201, and 200 for the same request again.
///
/// # Errors
/// 409 `session.epoch-too-old`, `session.policy-stale`; 401 `session.closed` for an id that was used before.
pub async fn create_session(
    _: FromService<callers::Auth>,
    state: web::Data<SessionState>,
    id: web::Path<SessionId>,
    body: Json<CreateSessionBody>,
) -> Result<HttpResponse, Problem> {
    let created = state.store.create(id.into_inner(), body.0.0).await;
    let created = state.count("create", created)?;
    let mut answer = if created.is_new {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer.json(created.grant))
}
