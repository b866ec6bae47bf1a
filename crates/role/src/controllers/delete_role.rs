//! `DELETE /api/v1/roles/{id}`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, IfMatch, Limited, Problem, Refused, TooMany, permissions::RolesWrite};
use ud_kernel::RoleId;
use ud_service::Fresh;

use super::refused;
use crate::limits;
use crate::state::RoleState;

/// Deletes a role and its assignments.
#[utoipa::path(
    delete,
    path = "/api/v1/roles/{id}",
    tag = "roles",
    description = "Deletes a role and its assignments. The caller's own permissions must include every one of its \
        permissions. Without `roles:grant`, a role that somebody has is deleted only by a caller who has it too, and \
        not if a user has it who holds more of the platform's permissions than the caller. Tokens that carry the role are refused from then on; `Revocation: pending` says that the \
        session service could not be told at once.",
    security(("bearer" = ["roles:write"])),
    extensions(("x-max-login-age" = json!(300))),
    params(
        ("id" = RoleId, Path, description = "Id of the role"),
        ("If-Match" = Option<String>, Header, description = "Version that is to be deleted"),
    ),
    responses(
        (status = 204, description = "Deleted", headers(
            ("Revocation" = Option<String>, description = "`pending`: older tokens are refused a little later"),
        )),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, Refused<412>, TooMany<limits::DeleteRole>, Refused<503>,
    )
)]
pub async fn delete_role(
    state: web::Data<RoleState>,
    authed: Authed<Limited<limits::DeleteRole, Fresh<RolesWrite>>>,
    id: web::Path<RoleId>,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    let is_expected = move |version| if_match.permits(version).is_ok();
    let revocation = state
        .roles
        .delete(
            authed.user_id(),
            authed.origin(),
            id.into_inner(),
            is_expected,
        )
        .await
        .map_err(|e| refused(&state, &authed, "DELETE /api/v1/roles/{id}", e))?;
    let mut answer = HttpResponse::NoContent();
    state
        .revocations
        .tell("role_deletion", revocation, &mut answer);
    Ok(answer.finish())
}
