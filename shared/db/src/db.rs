//! The pool, and the two ways to run a query.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::connection::SimpleConnection as _;
use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use ud_kernel::Service;
use ud_telemetry::Metrics;

use crate::{
    Backend, DbConn, DbError, StoreError, TxError, metrics::DbMetrics, pool::Pool, url::Target,
};

/// After this a call is given up; its thread and connection stay taken until the database answers.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// How to open a [`Db`].
#[derive(Debug, Clone)]
pub struct DbOptions {
    /// `postgres://`, `postgresql://`, `mysql://`, `mariadb://`, or `sqlite:PATH`.
    pub url: SecretString,
    /// Connections, and closures running at a time; at least 1.
    pub pool_size: u32,
    /// How long a call waits for its turn before [`StoreError::Timeout`].
    pub acquire_timeout: Duration,
    /// Whether `serve` migrates by itself; read by the services, not here.
    pub auto_migrate: bool,
    /// Used in place of `url` for migrating, so that the run-time user need not own the tables.
    pub migration_url: Option<SecretString>,
}

/// What the pool is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    /// The most connections there may be.
    pub max: u32,
    /// Open connections.
    pub size: u32,
    /// Of these, not in use.
    pub idle: u32,
    /// Calls waiting for their turn.
    pub waiting: u32,
}

/// A service's database. Clones share the pool.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    pool: Pool,
    /// As many as connections: who waits, waits here and not on a blocking thread.
    permits: Arc<Semaphore>,
    /// SQLite has one writer at a time. Waiting for it here is first come, first served; SQLite's own
    /// way is to sleep and try again.
    writer: Option<Arc<Semaphore>>,
    waiting: AtomicU32,
    metrics: OnceLock<DbMetrics>,
    options: DbOptions,
    target: Target,
    service: Service,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("service", &self.0.service)
            .field("backend", &self.backend())
            .finish_non_exhaustive()
    }
}

impl Db {
    /// Prepares the pool; connections are opened when they are first needed, so a server that is down is
    /// not an error here. For SQLite the file is created, readable by its owner only.
    ///
    /// # Errors
    /// [`DbError`] if the URL is wrong, its backend not compiled in, or the file cannot be made.
    pub fn open(options: &DbOptions, service: Service) -> Result<Self, DbError> {
        let target = Target::parse(&options.url)?;
        if let Some(url) = &options.migration_url {
            let other = Target::parse(url)?.backend();
            if other != target.backend() {
                return Err(DbError::Url(format!(
                    "the migration URL names {other}, the database URL {}",
                    target.backend()
                )));
            }
        }
        if let Target::Sqlite(path) = &target {
            crate::file::create_private(path)?;
        }
        let size = options.pool_size.max(1);
        let is_sqlite = target.backend() == Backend::Sqlite;
        Ok(Self(Arc::new(Inner {
            pool: Pool::new(target.clone(), service, size),
            permits: Arc::new(Semaphore::new(size as usize)),
            writer: is_sqlite.then(|| Arc::new(Semaphore::new(1))),
            waiting: 0.into(),
            metrics: OnceLock::new(),
            options: options.clone(),
            target,
            service,
        })))
    }

