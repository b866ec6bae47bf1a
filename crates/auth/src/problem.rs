//! The one place where this service's errors become problem documents.

use ud_http::Problem;
use ud_kernel::Code;

use crate::models::error::AuthError;

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::InvalidCredentials => Self::new(Code::AUTH_INVALID_CREDENTIALS),
            AuthError::Suspended => Self::new(Code::AUTH_ACCOUNT_SUSPENDED),
            AuthError::TooManyAttempts(seconds) => {
                Self::new(Code::REQUEST_RATE_LIMITED).retry_after(seconds)
            }
            AuthError::InvalidRefreshToken => Self::new(Code::AUTH_REFRESH_TOKEN_INVALID),
            AuthError::CredentialNotFound => Self::new(Code::AUTH_CREDENTIAL_NOT_FOUND),
            AuthError::EmailTaken => Self::new(Code::USER_EMAIL_TAKEN),
            AuthError::UsernameTaken => Self::new(Code::USER_USERNAME_TAKEN),
            AuthError::Invalid(errors) => Self::validation(errors),
            AuthError::Busy => Self::new(Code::SERVER_BUSY),
            AuthError::KeysNotLoaded => Self::new(Code::AUTH_KEYS_UNAVAILABLE),
            AuthError::TokenTooLong => Self::new(Code::AUTH_TOKEN_TOO_LONG).cause(error),
            AuthError::SharedSecret => Self::new(Code::KEY_SHARED_SECRET),
            AuthError::KeyNotFound => Self::new(Code::KEY_NOT_FOUND),
            AuthError::Store(error) => Self::new(error.code()).cause(error),
            AuthError::Call(error) => error.into(),
            AuthError::KeyDoesNotOpen { .. } => Self::internal(error),
            AuthError::Internal(cause) => Self::internal(cause),
        }
    }
}
