//! The one place where this service's errors become problem documents.

use ud_http::Problem;
use ud_kernel::Code;

use crate::models::{error::SessionError, session::Refusal};

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        let code = match &error {
            SessionError::Refused(Refusal::Closed) => Code::SESSION_CLOSED,
            SessionError::Refused(Refusal::EpochTooOld) => Code::SESSION_EPOCH_TOO_OLD,
            SessionError::Refused(Refusal::PolicyStale) => Code::SESSION_POLICY_STALE,
            SessionError::StoreBehind => {
                return Self::new(Code::AUTH_REVOCATION_UNAVAILABLE).cause(error);
            }
            SessionError::NotFound => Code::SESSION_NOT_FOUND,
            SessionError::TargetHoldsMore => Code::USER_TARGET_HOLDS_MORE,
            SessionError::NotPermitted => Code::AUTH_PERMISSION_DENIED,
            SessionError::Store(store) => return Self::new(store.code()).cause(error),
            SessionError::Call(call) => return call.clone().into(),
        };
        Self::new(code)
    }
}
