//! The one place where this service's errors become problem documents.

use ud_http::Problem;
use ud_kernel::Code;

use crate::models::error::AuditError;

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::NotFound => Self::new(Code::AUDIT_RECORD_NOT_FOUND),
            AuditError::ActionReserved => Self::new(Code::AUDIT_ACTION_RESERVED),
            AuditError::KeyReused => Self::new(Code::REQUEST_IDEMPOTENCY_KEY_REUSED),
            AuditError::Unrecordable(_) | AuditError::Seal(_) => Self::internal(error),
            AuditError::Store(error) => Self::new(error.code()).cause(error),
        }
    }
}
