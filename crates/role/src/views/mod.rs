//! The view: bodies of requests and answers, and the OpenAPI document.

mod access;
mod assignment;
mod openapi;
mod page;
mod problem;
mod role;

pub use access::{
    CheckPermissionRequest, CheckPermissionResponse, FirstAdministratorRequest, UserStandingRequest,
};
pub use assignment::{
    AssignmentPage, AssignmentResponse, CreateAssignmentRequest, ListAssignmentsQuery,
};
pub use openapi::document;
pub use page::{ListQuery, Page, PageRequest};
pub use role::{CreateRoleRequest, RolePage, RoleResponse, UpdateRoleRequest};
