//! The OpenAPI document of this service: public operations only.

use ud_http::{Bearer, ProblemBody};
use utoipa::{OpenApi, openapi::OpenApi as Document};

use crate::controllers;

#[derive(OpenApi)]
#[openapi(
    info(title = "Roles", description = "Roles, permissions and who has them.", version = "1"),
    paths(
        controllers::create_role::create_role,
        controllers::list_roles::list_roles,
        controllers::read_role::read_role,
        controllers::update_role::update_role,
        controllers::delete_role::delete_role,
        controllers::check_permission::check_permission,
        controllers::create_assignment::create_assignment,
        controllers::list_assignments::list_assignments,
        controllers::read_assignment::read_assignment,
        controllers::delete_assignment::delete_assignment,
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "roles", description = "Named sets of permissions"),
        (name = "role-assignments", description = "Who has which role"),
    ),
    modifiers(&Bearer)
)]
struct RoleApi;

/// Returns the public operations of this service.
#[must_use]
pub fn document() -> Document {
    RoleApi::openapi()
}
