//! `POST /api/v1/role-assignments`

use actix_web::{HttpResponse, http::header, web};
use ud_http::{
    Authed, Fresh, Json, Limited, Problem, Refused, TooMany, limits,
    permissions::RoleAssignmentsWrite,
};

use super::refused;
use crate::{
    state::RoleState,
    views::{AssignmentResponse, CreateAssignmentRequest},
};

/// Gives a user a role.
#[utoipa::path(
    post,
    path = "/api/v1/role-assignments",
    tag = "role-assignments",
    description = "Gives a user a role. The caller's own permissions must include every one of the role's. `user` is \
        not assigned: everybody has it. The next token of the user carries the role.",
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
