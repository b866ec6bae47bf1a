//! `POST /api/v1/role-assignments`

use actix_web::{HttpResponse, http::header, web};
use ud_http::{
    Authed, Json, Limited, Problem, Refused, TooMany, permissions::RoleAssignmentsWrite,
};
use ud_service::Fresh;

use super::refused;
use crate::{
    limits,
    state::RoleState,
    views::{AssignmentResponse, CreateAssignmentRequest},
};

/// Gives a user a role.
#[utoipa::path(
    post,
    path = "/api/v1/role-assignments",
    tag = "role-assignments",
    description = "Gives a user a role. The caller's own permissions must include every one of the role's, and \
        the caller must have the role themselves or hold `roles:grant` (403 `role.escalation`). The user must not hold \
        more of the platform's permissions than the caller (403 `user.target-holds-more`). The assignment ends no later \
        than what the caller holds: each of the role's permissions, and the role itself or `roles:grant` (422 \
        `role.outlives-grantor`). `user` is not assigned: everybody has it. The next token of the user carries the role.",
    security(("bearer" = ["role-assignments:write"])),
    extensions(("x-max-login-age" = json!(300))),
    request_body = CreateAssignmentRequest,
    responses(
        (status = 201, description = "Assigned", body = AssignmentResponse, headers(
            ("Location" = String, description = "Path of the assignment"),
        )),
        Refused<400>, Refused<401>, Refused<403>, Refused<404>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::CreateAssignment>, Refused<503>,
    )
)]
pub async fn create_assignment(
    state: web::Data<RoleState>,
    authed: Authed<Limited<limits::CreateAssignment, Fresh<RoleAssignmentsWrite>>>,
    body: Json<CreateAssignmentRequest>,
) -> Result<HttpResponse, Problem> {
    let made = state
        .assignments
        .create(authed.user_id(), authed.origin(), body.0.into())
        .await
        .map_err(|e| refused(&state, &authed, "POST /api/v1/role-assignments", e))?;
    let answer = AssignmentResponse::from(made);
    Ok(HttpResponse::Created()
        .insert_header((
            header::LOCATION,
            format!("/api/v1/role-assignments/{}", answer.id),
        ))
        .json(answer))
}
