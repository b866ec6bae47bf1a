use ud_db::{StoreError, TxError};
use ud_idempotency::ServerKeyError;
use ud_kernel::FieldError;
use ud_peer::CallError;
use ud_seal::SealError;

/// Why a use case did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProfileError {
    /// No user of this id that the caller may know of.
    #[error("user not found")]
    NotFound,
    /// Another user has the email address.
    #[error("email taken")]
    EmailTaken,
    /// Another user has the username.
    #[error("username taken")]
    UsernameTaken,
    /// Values that are not acceptable, by JSON pointer into the request.
    #[error("{} values not acceptable", .0.len())]
    Invalid(Vec<FieldError>),
    /// Nobody suspends or reactivates themselves.
    #[error("on oneself")]
    IsSelf,
    /// The user holds the role `admin`.
    #[error("user is an administrator")]
    IsAdministrator,
    /// The user holds more than the one who wants to act on them.
    #[error("target holds more")]
    TargetHoldsMore,
    /// The permission in the token is no longer held.
    #[error("permission no longer held")]
    PermissionDenied,
    /// The user's status does not allow it.
    #[error("status does not allow this")]
    StatusConflict,
    /// The user changed since the version the client knows.
    #[error("another version")]
    VersionMismatch,
    /// The Idempotency-Key was used with another body.
    #[error("idempotency key reused")]
    KeyReused,
    /// The first request with this Idempotency-Key may still be running.
    #[error("idempotency key in use")]
    KeyInUse {
        /// When to ask again, in seconds.
        retry_after: u32,
    },
    /// Another service did not answer, or refused what it should not.
    #[error(transparent)]
    Peer(#[from] CallError),
    /// The key that Idempotency-Keys are stored under does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The own database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ServerKeyError> for ProfileError {
    fn from(error: ServerKeyError) -> Self {
        match error {
            ServerKeyError::Seal(error) => Self::Seal(error),
            ServerKeyError::Store(error) => Self::Store(error),
        }
    }
}

impl TxError for ProfileError {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl ProfileError {
    /// Whether the same may succeed later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Store(error) => error.is_temporary(),
            Self::Peer(CallError::Unavailable { .. }) | Self::KeyInUse { .. } => true,
            _ => false,
        }
    }
}
