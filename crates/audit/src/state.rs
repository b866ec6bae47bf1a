//! What handlers need.

use ud_service::SecurityLog;
use ud_telemetry::Metrics;

use crate::models::record_flow::RecordFlow;

/// Clones are the same.
#[derive(Clone)]
pub struct AuditState {
    /// Use cases.
    pub flow: RecordFlow,
    /// Takes notice of reads of other people's records.
    pub security_log: SecurityLog,
    /// Registry of this service's metrics.
    pub metrics: Metrics,
}
