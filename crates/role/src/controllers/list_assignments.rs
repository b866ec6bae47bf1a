//! `GET /api/v1/role-assignments`

use actix_web::web;
use ud_http::{Authed, PageRequest, Problem, Refused, permissions::RoleAssignmentsRead};
use ud_service::{OwnOr, RowScope};

use super::note_read;
use crate::{
    models::AssignmentFilter,
    state::RoleState,
    views::{AssignmentPage, ListAssignmentsQuery},
};

const OPERATION: &str = "GET /api/v1/role-assignments";

/// Lists assignments in effect.
#[utoipa::path(
    get,
    path = "/api/v1/role-assignments",
    tag = "role-assignments",
    description = "Lists assignments in effect in the order in which they were made. Without \
        `role-assignments:read`: the caller's own, whatever `user_id` says.",
    security(("bearer" = [])),
    params(ListAssignmentsQuery),
    responses(
        (status = 200, description = "A page", body = AssignmentPage),
        Refused<400>, Refused<401>, Refused<503>,
    )
)]
pub async fn list_assignments(
    state: web::Data<RoleState>,
    authed: Authed<OwnOr<RoleAssignmentsRead>>,
    query: web::Query<ListAssignmentsQuery>,
) -> Result<web::Json<AssignmentPage>, Problem> {
    let request = PageRequest::new(query.limit, query.cursor.as_deref())?;
    let user_id = match authed.scope() {
        RowScope::All => query.user_id,
        RowScope::Own(user) => Some(user),
    };
    match user_id {
        Some(user) if user == authed.user_id() => {}
        Some(user) => note_read(&state, &authed, "user", user.to_string()),
        None => note_read(&state, &authed, "operation", OPERATION.to_owned()),
    }
    let filter = AssignmentFilter {
        user_id,
        role_id: query.role_id,
    };
    let found = state
        .reads
        .assignments(filter, request.after, request.to_read())
        .await?;
    Ok(web::Json(
        request.page(found, |(assignment, _)| assignment.id).into(),
    ))
}
