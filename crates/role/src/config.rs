//! Configuration of this service, beside what all services have.

use ud_config::{DatabaseConfig, Loader};
use ud_db::DbOptions;
use ud_kernel::Service;

/// What the role service is told.
#[derive(Debug, Clone)]
pub struct RoleConfig {
    /// Where its database is.
    pub database: DatabaseConfig,
}

impl RoleConfig {
    /// Reads it; problems are collected in `loader`.
    pub fn load(loader: &mut Loader) -> Self {
        Self {
            database: DatabaseConfig::load(loader, Service::Role),
        }
    }

    /// How to open the database.
    #[must_use]
    pub fn db_options(&self) -> DbOptions {
        let database = &self.database;
        DbOptions {
            url: database.url.clone(),
            pool_size: database.pool_size,
            acquire_timeout: database.acquire_timeout,
            auto_migrate: database.auto_migrate,
            migration_url: database.migration_url.clone(),
        }
    }
}
