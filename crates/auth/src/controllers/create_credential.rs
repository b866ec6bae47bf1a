//! `PUT /internal/v1/credentials/{user_id}`

use actix_web::{HttpResponse, web};
use ud_http::{FromService, Json, Problem, Validate};
use ud_kernel::{UserId, models::CreateCredential};
use ud_service::callers;

use crate::{flows::credentials, state::AuthState};

/// The kernel's body; what it must fulfil is the model's to say, which knows all reasons at once.
#[derive(Debug, serde::Deserialize)]
#[serde(transparent)]
pub struct Body(CreateCredential);

impl Validate for Body {}

/// Stores the credential of a new user: 201, or 200 if the user has one already.
pub async fn create_credential(
    state: web::Data<AuthState>,
    _caller: FromService<callers::Profile>,
    user_id: web::Path<UserId>,
    body: Json<Body>,
) -> Result<HttpResponse, Problem> {
    let Json(Body(body)) = body;
    let created = credentials::create_credential(&state, user_id.into_inner(), body).await?;
    let mut answer = if created.is_new {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer.json(created.credential))
}
