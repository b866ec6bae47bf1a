//! Where errors become HTTP.

use ud_db::StoreError;
use ud_http::Problem;
use ud_kernel::Code;

use crate::models::ProfileError;

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::NotFound => Code::UserNotFound.into(),
            ProfileError::EmailTaken => Code::UserEmailTaken.into(),
            ProfileError::UsernameTaken => Code::UserUsernameTaken.into(),
            ProfileError::Invalid(errors) => Self::validation(errors),
            ProfileError::IsSelf => Code::UserIsSelf.into(),
            ProfileError::IsAdministrator => Code::UserIsAdministrator.into(),
            ProfileError::TargetHoldsMore => Code::UserTargetHoldsMore.into(),
            ProfileError::PermissionDenied => Code::AuthPermissionDenied.into(),
            ProfileError::StatusConflict => Code::UserStatusConflict.into(),
            ProfileError::VersionMismatch => Code::RequestPreconditionFailed.into(),
            ProfileError::KeyReused => Code::RequestIdempotencyKeyReused.into(),
            ProfileError::KeyInUse { retry_after } => {
                Self::new(Code::RequestIdempotencyInProgress).retry_after(retry_after)
            }
            ProfileError::Peer(error) => error.into(),
            ProfileError::Store(error) => store_problem(&error),
            ProfileError::Seal(error) => Self::internal(error),
        }
    }
}

/// 503 for what will pass, 500 for defects.
#[must_use]
pub fn store_problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Conflict | StoreError::Unavailable(_) | StoreError::Timeout(_) => {
            Problem::new(Code::ServerStoreUnavailable).cause(error)
        }
        StoreError::NotFound
        | StoreError::Unique(_)
        | StoreError::ForeignKey
        | StoreError::Internal(_) => Problem::internal(error),
    }
}
