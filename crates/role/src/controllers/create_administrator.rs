//! `POST /internal/v1/administrators`

use actix_web::{HttpResponse, web};
use ud_http::{FromService, Json, Problem};
use ud_service::callers;

use crate::{state::RoleState, views::FirstAdministratorRequest};

/// Lets profile make the first administrator, once.
pub async fn create_administrator(
    state: web::Data<RoleState>,
    _caller: FromService<callers::Profile>,
    body: Json<FirstAdministratorRequest>,
) -> Result<HttpResponse, Problem> {
    let FirstAdministratorRequest(request) = body.0;
    let made = state
        .assignments
        .make_first_administrator(request.user_id, request.origin)
        .await?;
    Ok(if made {
        HttpResponse::Created().finish()
    } else {
        HttpResponse::Ok().finish()
    })
}
