//! `PUT /internal/v1/users/{id}/standing`

use actix_web::web;
use ud_http::{FromService, Json, Problem};
use ud_kernel::{UserId, models::UserStanding};
use ud_service::callers;

use crate::{state::RoleState, views::UserStandingRequest};

/// Takes from profile whether a user can log in, or is about to be unable to.
pub async fn set_standing(
    state: web::Data<RoleState>,
    _caller: FromService<callers::Profile>,
    id: web::Path<UserId>,
    body: Json<UserStandingRequest>,
) -> Result<web::Json<UserStanding>, Problem> {
    let UserStandingRequest(standing) = body.0;
    let held = state.standings.set(id.into_inner(), standing).await?;
    Ok(web::Json(held))
}
