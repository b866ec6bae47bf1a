//! `POST /api/v1/roles`

use actix_web::{HttpResponse, http::header, web};
use ud_http::{Authed, Json, Limited, Problem, Refused, TooMany, etag, permissions::RolesWrite};
use ud_service::Fresh;

use super::refused;
use crate::{
    limits,
    state::RoleState,
    views::{CreateRoleRequest, RoleResponse},
};

/// Makes a role.
#[utoipa::path(
    post,
    path = "/api/v1/roles",
    tag = "roles",
    description = "Makes a role, which nobody has. The caller's own permissions must include every one of its \
        permissions (403 `role.escalation`), and the caller must hold them without end (422 \
        `role.outlives-grantor`). Its first assignment needs `roles:grant`.",
    security(("bearer" = ["roles:write"])),
    extensions(("x-max-login-age" = json!(300))),
    request_body = CreateRoleRequest,
    responses(
        (status = 201, description = "Made", body = RoleResponse, headers(
            ("Location" = String, description = "Path of the role"),
            ("ETag" = String, description = "Version of the role"),
        )),
        Refused<400>, Refused<401>, Refused<403>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::CreateRole>, Refused<503>,
    )
)]
pub async fn create_role(
    state: web::Data<RoleState>,
    authed: Authed<Limited<limits::CreateRole, Fresh<RolesWrite>>>,
    body: Json<CreateRoleRequest>,
) -> Result<HttpResponse, Problem> {
    let new = body.0.try_into()?;
    let role = state
        .roles
        .create(authed.user_id(), authed.origin(), new)
        .await
        .map_err(|e| refused(&state, &authed, "POST /api/v1/roles", e))?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/roles/{}", role.id)))
        .insert_header(etag(role.version))
        .json(RoleResponse::from(role)))
}