    /// Which database it is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.0.target.backend()
    }

    /// Whether the server answers.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read(|conn| conn.batch_execute("SELECT 1").map_err(StoreError::from))
            .await
    }

    /// Connections and calls in this moment.
    #[must_use]
    pub fn pool_state(&self) -> PoolState {
        let (size, idle) = self.0.pool.state();
        PoolState {
            max: self.0.options.pool_size.max(1),
            size,
            idle,
            waiting: self.0.waiting.load(Ordering::Relaxed),
        }
    }

    /// Measures this pool and its calls from now on, under the service's own label.
    pub fn register_metrics(&self, metrics: &Metrics) {
        let _ = self
            .0
            .metrics
            .set(DbMetrics::new(&metrics.for_service(self.0.service)));
        self.measure(|metrics| metrics.pool(self.pool_state()));
    }

    /// Runs `f` in a transaction and commits if it returns `Ok`. The transaction is READ COMMITTED, on
    /// SQLite IMMEDIATE. If a race is lost ([`StoreError::Conflict`]) everything is rolled back and `f` is
    /// run again, at most 3 times: it must not change anything outside the database, and make no network
    /// call. Once begun, it runs to its end even if the caller stops waiting.
    ///
    /// # Errors
    /// What `f` returned, or what [`StoreError`] says about the connection and the commit.
    pub async fn tx<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: TxError + Send + 'static,
        F: FnMut(&mut DbConn) -> Result<T, E> + Send + 'static,
    {
        self.call("tx", self.0.writer.as_ref(), move |db| {
            db.0.pool.transact(f, || db.measure(DbMetrics::repeated))
        })
        .await
    }

    /// Runs `f`, which only reads, without a transaction: its statements need not see the same moment. It
    /// is run again if the connection turns out to be dead, so a write, even of one statement, goes
    /// through [`Db::tx`].
    ///
    /// # Errors
    /// What `f` returned, or what [`StoreError`] says about the connection.
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: TxError + Send + 'static,
        F: FnMut(&mut DbConn) -> Result<T, E> + Send + 'static,
    {
        self.call("read", None, move |db| db.0.pool.query(f)).await
    }

    /// Waits for a turn and runs `job` on a blocking thread, for the same request. The permits go with
    /// it, so they stay taken for as long as the connection is, even when nobody waits any more.
    async fn call<T, E, J>(
        &self,
        kind: &'static str,
        writer: Option<&Arc<Semaphore>>,
        job: J,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: TxError + Send + 'static,
        J: FnOnce(&Self) -> Result<T, E> + Send + 'static,
    {
        let result = match self.turns(writer).await {
            Ok(permits) => {
                let db = self.clone();
                let context = ud_telemetry::current();
                let task = tokio::task::spawn_blocking(move || {
                    let start = Instant::now();
                    let result = ud_telemetry::sync_scope(context, || job(&db));
                    drop(permits);
                    db.measure(|metrics| metrics.called(kind, start.elapsed()));
                    result
                });
                match tokio::time::timeout(CALL_LIMIT, task).await {
                    Ok(Ok(result)) => result,
                    Ok(Err(_)) => Err(StoreError::Internal("a closure panicked".to_owned()).into()),
                    Err(_) => Err(StoreError::Timeout("the database did not answer").into()),
                }
            }
            Err(error) => Err(error.into()),
        };
        self.measure(|metrics| {
            metrics.pool(self.pool_state());
            if let Some(error) = result.as_ref().err().and_then(TxError::store) {
                metrics.failed(error);
            }
        });
        result
    }

    /// The permits of a call, in the order in which all calls take them.
    async fn turns(
        &self,
        writer: Option<&Arc<Semaphore>>,
    ) -> Result<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>), StoreError> {
        let start = Instant::now();
        let writer = match writer {
            Some(writer) => Some(self.turn(writer).await?),
            None => None,
        };
        let permit = self.turn(&self.0.permits).await?;
        self.measure(|metrics| metrics.waited(start.elapsed()));
        Ok((permit, writer))
    }

    /// Waits for a permit, at most `acquire_timeout`.
    async fn turn(&self, permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::new(&self.0.waiting);
        let acquired = tokio::time::timeout(
            self.0.options.acquire_timeout,
            Arc::clone(permits).acquire_owned(),
        );
        match acquired.await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphores are never closed.
            Ok(Err(_)) | Err(_) => Err(StoreError::Timeout("no connection became free")),
        }
    }

    fn measure(&self, f: impl FnOnce(&DbMetrics)) {
        if let Some(metrics) = self.0.metrics.get() {
            f(metrics);
        }
    }

    pub(crate) fn migration_target(&self) -> Result<Target, DbError> {
        match &self.0.options.migration_url {
            Some(url) => Target::parse(url),
            None => Ok(self.0.target.clone()),
        }
    }
}

/// Counts a waiting call for as long as it waits, however that ends.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
