//! `POST /internal/v1/marks`

use actix_web::{HttpResponse, web};
use ud_http::{FromService, Json, Problem};
use ud_service::callers;

use crate::{state::SessionState, views::internal::MarkBody};

/// Sets the policy version below which tokens of a user or a role are stale: 204.
///
/// # Errors
/// 503 if the store fails.
pub async fn set_mark(
    _: FromService<callers::Role>,
    state: web::Data<SessionState>,
    body: Json<MarkBody>,
) -> Result<HttpResponse, Problem> {
    state.store.mark(body.0.0, state.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}
