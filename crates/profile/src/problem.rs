//! The one place where this service's errors become problem documents.

use ud_http::Problem;
use ud_kernel::Code;

use crate::models::ProfileError;

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::NotFound => Code::USER_NOT_FOUND.into(),
            ProfileError::EmailTaken => Code::USER_EMAIL_TAKEN.into(),
            ProfileError::UsernameTaken => Code::USER_USERNAME_TAKEN.into(),
            ProfileError::Invalid(errors) => Self::validation(errors),
            ProfileError::IsSelf => Code::USER_IS_SELF.into(),
            ProfileError::IsAdministrator => Code::USER_IS_ADMINISTRATOR.into(),
            ProfileError::TargetHoldsMore => Code::USER_TARGET_HOLDS_MORE.into(),
            ProfileError::PermissionDenied => Code::AUTH_PERMISSION_DENIED.into(),
            ProfileError::StatusConflict => Code::USER_STATUS_CONFLICT.into(),
            ProfileError::VersionMismatch => Code::REQUEST_PRECONDITION_FAILED.into(),
            ProfileError::KeyReused => Code::REQUEST_IDEMPOTENCY_KEY_REUSED.into(),
            ProfileError::KeyInUse { retry_after } => {
                Self::new(Code::REQUEST_IDEMPOTENCY_IN_PROGRESS).retry_after(retry_after)
            }
            ProfileError::Peer(error) => error.into(),
            ProfileError::Store(error) => Self::new(error.code()).cause(error),
            ProfileError::Seal(error) => Self::internal(error),
        }
    }
}
