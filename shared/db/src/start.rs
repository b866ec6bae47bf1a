//! How a service starts on its database, and when it is ready.

use std::time::Duration;

use tokio::{sync::oneshot, time::timeout};
use ud_config::DatabaseConfig;
use ud_kernel::Service;
use ud_telemetry::Metrics;

use crate::{Db, DbError, DbOptions, Migrations, StoreError};

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

/// The start of a service waits this long for its migrations; afterwards it serves 503 until they have run.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// Pause between two tries.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Every so many tries it is said again that they fail.
const TOLD_EVERY: u32 = 60;

impl Db {
    /// Opens and measures the database of `service`, and migrates it if the configuration says so. A server that is
    /// down is no error: the service starts and answers 503 until it is up and, where that is to be done here, migrated.
    ///
    /// # Errors
    /// [`DbError`] if the URL is wrong, a migration fails, or the database is a file that cannot be used
    /// ([`DbError::File`]).
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
            db.migrate_or_wait(owners).await?;
        }
        Ok(db)
    }

    /// Migrates, or goes on trying beside the service while the server is away.
    async fn migrate_or_wait(&self, owners: &[&'static Migrations]) -> Result<(), DbError> {
        if let Some(path) = self.file() {
            // Nobody starts a file.
            return match self.migrate(owners).await {
                Ok(_) => Ok(()),
                Err(DbError::Store(StoreError::Unavailable(text))) => Err(DbError::File {
                    path: path.to_owned(),
                    source: std::io::Error::other(text),
                }),
                Err(error) => Err(error),
            };
        }
        self.await_migrations(true);
        let (first, outcome) = oneshot::channel();
        let (db, owners) = (self.clone(), owners.to_vec());
        tokio::spawn(async move { db.keep_migrating(&owners, first).await });
        match timeout(FIRST_WAIT, outcome).await {
            Ok(Ok(outcome)) => outcome,
            // A slow server. The task tells how it goes on.
            Err(_) | Ok(Err(_)) => Ok(()),
        }
    }

    /// Migrates until that succeeds. What the first try came to goes to `first`: a server that is away is waited for, and
    /// that is no error.
    async fn keep_migrating(
        &self,
        owners: &[&'static Migrations],
        first: oneshot::Sender<Result<(), DbError>>,
    ) {
        let mut first = Some(first);
        let mut failures = 0_u32;
        loop {
            let outcome = self.migrate(owners).await.map(drop);
            let (is_done, is_temporary) = match &outcome {
                Ok(()) => (true, false),
                Err(error) => (false, error.is_temporary()),
            };
            if is_done {
                self.await_migrations(false);
            }
            if let Err(error) = &outcome
                && (is_temporary || first.is_none())
                && failures.is_multiple_of(TOLD_EVERY)
            {
                self.tell_waiting(error);
            }
            if let Some(first) = first.take() {
                // Nobody listens any more after `FIRST_WAIT`.
                let told = if is_temporary { Ok(()) } else { outcome };
                if first.send(told).is_ok() && !is_temporary {
                    return;
                }
            }
            if is_done {
                log::info!("database of {}: no migration is pending", self.service());
                return;
            }
            failures = failures.saturating_add(1);
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    fn tell_waiting(&self, error: &DbError) {
        let service = self.service();
        let text = error.to_string();
        if refuses_us(&text) {
            log::error!(
                "the database refuses {service} (user, password, name of the database, or its TLS): {text}. Answering \
                 503 and trying again every second until it is mended there or here"
            );
        } else if error.is_temporary() {
            log::warn!(
                "waiting for the database of {service}, to migrate it: {text}. Answering 503 until then"
            );
        } else {
            log::error!("the database of {service} cannot be migrated: {text}. Answering 503");
        }
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
            Ok(pending) if pending.is_empty() && !self.awaits_migrations() => Ok(()),
            Ok(pending) => Err(format!("{} migrations are pending", pending.len())),
            Err(error) => {
                log::warn!("not ready: {error}");
                Err(if self.awaits_migrations() {
                    "unavailable; migrations run when it answers".to_owned()
                } else {
                    "unavailable".to_owned()
                })
            }
        }
    }
}

/// Whether the server answers and does not want this user, this password or this database: waiting alone will not help.
fn refuses_us(text: &str) -> bool {
    [
        // PostgreSQL
        "password authentication failed",
        "authentication failed for user",
        "no pg_hba.conf entry",
        "no password supplied",
        "\" does not exist",
        "is not permitted to log in",
        "certificate",
        "permission denied for database",
        // MySQL and MariaDB
        "Access denied for user",
        "Unknown database",
        "is not allowed to connect",
    ]
    .iter()
    .any(|known| text.contains(known))
}
