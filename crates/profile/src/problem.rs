//! The one place where this service's errors become problem documents.

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
            ProfileError::Store(error) => Self::new(error.code()).cause(error),
            ProfileError::Seal(error) => Self::internal(error),
        }
    }
}
