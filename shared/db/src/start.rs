//! How a service starts on its database, and when it is ready.

use ud_config::DatabaseConfig;
use ud_kernel::Service;
use ud_telemetry::Metrics;

use crate::{Db, DbError, DbOptions, Migrations};

impl From<DatabaseConfig> for DbOptions {
    fn from(config: DatabaseConfig) -> Self {
        Self {
            url: config.url,
            pool_size: config.pool_size,
            acquire_timeout: config.acquire_timeout,
            auto_migrate: config.auto_migrate,
            migration_url: config.migration_url,
        }
    }
}

impl Db {
    /// Opens and measures the database of `service`, and migrates it if the configuration says so. A server
    /// that is down is no error unless it is to be migrated: the service starts and answers 503 until it is up.
    ///
    /// # Errors
    /// [`DbError`] if the URL is wrong or a migration fails.
    pub async fn start(
        config: DatabaseConfig,
        service: Service,
        owners: &[&'static Migrations],
        metrics: &Metrics,
    ) -> Result<Self, DbError> {
        let auto_migrate = config.auto_migrate;
        let db = Self::open(&config.into(), service)?;
        db.register_metrics(metrics);
        if auto_migrate {
            db.migrate(owners).await?;
        }
        Ok(db)
    }

    /// Runs the pending migrations, or undoes the last one.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn migrate_or_revert(
        &self,
        owners: &[&'static Migrations],
        revert: bool,
    ) -> Result<(), DbError> {
        if revert {
            self.revert_last(owners).await.map(drop)
        } else {
            self.migrate(owners).await.map(drop)
        }
    }

    /// Whether the database answers and no migration is pending; if not, why, in words without secrets.
    ///
    /// # Errors
    /// The reason.
    pub async fn ready(&self, owners: &[&'static Migrations]) -> Result<(), String> {
        match self.pending(owners).await {
            Ok(pending) if pending.is_empty() => Ok(()),
            Ok(pending) => Err(format!("{} migrations are pending", pending.len())),
            Err(error) => {
                log::warn!("not ready: {error}");
                Err("unavailable".to_owned())
            }
        }
    }
}
