//! What the audit service is configured with.

use ud_config::{DatabaseConfig, LimitsConfig, Loader, SealingConfig};
use ud_kernel::Service;

/// The audit service's own configuration.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// Where the log is kept.
    pub database: DatabaseConfig,
    /// What seals the key that Idempotency-Keys are stored under.
    pub sealing: SealingConfig,
    /// How often each operation may be called.
    pub limits: LimitsConfig,
}

impl AuditConfig {
    /// Reads it; problems are collected in `loader`.
    pub fn load(loader: &mut Loader) -> Self {
        Self {
            database: DatabaseConfig::load(loader, Service::Audit),
            sealing: SealingConfig::load(loader, Service::Audit),
            limits: LimitsConfig::load(loader),
        }
    }
}
