//! `GET /api/v1/roles`

use actix_web::web;
use ud_http::{Authed, PageRequest, Problem, Refused, permissions::RolesRead};

use crate::{
    state::RoleState,
    views::{ListQuery, RolePage},
};

/// Lists the roles.
#[utoipa::path(
    get,
    path = "/api/v1/roles",
    tag = "roles",
    description = "Lists the roles in the order in which they were made, the built-in ones first.",
    security(("bearer" = ["roles:read"])),
    params(ListQuery),
    responses(
        (status = 200, description = "A page", body = RolePage),
        Refused<400>, Refused<401>, Refused<403>, Refused<503>,
    )
)]
pub async fn list_roles(
    state: web::Data<RoleState>,
    _authed: Authed<RolesRead>,
    query: web::Query<ListQuery>,
) -> Result<web::Json<RolePage>, Problem> {
    let request = PageRequest::new(query.limit, query.cursor.as_deref())?;
    let roles = state.reads.roles(request.after, request.to_read()).await?;
    Ok(web::Json(request.page(roles, |role| role.id).into()))
}
