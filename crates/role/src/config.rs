//! Configuration of this service, beside what all services have.

use ud_config::{DatabaseConfig, LimitsConfig, Loader};
use ud_kernel::Service;
use ud_service::require_names_room;

/// What the role service is told.
#[derive(Debug, Clone)]
pub struct RoleConfig {
    /// Where its database is.
    pub database: DatabaseConfig,
    /// How often each operation may be called.
    pub limits: LimitsConfig,
}

impl RoleConfig {
    /// Reads it; problems are collected in `loader`.
    pub fn load(loader: &mut Loader) -> Self {
        require_names_room(loader);
        Self {
            database: DatabaseConfig::load(loader, Service::Role),
            limits: LimitsConfig::load(loader),
        }
    }
}
