//! `DELETE /api/v1/role-assignments/{id}`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, Limited, Problem, Refused, TooMany, permissions::RoleAssignmentsWrite};
use ud_kernel::AssignmentId;
use ud_service::Fresh;

use super::refused;
use crate::limits;
use crate::state::RoleState;

/// Takes a role from a user.
#[utoipa::path(
    delete,
    path = "/api/v1/role-assignments/{id}",
    tag = "role-assignments",
    description = "Takes a role from a user. The caller's own permissions must include every one of the role's, and \
        the caller must have the role themselves or hold `roles:grant` (403 `role.escalation`). The user must not hold \
        more of the platform's permissions than the caller (403 `user.target-holds-more`). The user's tokens are refused from then on, until they refresh; `Revocation: pending` says that the session \
        service could not be told at once.",
    security(("bearer" = ["role-assignments:write"])),
    extensions(("x-max-login-age" = json!(300))),
    params(("id" = AssignmentId, Path, description = "Id of the assignment")),
    responses(
        (status = 204, description = "Taken away", headers(
            ("Revocation" = Option<String>, description = "`pending`: older tokens are refused a little later"),
        )),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<409>, TooMany<limits::DeleteAssignment>, Refused<503>,
    )
)]
pub async fn delete_assignment(
    state: web::Data<RoleState>,
    authed: Authed<Limited<limits::DeleteAssignment, Fresh<RoleAssignmentsWrite>>>,
    id: web::Path<AssignmentId>,
) -> Result<HttpResponse, Problem> {
    let revocation = state
        .assignments
        .delete(authed.user_id(), authed.origin(), id.into_inner())
        .await
        .map_err(|e| refused(&state, &authed, "DELETE /api/v1/role-assignments/{id}", e))?;
    let mut answer = HttpResponse::NoContent();
    state
        .revocations
        .tell("assignment_deletion", revocation, &mut answer);
    Ok(answer.finish())
}
