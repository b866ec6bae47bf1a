//! What can go wrong with a session, without HTTP in it.

use ud_db::StoreError;
use ud_peer::CallError;

use super::session::Refusal;

/// Why an operation on sessions gave no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    /// The session's or the store's own rules refuse.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// No living session has this id, or it is not the caller's to see.
    #[error("no such session")]
    NotFound,
    /// The session's user holds a permission of this platform that the caller does not hold.
    #[error("the session's user holds more than the caller")]
    TargetHoldsMore,
    /// The caller no longer holds the permission their token carries.
    #[error("the caller does not hold the permission now")]
    NotPermitted,
    /// The store has gone back again, so soon after it last began anew that it does not do so once more yet.
    #[error("the session store has gone back again")]
    StoreBehind,
    /// Redis or the database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another service could not be asked.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<Refusal> for SessionError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl ud_db::TxError for SessionError {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}
