//! `POST /api/v1/roles/check`

use actix_web::web;
use ud_http::{Authed, Json, Problem, Refused, permissions::RolesRead};
use ud_kernel::Code;
use ud_service::OwnOr;

use super::note_read;
use crate::{
    state::RoleState,
    views::{CheckPermissionRequest, CheckPermissionResponse},
};

/// Tells whether a user may do something.
#[utoipa::path(
    post,
    path = "/api/v1/roles/check",
    tag = "roles",
    description = "Tells whether a user may do what needs a permission, at this moment, and by which roles: the caller, \
        or anybody with `roles:read`.",
    security(("bearer" = [])),
    request_body = CheckPermissionRequest,
    responses(
        (status = 200, description = "The answer", body = CheckPermissionResponse),
        Refused<400>, Refused<401>, Refused<403>, Refused<408>, Refused<413>, Refused<415>, Refused<422>, Refused<503>,
    )
)]
pub async fn check_permission(
    state: web::Data<RoleState>,
    authed: Authed<OwnOr<RolesRead>>,
    body: Json<CheckPermissionRequest>,
) -> Result<web::Json<CheckPermissionResponse>, Problem> {
    let Json(request) = body;
    authed.permit(request.user_id, Code::AUTH_PERMISSION_DENIED)?;
    if request.user_id != authed.user_id() {
        note_read(&state, &authed, "user", request.user_id.to_string());
    }
    let because = state
        .reads
        .granting(request.user_id, request.permission)
        .await?;
    Ok(web::Json(CheckPermissionResponse {
        allowed: !because.is_empty(),
        because,
    }))
}
