//! Bodies about what a user may do.

use serde::{Deserialize, Serialize};
use ud_http::{FieldErrors, Validate};
use ud_kernel::{FieldError, UserId, models::UserStanding, permission};
use utoipa::ToSchema;

/// A question: may this user do what needs this permission?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckPermissionRequest {
    /// Who.
    pub user_id: UserId,
    /// `resource:verb`, or `*`.
    #[schema(
        pattern = r"^([a-z][a-z0-9-]{0,31}:[a-z][a-z0-9-]{0,31}|\*)$",
        example = "orders:read"
    )]
    pub permission: String,
}

impl Validate for CheckPermissionRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        if !permission::is_valid(&self.permission) && self.permission != permission::ALL {
            let detail =
                "`resource:verb`, each lower-case letters, digits and hyphens, at most 32; or `*`";
            errors.push(FieldError::new("/permission", "field.invalid", detail));
        }
    }
}

/// Whether the user may, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckPermissionResponse {
    /// Whether they may, at this moment.
    pub allowed: bool,
    /// Names of the roles that let them, sorted.
    pub because: Vec<String>,
}

/// Body of `PUT /internal/v1/users/{id}/standing`.
#[derive(Debug)]
pub struct UserStandingRequest(pub UserStanding);

impl From<UserStanding> for UserStandingRequest {
    fn from(body: UserStanding) -> Self {
        Self(body)
    }
}

impl Validate for UserStandingRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.0.sequence < 1 {
            let detail = "a sequence begins at 1";
            errors.push(FieldError::new("/sequence", "field.invalid", detail));
        }
    }
}
