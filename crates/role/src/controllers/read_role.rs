//! `GET /api/v1/roles/{id}`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Problem, Refused, etag, permissions::RolesRead};
use ud_kernel::RoleId;

use crate::{state::RoleState, views::RoleResponse};

/// Reads a role.
#[utoipa::path(
    get,
    path = "/api/v1/roles/{id}",
    tag = "roles",
    description = "Reads a role.",
    security(("bearer" = ["roles:read"])),
    params(("id" = RoleId, Path, description = "Id of the role")),
    responses(
        (status = 200, description = "The role", body = RoleResponse, headers(
        ("ETag" = String, description = "Version of the role"),
    )),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<503>,
    )
)]
pub async fn read_role(
    state: web::Data<RoleState>,
    _authed: Authed<RolesRead>,
    id: web::Path<RoleId>,
) -> Result<HttpResponse, Problem> {
    let role = state.reads.role(id.into_inner()).await?;
    Ok(HttpResponse::Ok()
        .insert_header(etag(role.version))
        .json(RoleResponse::from(role)))
}
