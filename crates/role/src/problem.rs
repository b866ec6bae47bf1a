//! The one place where this service's errors become problem documents.

use ud_http::Problem;
use ud_kernel::{Code, FieldError};

use crate::models::RoleError;

impl From<RoleError> for Problem {
    fn from(error: RoleError) -> Self {
        let invalid = |pointer: &str, detail: &str| {
            Self::validation(vec![FieldError::new(pointer, "field.invalid", detail)])
        };
        match error {
            RoleError::PermissionDenied => Self::new(Code::AUTH_PERMISSION_DENIED),
            RoleError::Escalation => Self::new(Code::ROLE_ESCALATION),
            RoleError::TargetHoldsMore => Self::new(Code::USER_TARGET_HOLDS_MORE),
            RoleError::AssignmentOutlivesGrantor => outlives("/expires_at"),
            RoleError::PermissionsOutliveGrantor => outlives("/permissions"),
            RoleError::RoleNotFound => Self::new(Code::ROLE_NOT_FOUND),
            RoleError::NameTaken => Self::new(Code::ROLE_NAME_TAKEN),
            RoleError::BuiltIn => Self::new(Code::ROLE_BUILT_IN),
            RoleError::VersionMismatch => Self::new(Code::REQUEST_PRECONDITION_FAILED),
            RoleError::InvalidName => invalid("/name", "is not the name of a role"),
            RoleError::InvalidPermission => invalid("/permissions", "is not a list of permissions"),
            RoleError::TooManyPermissions => Self::new(Code::ROLE_TOO_MANY_PERMISSIONS),
            RoleError::NamesTooLong { most } => {
                Self::new(Code::ROLE_TOO_MANY_PERMISSIONS).detail(format!(
                    "the names of a user's roles and permissions would take more than {most} bytes of an access token, \
                     each with its quotes and a comma"
                ))
            }
            RoleError::AssignmentNotFound => Self::new(Code::ROLE_ASSIGNMENT_NOT_FOUND),
            RoleError::AlreadyAssigned => Self::new(Code::ROLE_ALREADY_ASSIGNED),
            RoleError::UnknownUser => Self::new(Code::ROLE_UNKNOWN_USER),
            RoleError::UserInactive => Self::new(Code::USER_STATUS_CONFLICT),
            RoleError::IsAdministrator => Self::new(Code::USER_IS_ADMINISTRATOR),
            RoleError::InvalidExpiry => {
                invalid("/expires_at", "must be in the future, before the year 9999")
            }
            RoleError::AdministratorExpires => {
                invalid("/expires_at", "`admin` is assigned without an end")
            }
            RoleError::LastAdministrator => Self::new(Code::ROLE_LAST_ADMINISTRATOR),
            RoleError::AdministratorExists => Self::new(Code::ROLE_ADMINISTRATOR_EXISTS),
            RoleError::PeerUnavailable(cause) => {
                Self::new(Code::SERVER_DEPENDENCY_UNAVAILABLE).cause(cause)
            }
            RoleError::PeerRefused(cause) => Self::internal(cause),
            RoleError::Store(error) => Self::new(error.code()).cause(error),
        }
    }
}

/// 422 `role.outlives-grantor` about the member at `pointer`.
fn outlives(pointer: &str) -> Problem {
    let detail = "would outlive what you hold";
    Problem::new(Code::ROLE_OUTLIVES_GRANTOR).field(FieldError::new(
        pointer,
        "field.invalid",
        detail,
    ))
}
