//! `POST /internal/v1/credentials/{user_id}/unlock`

use actix_web::{HttpResponse, web};
use ud_http::{FromService, Json, Problem, Validate};
use ud_kernel::{
    UserId,
    models::{CredentialUnlocked, UnlockCredential},
};
use ud_service::callers;

use crate::{flows::unlock, models::unlock::store::CODE_LIFE, state::AuthState};

/// The kernel's body.
#[derive(Debug, serde::Deserialize)]
#[serde(transparent)]
pub struct Body(UnlockCredential);

impl Validate for Body {}

/// Makes an unlock code.
pub async fn unlock_credential(
    state: web::Data<AuthState>,
    _caller: FromService<callers::Profile>,
    user_id: web::Path<UserId>,
    body: Json<Body>,
) -> Result<HttpResponse, Problem> {
    let Json(Body(UnlockCredential { origin })) = body;
    let code = unlock::unlock(&state, user_id.into_inner(), origin).await?;
    Ok(HttpResponse::Ok().json(CredentialUnlocked {
        unlock_code: code.as_str().to_owned(),
        expires_in: CODE_LIFE.as_secs(),
    }))
}
