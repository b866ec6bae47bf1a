//! Bodies about assignments.

use serde::{Deserialize, Serialize};
use ud_http::{Page, Validate};
use ud_kernel::{AssignmentId, RoleId, Timestamp, UserId};
use utoipa::{IntoParams, ToSchema};

use crate::models::{Assignment, NewAssignment};

/// An assignment to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAssignmentRequest {
    /// Who is to have the role.
    pub user_id: UserId,
    /// Which role.
    pub role_id: RoleId,
    /// From this second on the assignment gives nothing; cut to whole seconds. Absent or `null`: it has no
    /// end. Not for `admin`.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

impl Validate for CreateAssignmentRequest {}

impl From<CreateAssignmentRequest> for NewAssignment {
    fn from(request: CreateAssignmentRequest) -> Self {
        Self {
            user_id: request.user_id,
            role_id: request.role_id,
            expires_at: request.expires_at,
        }
    }
}

/// Query of the list of assignments.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAssignmentsQuery {
    /// Those of one user; without `role-assignments:read` always the caller.
    pub user_id: Option<UserId>,
    /// Those of one role.
    pub role_id: Option<RoleId>,
    /// Items on the page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    pub cursor: Option<String>,
}

/// An assignment.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssignmentResponse {
    /// Its id.
    pub id: AssignmentId,
    /// Who has the role.
    pub user_id: UserId,
    /// Which role.
    pub role_id: RoleId,
    /// The role's name.
    pub role: String,
    /// From this second on it gives nothing; `null`: it has no end.
    #[schema(required = true)]
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A page of assignments.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssignmentPage {
    /// In the order in which they were made.
    pub items: Vec<AssignmentResponse>,
    /// `cursor` of the next page; `null` after the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl From<(Assignment, String)> for AssignmentResponse {
    fn from((assignment, role): (Assignment, String)) -> Self {
        Self {
            id: assignment.id,
            user_id: assignment.user_id,
            role_id: assignment.role_id,
            role,
            expires_at: assignment.expires_at,
            created_at: assignment.created_at,
        }
    }
}

impl From<Page<(Assignment, String)>> for AssignmentPage {
    fn from(page: Page<(Assignment, String)>) -> Self {
        Self {
            items: page
                .items
                .into_iter()
                .map(AssignmentResponse::from)
                .collect(),
            next_cursor: page.next_cursor,
        }
    }
}
