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
            RoleError::PermissionDenied => Self::new(Code::AuthPermissionDenied),
            RoleError::Escalation => Self::new(Code::RoleEscalation),
            RoleError::TargetHoldsMore => Self::new(Code::UserTargetHoldsMore),
            RoleError::AssignmentOutlivesGrantor => outlives("/expires_at"),
            RoleError::PermissionsOutliveGrantor => outlives("/permissions"),
            RoleError::RoleNotFound => Self::new(Code::RoleNotFound),
            RoleError::NameTaken => Self::new(Code::RoleNameTaken),
            RoleError::BuiltIn => Self::new(Code::RoleBuiltIn),
            RoleError::VersionMismatch => Self::new(Code::RequestPreconditionFailed),
            RoleError::InvalidName => invalid("/name", "is not the name of a role"),
            RoleError::InvalidPermission => invalid("/permissions", "is not a list of permissions"),
            RoleError::TooManyPermissions => Self::new(Code::RoleTooManyPermissions),
            RoleError::NamesTooLong { most } => {
                Self::new(Code::RoleTooManyPermissions).detail(format!(
                    "the names of a user's roles and permissions would take more than {most} bytes of an access token, \
                     each with its quotes and a comma"
                ))
            }
            RoleError::AssignmentNotFound => Self::new(Code::RoleAssignmentNotFound),
            RoleError::AlreadyAssigned => Self::new(Code::RoleAlreadyAssigned),
            RoleError::UnknownUser => Self::new(Code::RoleUnknownUser),
            RoleError::UserInactive => Self::new(Code::UserStatusConflict),
            RoleError::IsAdministrator => Self::new(Code::UserIsAdministrator),
            RoleError::InvalidExpiry => {
                invalid("/expires_at", "must be in the future, before the year 9999")
            }
            RoleError::AdministratorExpires => {
                invalid("/expires_at", "`admin` is assigned without an end")
            }
            RoleError::LastAdministrator => Self::new(Code::RoleLastAdministrator),
            RoleError::AdministratorExists => Self::new(Code::RoleAdministratorExists),
            RoleError::PeerUnavailable(cause) => {
                Self::new(Code::ServerDependencyUnavailable).cause(cause)
            }
            RoleError::PeerRefused(cause) => Self::internal(cause),
            RoleError::Store(error) => Self::new(error.code()).cause(error),
        }
    }
}

/// 422 `role.outlives-grantor` about the member at `pointer`.
fn outlives(pointer: &str) -> Problem {
    let detail = "would outlive what you hold";
    Problem::new(Code::RoleOutlivesGrantor).field(FieldError::new(pointer, "field.invalid", detail))
}
