//! What the handlers need.

use ud_db::Db;
use ud_events::SqlEvents;
use ud_http::PendingRevocations;
use ud_kernel::Clock;
use ud_service::SecurityLog;
use ud_telemetry::Metrics;

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
    /// Events of this service and of others.
    pub events: SqlEvents,
    /// Tells the time.
    pub clock: Clock,
    /// Registry of this service's metrics.
    pub metrics: Metrics,
    /// Takes refusals and reads by permission for the audit log.
    pub security_log: SecurityLog,
    /// Adds and counts `Revocation: pending`.
    pub revocations: PendingRevocations,
}
