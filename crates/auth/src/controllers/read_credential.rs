//! `GET /internal/v1/credentials/{user_id}`

use actix_web::web;
use ud_http::{FromService, Problem};
use ud_kernel::{UserId, models::Credential};
use ud_service::callers;

use crate::{flows::credentials, state::AuthState};

/// Reads a credential; 404 if there is none or it is deleted.
pub async fn read_credential(
    state: web::Data<AuthState>,
    _caller: FromService<callers::ProfileOrRole>,
    user_id: web::Path<UserId>,
) -> Result<web::Json<Credential>, Problem> {
    let credential = credentials::read_credential(&state, user_id.into_inner()).await?;
    Ok(web::Json(credential))
}
