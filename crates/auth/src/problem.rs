//! The one place where this service's errors become problem documents.

use ud_http::Problem;
use ud_kernel::Code;

use crate::models::error::AuthError;

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::InvalidCredentials => Self::new(Code::AuthInvalidCredentials),
            AuthError::Suspended => Self::new(Code::AuthAccountSuspended),
            AuthError::TooManyAttempts(seconds) => {
                Self::new(Code::RequestRateLimited).retry_after(seconds)
            }
            AuthError::InvalidRefreshToken => Self::new(Code::AuthRefreshTokenInvalid),
            AuthError::CredentialNotFound => Self::new(Code::AuthCredentialNotFound),
            AuthError::EmailTaken => Self::new(Code::UserEmailTaken),
            AuthError::UsernameTaken => Self::new(Code::UserUsernameTaken),
            AuthError::Invalid(errors) => Self::validation(errors),
            AuthError::Busy => Self::new(Code::ServerBusy),
            AuthError::KeysNotLoaded => Self::new(Code::AuthKeysUnavailable),
            AuthError::TokenTooLong => Self::new(Code::AuthTokenTooLong).cause(error),
            AuthError::SharedSecret => Self::new(Code::KeySharedSecret),
            AuthError::KeyNotFound => Self::new(Code::KeyNotFound),
            AuthError::Store(error) => Self::new(error.code()).cause(error),
            AuthError::Call(error) => error.into(),
            AuthError::KeyDoesNotOpen { .. } => Self::internal(error),
            AuthError::Internal(cause) => Self::internal(cause),
        }
    }
}
