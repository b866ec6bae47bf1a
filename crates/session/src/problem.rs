//! The one place where this service's errors become problem documents.

use ud_http::Problem;
use ud_kernel::Code;

use crate::models::{error::SessionError, session::Refusal};

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        let code = match &error {
            SessionError::Refused(Refusal::Closed) => Code::SessionClosed,
            SessionError::Refused(Refusal::EpochTooOld) => Code::SessionEpochTooOld,
            SessionError::Refused(Refusal::PolicyStale) => Code::SessionPolicyStale,
            SessionError::StoreBehind => {
                return Self::new(Code::AuthRevocationUnavailable).cause(error);
            }
            SessionError::NotFound => Code::SessionNotFound,
            SessionError::TargetHoldsMore => Code::UserTargetHoldsMore,
            SessionError::NotPermitted => Code::AuthPermissionDenied,
            SessionError::Store(store) => return Self::new(store.code()).cause(error),
            SessionError::Call(call) => return call.clone().into(),
        };
        Self::new(code)
    }
}
