//! What can go wrong in auth, without HTTP in it; `views/problem.rs` says what a client is told.

use ud_db::{StoreError, TxError};
use ud_jwt::SignError;
use ud_kernel::FieldError;
use ud_peer::CallError;
use ud_seal::SealError;

use super::password::hash_pool::HashPoolError;

/// Failure of one of auth's use cases.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// Unknown identifier, wrong password, deleted account: one and the same.
    #[error("identifier and password do not belong together")]
    InvalidCredentials,
    /// The password is right, the account suspended.
    #[error("account suspended")]
    Suspended,
    /// Too many failures, or too many requests; seconds until it is worth trying again.
    #[error("too many attempts")]
    TooManyAttempts(u32),
    /// Forged, superseded, expired, or of a closed session.
    #[error("refresh token refused")]
    InvalidRefreshToken,
    /// The user has no credential.
    #[error("no such credential")]
    CredentialNotFound,
    /// Another user has the email address.
    #[error("email taken")]
    EmailTaken,
    /// Another user has the username, or had it within 180 days.
    #[error("username taken")]
    UsernameTaken,
    /// Members of the request break a rule.
    #[error("{} invalid members", .0.len())]
    Invalid(Vec<FieldError>),
    /// More work than can be done in time, or races lost too often.
    #[error("busy")]
    Busy,
    /// The signing keys have not been read from the database yet.
    #[error("signing keys not loaded yet")]
    KeysNotLoaded,
    /// A signing key does not open under the service's ring.
    #[error("signing key {kid}: {error}")]
    KeyDoesNotOpen {
        /// Its id.
        kid: String,
        /// Why.
        error: SealError,
    },
    /// The user's roles and permissions do not fit into an access token: role let them in under another configuration.
    #[error("the roles and permissions do not fit into an access token")]
    TokenTooLong,
    /// With `JWT_SECRET_KEY` there are no keys to rotate or revoke.
    #[error("a shared secret signs")]
    SharedSecret,
    /// No signing key has this id.
    #[error("no such signing key")]
    KeyNotFound,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Role or session.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A defect, or a fault of the machine.
    #[error("{0}")]
    Internal(String),
}

impl TxError for AuthError {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<diesel::result::Error> for AuthError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<HashPoolError> for AuthError {
    fn from(error: HashPoolError) -> Self {
        match error {
            HashPoolError::Busy => Self::Busy,
            HashPoolError::Panicked => Self::Internal(error.to_string()),
        }
    }
}

impl From<SealError> for AuthError {
    fn from(error: SealError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<SignError> for AuthError {
    fn from(error: SignError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<aws_lc_rs::error::Unspecified> for AuthError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Internal("the system gives no random bytes".to_owned())
    }
}
