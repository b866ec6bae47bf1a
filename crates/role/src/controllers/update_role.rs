//! `PATCH /api/v1/roles/{id}`

use actix_web::{HttpResponse, web};
use ud_http::{
    Authed, IfMatch, Limited, MergePatch, Problem, Refused, TooMany, etag, permissions::RolesWrite,
};
use ud_kernel::RoleId;
use ud_service::Fresh;

use super::refused;
use crate::{
    limits,
    state::RoleState,
    views::{RoleResponse, UpdateRoleRequest},
};

/// Changes a role.
#[utoipa::path(
    patch,
    path = "/api/v1/roles/{id}",
    tag = "roles",
    description = "Changes a role's description and permissions (RFC 7396). The caller's own permissions must \
        include every one of its permissions, before and after (403 `role.escalation`); those that are put in the \
        caller must hold without end (422 `role.outlives-grantor`). A role that a user has who holds more of the \
        platform's permissions than the caller is changed with `roles:grant` only. Only a holder of `*` changes the \
        role `user`, and nobody changes `admin`. When a permission is taken away, tokens issued before are refused from then on; \
        `Revocation: pending` says that the session service could not be told at once.",
    security(("bearer" = ["roles:write"])),
    extensions(("x-max-login-age" = json!(300))),
    params(
        ("id" = RoleId, Path, description = "Id of the role"),
        ("If-Match" = Option<String>, Header, description = "Version the change is made for"),
    ),
    request_body(content(
        (UpdateRoleRequest = "application/merge-patch+json"),
        (UpdateRoleRequest = "application/json"),
    )),
    responses(
        (status = 200, description = "The role as it is now", body = RoleResponse, headers(
            ("ETag" = String, description = "Version of the role"),
            ("Revocation" = Option<String>, description = "`pending`: older tokens are refused a little later"),
        )),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<408>, Refused<409>,
        Refused<412>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::UpdateRole>, Refused<503>,
    )
)]
pub async fn update_role(
    state: web::Data<RoleState>,
    authed: Authed<Limited<limits::UpdateRole, Fresh<RolesWrite>>>,
    id: web::Path<RoleId>,
    if_match: IfMatch,
    body: MergePatch<UpdateRoleRequest>,
) -> Result<HttpResponse, Problem> {
    let patch = body.0.try_into()?;
    let is_expected = move |version| if_match.permits(version).is_ok();
    let (role, revocation) = state
        .roles
        .update(
            authed.user_id(),
            authed.origin(),
            id.into_inner(),
            patch,
            is_expected,
        )
        .await
        .map_err(|e| refused(&state, &authed, "PATCH /api/v1/roles/{id}", e))?;
    let mut answer = HttpResponse::Ok();
    state
        .revocations
        .tell("role_change", revocation, &mut answer);
    Ok(answer
        .insert_header(etag(role.version))
        .json(RoleResponse::from(role)))
}
