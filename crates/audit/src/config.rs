//! What the audit service is configured with.

use ud_config::{DatabaseConfig, Loader};
use ud_kernel::Service;

/// The audit service's own configuration.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// Where the log is kept.
    pub database: DatabaseConfig,
}

impl AuditConfig {
    /// Reads `AUDIT_DATABASE_URL` and what belongs to it.
    pub fn load(loader: &mut Loader) -> Self {
        Self {
            database: DatabaseConfig::load(loader, Service::Audit),
        }
    }
}
