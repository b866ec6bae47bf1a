//! The pool, and the two ways to run a query.

use std::{
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use ud_config::DatabaseConfig;

use diesel::connection::SimpleConnection as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::timeout_at,
};
use ud_kernel::Service;
use ud_telemetry::{Cost, Metrics};

use crate::{
    Backend, DbConn, DbError, FileLock, PoolState, StoreError, TxError,
    manager::Manager,
    metrics::DbMetrics,
    pool::Pool,
    threads::{Threads, Turn},
    url::Target,
};

/// After this a call is given up; its thread and connection stay taken until the database answers.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Places in the queue for each thread.
const PLACES: usize = 4;

/// A service's database. Clones share the pool.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    pool: Pool,
    /// As many as connections.
    threads: Threads,
    /// Places in their queue: enough that a thread has the next call at hand. All others wait here, where nothing is left
    /// of a call that is given up.
    places: Arc<Semaphore>,
    /// SQLite has one writer at a time. Waiting for it here is first come, first served; SQLite's own
    /// way is to sleep and try again.
    writer: Option<Arc<Semaphore>>,
    waiting: Arc<AtomicU32>,
    metrics: OnceLock<DbMetrics>,
    options: DatabaseConfig,
    target: Target,
    /// Opens the connections that migrate. One for all tries: it knows whether its server answers.
    migrator: Arc<Manager>,
    service: Service,
    /// Migrations are still to run by themselves: until then every call is [`StoreError::Unavailable`].
    awaits_migrations: AtomicBool,
    /// Tells others that its file is in use, if it is one.
    _lock: Option<FileLock>,
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
    /// The same as [`Db::open`], with the lock that `lock` takes.
    pub(crate) fn open_with(
        options: &DatabaseConfig,
        service: Service,
        lock: impl FnOnce(&Path) -> Result<Option<FileLock>, DbError>,
    ) -> Result<Self, DbError> {
        let target = Target::parse(&options.url)?;
        let migration_target = match &options.migration_url {
            Some(url) => Target::parse(url)?,
            None => target.clone(),
        };
        if migration_target.backend() != target.backend() {
            return Err(DbError::Url(format!(
                "the migration URL names {}, the database URL {}",
                migration_target.backend(),
                target.backend()
            )));
        }
        let mut held = None;
        if let Target::Sqlite(path) = &target {
            crate::file::create_private(path)?;
            held = lock(path)?;
        }
        let size = options.pool_size.max(1);
        let is_sqlite = target.backend() == Backend::Sqlite;
        Ok(Self(Arc::new(Inner {
            pool: Pool::new(target.clone(), service, size),
            threads: Threads::new(service, size)
                .map_err(|e| StoreError::Internal(e.to_string()))?,
            places: Arc::new(Semaphore::new(PLACES * size as usize)),
            writer: is_sqlite.then(|| Arc::new(Semaphore::new(1))),
            waiting: Arc::default(),
            metrics: OnceLock::new(),
            options: options.clone(),
            target,
            migrator: Arc::new(Manager::new(migration_target)),
            service,
            awaits_migrations: AtomicBool::new(false),
            _lock: held,
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
    /// run again, at most 3 times: it must not change anything outside the database, make no network call
    /// and start no task. Once begun, it runs to its end even if the caller stops waiting, unless the process
    /// ends; but it is not committed after the deadline of the request it is for ([`ud_telemetry::deadline`]),
    /// whose answer nobody waits for any more.
    ///
    /// # Errors
    /// What `f` returned, or what [`StoreError`] says about the connection and the commit.
    pub async fn tx<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: TxError + Send + 'static,
        F: FnMut(&mut DbConn) -> Result<T, E> + Send + 'static,
    {
        self.awaits_nothing()?;
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
        self.awaits_nothing()?;
        self.read_anyway(f).await
    }

    /// As [`Db::read`], also while migrations are awaited.
    pub(crate) async fn read_anyway<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: TxError + Send + 'static,
        F: FnMut(&mut DbConn) -> Result<T, E> + Send + 'static,
    {
        self.call("read", None, move |db| db.0.pool.query(f)).await
    }

    fn awaits_nothing(&self) -> Result<(), StoreError> {
        if self.awaits_migrations() {
            let text = "migrations have not run yet".to_owned();
            return Err(StoreError::Unavailable(text));
        }
        Ok(())
    }

    /// Whether calls are refused until migrations have run.
    pub(crate) fn awaits_migrations(&self) -> bool {
        self.0.awaits_migrations.load(Ordering::Acquire)
    }

    /// Refuses calls from now on, or no longer.
    pub(crate) fn await_migrations(&self, awaits: bool) {
        self.0.awaits_migrations.store(awaits, Ordering::Release);
    }

    /// Its file, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.0.target {
            Target::Sqlite(path) => Some(path),
            _ => None,
        }
    }

    /// Whose database it is.
    pub(crate) fn service(&self) -> Service {
        self.0.service
    }

    /// Runs `job` on a thread that may wait, for the same request. The writer's permit goes with it, so it stays taken
    /// for as long as the connection is, even when nobody waits any more.
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
        ud_telemetry::count(Cost::DatabaseCall);
        let turn = Turn::new(&self.0.waiting);
        let queued = Instant::now();
        let deadline = ud_telemetry::deadline();
        let give_up_at = queued + self.0.options.acquire_timeout;
        let give_up_at = deadline.map_or(give_up_at, |deadline| give_up_at.min(deadline));
        let result = match self.permits(writer, give_up_at).await {
            Ok((permit, place)) => {
                let (context, db, taken) = (ud_telemetry::current(), self.clone(), turn.share());
                let task = self.0.threads.spawn(move || {
                    let start = taken.begin();
                    drop(place);
                    let start = start?;
                    db.measure(|metrics| metrics.waited(start - queued));
                    let result = ud_telemetry::sync_scope(context, || job(&db));
                    drop(permit);
                    db.measure(|metrics| metrics.called(kind, start.elapsed()));
                    Some(result)
                });
                let ended = ended(&turn, task, give_up_at, deadline).await;
                ended.unwrap_or_else(|error| Err(error.into()))
            }
            Err(error) => Err(error.into()),
        };
        // It waits no more, however it ended.
        drop(turn);
        self.measure(|metrics| {
            metrics.pool(self.pool_state());
            if let Some(error) = result.as_ref().err().and_then(TxError::store) {
                metrics.failed(error);
            }
        });
        result
    }

    /// The writer's permit, if it takes one, and a place in the queue, in the order in which all calls take them.
    async fn permits(
        &self,
        writer: Option<&Arc<Semaphore>>,
        give_up_at: Instant,
    ) -> Result<(Option<OwnedSemaphorePermit>, OwnedSemaphorePermit), StoreError> {
        let writer = match writer {
            Some(writer) => Some(permit_of(writer, give_up_at).await?),
            None => None,
        };
        Ok((writer, permit_of(&self.0.places, give_up_at).await?))
    }

    fn measure(&self, f: impl FnOnce(&DbMetrics)) {
        if let Some(metrics) = self.0.metrics.get() {
            f(metrics);
        }
    }

    /// Opens the connections that migrate.
    pub(crate) fn migrator(&self) -> Arc<Manager> {
        Arc::clone(&self.0.migrator)
    }
}

/// Waits for a permit until `give_up_at`.
async fn permit_of(
    permits: &Arc<Semaphore>,
    give_up_at: Instant,
) -> Result<OwnedSemaphorePermit, StoreError> {
    if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
        return Ok(permit);
    }
    match timeout_at(give_up_at.into(), Arc::clone(permits).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        // The semaphores are never closed.
        Ok(Err(_)) | Err(_) => Err(no_turn()),
    }
}

