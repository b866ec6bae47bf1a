//! Why a call gave no result.

use serde::Deserialize;
use ud_kernel::{Code, FieldError, Service};

/// Why an internal call gave no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// No answer, or 5xx, or 429, or our service token was refused (clocks apart, keys being changed): the same call may
    /// succeed later.
    #[error("{service} is unavailable: {reason}")]
    Unavailable {
        /// Who was called.
        service: Service,
        /// For the log.
        reason: String,
    },
    /// The other service refused with a problem document.
    #[error("{service} answered {} {}", .problem.status, .problem.code)]
    Refused {
        /// Who was called.
        service: Service,
        /// What it said.
        problem: RemoteProblem,
    },
}

/// A problem document as received.
#[derive(Debug, Clone, Deserialize)]
pub struct RemoteProblem {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// Wrong members.
    #[serde(default)]
    pub errors: Vec<FieldError>,
}

impl CallError {
    /// Returns whether the other service refused with `code`.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.code == code.as_str())
    }

    /// A call of `service` that may succeed later.
    pub(crate) fn unavailable(service: Service, reason: impl std::fmt::Display) -> Self {
        Self::Unavailable {
            service,
            reason: reason.to_string(),
        }
    }

    /// What it means that `service` answered with a problem document.
    pub(crate) fn of_problem(service: Service, problem: RemoteProblem) -> Self {
        if problem.status >= 500 || problem.status == 429 {
            Self::unavailable(service, format!("status {}", problem.status))
        } else {
            Self::Refused { service, problem }
        }
    }
}
