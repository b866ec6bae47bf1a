//! `POST /internal/v1/credentials/{user_id}/unlock`

use actix_web::{HttpResponse, web};
use ud_http::{FromService, Json, Problem, Validate, callers};
use ud_kernel::{UserId, models::UnlockCredential};

use crate::{models::unlock_flow, state::AuthState};

/// The kernel's body.
#[derive(Debug, serde::Deserialize)]
#[serde(transparent)]
pub struct Body(UnlockCredential);

impl Validate for Body {}

/// Forgets the guesses at the account's password.
pub async fn unlock_credential(
    state: web::Data<AuthState>,
    _caller: FromService<callers::Profile>,
    user_id: web::Path<UserId>,
    body: Json<Body>,
) -> Result<HttpResponse, Problem> {
    let Json(Body(UnlockCredential { origin })) = body;
    unlock_flow::unlock(&state, user_id.into_inner(), origin).await?;
    Ok(HttpResponse::NoContent().finish())
}
