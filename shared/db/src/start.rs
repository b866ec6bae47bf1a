//! How a service starts on its database, and when it is ready.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::timeout};
use ud_config::DatabaseConfig;
use ud_kernel::{Service, StartError};
use ud_telemetry::Metrics;

use crate::{
    Db, DbError, FileLock, Migrations, StoreError,
    error_texts::is_damage,
    waiting::{Work, until_migrated},
};

/// Asks whether a service's database is ready; the error says why not, in words without secrets.
pub type ReadinessCheck =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

impl From<DbError> for StartError {
    fn from(error: DbError) -> Self {
        if error.is_configuration() {
            Self::config(error)
        } else {
            Self::internal(error)
        }
    }
}

/// The start of a service waits this long for its migrations; afterwards it serves 503 until they have run.
const FIRST_WAIT: Duration = Duration::from_secs(10);

impl Db {
    /// Opens and measures the database of `service`, and migrates it if the configuration says so. A server that is
    /// away, slow, or refuses us is no error: the service starts and answers 503 until it is migrated, or found to need no
    /// migration. How that goes is logged.
    ///
    /// # Errors
    /// [`DbError`] if the URL is wrong, or a migration fails within 10 seconds and one is needed. A database that is a file
    /// is not waited for: any failure is an error, [`DbError::File`] if the file cannot be made or is damaged,
    /// [`DbError::InUse`] while another process has it alone.
    pub async fn start(
        config: &DatabaseConfig,
        service: Service,
        owners: &[&'static Migrations],
        metrics: &Metrics,
    ) -> Result<Self, DbError> {
        let db = Self::open(config, service)?;
        db.begin(config.auto_migrate, owners, metrics).await
    }

    /// Does the same as [`Db::start`] for a caller who holds the file's lock.
    ///
    /// # Errors
    /// As [`Db::start`].
    pub async fn start_locked(
        _: &FileLock,
        config: &DatabaseConfig,
        service: Service,
        owners: &[&'static Migrations],
        metrics: &Metrics,
    ) -> Result<Self, DbError> {
        let db = Self::open_unlocked(config, service)?;
        db.begin(config.auto_migrate, owners, metrics).await
    }

    /// Opens the database of `service` for a command of its operator, which changes nothing in one that is not migrated.
    ///
    /// # Errors
    /// If the database does not answer, or a migration is pending.
    pub async fn open_migrated(
        config: &DatabaseConfig,
        service: Service,
        owners: &[&'static Migrations],
    ) -> Result<Self, StartError> {
        let db = Self::open(config, service)?;
        if db.pending(owners).await?.is_empty() {
            return Ok(db);
        }
        let text = "the database is not migrated: start the service, or run `migrate`";
        Err(StartError::config(text))
    }

    async fn begin(
        self,
        auto_migrate: bool,
        owners: &[&'static Migrations],
        metrics: &Metrics,
    ) -> Result<Self, DbError> {
        let db = self;
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
                Err(DbError::Store(StoreError::Unavailable(text))) if is_damage(&text) => {
                    Err(DbError::File {
                        path: path.to_owned(),
                        source: std::io::Error::other(text),
                    })
                }
                Err(DbError::Store(StoreError::Unavailable(text))) => {
                    let text = format!("{}: {text}", path.display());
                    Err(StoreError::Unavailable(text).into())
                }
                outcome => outcome.map(drop),
            };
        }
        self.await_migrations(true);
        let (first, outcome) = oneshot::channel();
        let work = Migrating {
            db: self.clone(),
            owners: owners.to_vec(),
        };
        tokio::spawn(until_migrated(work, first));
        match timeout(FIRST_WAIT, outcome).await {
            Ok(Ok(outcome)) => outcome,
            // The runtime ends.
            Ok(Err(_)) => Ok(()),
            Err(_) => {
                log::warn!(
                    "the migrations of {} have not ended within {FIRST_WAIT:?}. Answering 503 until they have",
                    self.service()
                );
                Ok(())
            }
        }
    }

    /// Returns what asks [`Db::ready`] again and again.
    #[must_use]
    pub fn readiness_check(&self, owners: &'static [&'static Migrations]) -> ReadinessCheck {
        let db = self.clone();
        Arc::new(move || {
            let db = db.clone();
            Box::pin(async move { db.ready(owners).await })
        })
    }

    /// Returns whether the database answers and no migration is pending; if not, why, in words without secrets.
    ///
    /// # Errors
    /// The reason.
    pub async fn ready(&self, owners: &[&'static Migrations]) -> Result<(), String> {
        match self.pending(owners).await {
            Ok(pending) if !pending.is_empty() => {
                Err(format!("{} migrations are pending", pending.len()))
            }
            Ok(_) if self.awaits_migrations() => Err("migrations are under way".to_owned()),
            Ok(_) => Ok(()),
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

/// The migrations of a database that calls are refused until they have run.
#[derive(Clone)]
struct Migrating {
    db: Db,
    owners: Vec<&'static Migrations>,
}

impl Work for Migrating {
    fn service(&self) -> Service {
        self.db.service()
    }

    async fn migrate(&self) -> Result<(), DbError> {
        self.db.migrate(&self.owners).await.map(drop)
    }

    async fn is_current(&self) -> bool {
        let pending = self.db.pending(&self.owners).await;
        pending.is_ok_and(|pending| pending.is_empty())
    }

    fn serve(&self) {
        self.db.await_migrations(false);
    }
}
