//! Failures of the audit log, without HTTP in them.

use ud_db::{StoreError, TxError};
use ud_idempotency::ServerKeyError;
use ud_seal::SealError;

/// Why an audit operation failed.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No such record, or not the caller's to see.
    #[error("no such record")]
    NotFound,
    /// The action is the name of one of the platform's own events.
    #[error("the action is reserved")]
    ActionReserved,
    /// The Idempotency-Key came with another body.
    #[error("the idempotency key was used with another body")]
    KeyReused,
    /// The log cannot hold it exactly as it is.
    #[error("cannot be recorded: {0}")]
    Unrecordable(&'static str),
    /// The key that Idempotency-Keys are stored under does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ServerKeyError> for AuditError {
    fn from(error: ServerKeyError) -> Self {
        match error {
            ServerKeyError::Seal(error) => Self::Seal(error),
            ServerKeyError::Store(error) => Self::Store(error),
        }
    }
}

impl TxError for AuditError {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}