/// For so long after a request's deadline a call that has begun is waited for: a commit that came just before it is told.
/// Callers wait 200 ms longer than they say.
const GRACE: Duration = Duration::from_millis(150);

/// What `task` gives, if it begins before `give_up_at` and then takes no longer than [`CALL_LIMIT`], nor much longer than
/// the `deadline` of its request.
async fn ended<R>(
    turn: &Turn,
    mut task: JoinHandle<Option<R>>,
    give_up_at: Instant,
    deadline: Option<Instant>,
) -> Result<R, StoreError> {
    let limit_of = |start: Instant| {
        let limit = start + CALL_LIMIT;
        deadline.map_or(limit, |deadline| limit.min(deadline + GRACE))
    };
    loop {
        let until = match turn.begun() {
            Some(start) => limit_of(start),
            // It may begin meanwhile, and no call takes longer than the limit.
            None => give_up_at.min(Instant::now() + CALL_LIMIT),
        };
        match timeout_at(until.into(), &mut task).await {
            Ok(Ok(Some(result))) => return Ok(result),
            Ok(Ok(None)) => return Err(no_turn()),
            Ok(Err(_)) => return Err(StoreError::Internal("a closure panicked".to_owned())),
            Err(_) => {}
        }
        let now = Instant::now();
        match turn.begun() {
            Some(start) if now < limit_of(start) => {}
            Some(_) => return Err(StoreError::Timeout("the database did not answer")),
            None if now < give_up_at => {}
            None if turn.give_up_unless_begun().is_none() => return Err(no_turn()),
            None => {}
        }
    }
}

const fn no_turn() -> StoreError {
    StoreError::Timeout("no connection became free")
}
