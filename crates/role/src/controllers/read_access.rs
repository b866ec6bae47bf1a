//! `GET /internal/v1/users/{id}/access`

use actix_web::web;
use ud_http::{FromService, Problem};
use ud_kernel::{UserId, models::Access};
use ud_service::callers;

use crate::state::RoleState;

/// Tells auth, profile and session what a user may do now.
pub async fn read_access(
    state: web::Data<RoleState>,
    _caller: FromService<callers::AuthProfileSession>,
    id: web::Path<UserId>,
) -> Result<web::Json<Access>, Problem> {
    Ok(web::Json(state.reads.access(id.into_inner()).await?))
}
