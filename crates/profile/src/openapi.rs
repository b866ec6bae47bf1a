//! The OpenAPI document of this service: public operations only.

use ud_http::{Bearer, ProblemBody};
use utoipa::{OpenApi, openapi::OpenApi as Document};

use crate::controllers;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "User Domain: users",
        description = "Users and their personal data: registration, own profile, administration."
    ),
    paths(
        controllers::register_user::register_user,
        controllers::list_users::list_users,
        controllers::search_users::search_users,
        controllers::read_me::read_me,
        controllers::read_user::read_user,
        controllers::update_user::update_user,
        controllers::delete_user::delete_user,
        controllers::suspend_user::suspend_user,
        controllers::reactivate_user::reactivate_user,
        controllers::unlock_user::unlock_user,
    ),
    components(schemas(ProblemBody)),
    modifiers(&Bearer),
    tags((name = "users", description = "Users"))
)]
struct ProfileApi;

/// Returns the public operations of this service.
#[must_use]
pub fn document() -> Document {
    ProfileApi::openapi()
}
