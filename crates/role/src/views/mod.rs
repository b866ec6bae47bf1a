//! The view: bodies of requests and answers.

mod access;
mod assignment;
mod list_query;
mod role;

pub use access::{CheckPermissionRequest, CheckPermissionResponse, UserStandingRequest};
pub use assignment::{
    AssignmentPage, AssignmentResponse, CreateAssignmentRequest, ListAssignmentsQuery,
};
pub use list_query::ListQuery;
pub use role::{CreateRoleRequest, RolePage, RoleResponse, UpdateRoleRequest};
