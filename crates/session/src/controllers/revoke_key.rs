//! `POST /internal/v1/revoked-keys`

use actix_web::{HttpResponse, web};
use ud_http::{FromService, Json, Problem};
use ud_service::callers;

use crate::{state::SessionState, views::internal::RevokedKeyBody};

/// Takes notice of a revoked signing key: 204.
///
/// # Errors
/// 503 if the store fails.
pub async fn revoke_key(
    _: FromService<callers::Auth>,
    state: web::Data<SessionState>,
    body: Json<RevokedKeyBody>,
) -> Result<HttpResponse, Problem> {
    state.store.revoke_key(body.0.0, state.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}
