//! What the handlers need.

use prometheus::IntCounterVec;
use ud_db::Db;
use ud_http::SecurityLog;

use crate::models::{AccountFlow, RegistrationFlow};

/// Shared by all requests.
#[derive(Clone)]
pub struct ProfileState {
    /// The own database.
    pub db: Db,
    /// Registers users.
    pub registration: RegistrationFlow,
    /// Changes users.
    pub accounts: AccountFlow,
    /// Takes refusals and reads by permission for the audit log.
    pub security_log: SecurityLog,
    /// Answers that carried `Revocation: pending`, by operation.
    pub revocations_pending: IntCounterVec,
}
