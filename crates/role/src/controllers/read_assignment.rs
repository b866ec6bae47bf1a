//! `GET /api/v1/role-assignments/{id}`

use actix_web::web;
use ud_http::{Authed, Problem, Refused, permissions::RoleAssignmentsRead};
use ud_kernel::{AssignmentId, Code};
use ud_service::OwnOr;

use super::note_read;
use crate::{state::RoleState, views::AssignmentResponse};

/// Reads an assignment.
#[utoipa::path(
    get,
    path = "/api/v1/role-assignments/{id}",
    tag = "role-assignments",
    description = "Reads an assignment: the caller's own, or any with `role-assignments:read`.",
    security(("bearer" = [])),
    params(("id" = AssignmentId, Path, description = "Id of the assignment")),
    responses(
        (status = 200, description = "The assignment", body = AssignmentResponse),
        Refused<400>, Refused<401>, Refused<404>, Refused<503>,
    )
)]
pub async fn read_assignment(
    state: web::Data<RoleState>,
    authed: Authed<OwnOr<RoleAssignmentsRead>>,
    id: web::Path<AssignmentId>,
) -> Result<web::Json<AssignmentResponse>, Problem> {
    let found = state.reads.assignment(id.into_inner()).await?;
    let owner = found.0.user_id;
    authed.permit(owner, Code::ROLE_ASSIGNMENT_NOT_FOUND)?;
    if owner != authed.user_id() {
        note_read(&state, &authed, "user", owner.to_string());
    }
    Ok(web::Json(found.into()))
}
