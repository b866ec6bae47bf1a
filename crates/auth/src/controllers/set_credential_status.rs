//! `PUT /internal/v1/credentials/{user_id}/status`

use actix_web::web;
use ud_http::{FromService, Json, Problem, Validate};
use ud_kernel::{
    UserId,
    models::{CredentialStatusChanged, SetCredentialStatus},
};
use ud_service::callers;

use crate::{flows::credentials, state::AuthState};

/// The kernel's body.
#[derive(Debug, serde::Deserialize)]
#[serde(transparent)]
pub struct Body(SetCredentialStatus);

impl Validate for Body {}

/// Follows a change of the user's status.
pub async fn set_credential_status(
    state: web::Data<AuthState>,
    _caller: FromService<callers::Profile>,
    user_id: web::Path<UserId>,
    body: Json<Body>,
) -> Result<web::Json<CredentialStatusChanged>, Problem> {
    let Json(Body(body)) = body;
    let changed = credentials::set_status(&state, user_id.into_inner(), body).await?;
    if !changed.sessions_closed {
        state.revocations.count("credential_status");
    }
    Ok(web::Json(changed))
}
