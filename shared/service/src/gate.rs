//! Internal calls: only with service tokens (SECURITY rule 24), and only by the services of a set.

use std::sync::Arc;

use ud_jwt::service::{ServiceCaller, ServiceVerifier};
use ud_kernel::{Code, callers::Callers};

use crate::SecurityLog;

/// Verifies the service tokens sent to one service.
#[derive(Clone)]
pub struct InternalGate {
    verifier: Arc<ServiceVerifier>,
    log: Option<SecurityLog>,
}

/// Why a call is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// There is no service token, or it is not good.
    #[error("no good service token")]
    Token,
    /// The calling service is not one of those that may.
    #[error("this service may not call here")]
    Caller,
}

impl NotAdmitted {
    /// Returns the code of the problem document that the caller gets.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Token => Code::SERVICE_TOKEN_INVALID,
            Self::Caller => Code::SERVICE_CALLER_NOT_ALLOWED,
        }
    }
}

impl InternalGate {
    /// Accepts what `verifier` accepts; refusals are for `log`.
    #[must_use]
    pub const fn new(verifier: Arc<ServiceVerifier>, log: Option<SecurityLog>) -> Self {
        Self { verifier, log }
    }

    /// Returns who calls with `token`, if it is one of `C`.
    ///
    /// # Errors
    /// [`NotAdmitted`], which the audit log is to be told.
    pub fn admit<C: Callers>(&self, token: &str) -> Result<ServiceCaller, NotAdmitted> {
        let caller = self.verifier.verify(token);
        let caller = caller.map_err(|_| NotAdmitted::Token)?;
        if C::ALLOWED.contains(&caller.service) {
            Ok(caller)
        } else {
            Err(NotAdmitted::Caller)
        }
    }

    /// Returns what takes refusals for the audit log.
    #[must_use]
    pub const fn log(&self) -> Option<&SecurityLog> {
        self.log.as_ref()
    }
}
