//! Keeps connections, lends good ones, and notices outages.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ud_kernel::Service;

use crate::{
    StoreError,
    error::{self, ConnectError},
    manager::{Manager, Pooled},
    url::Target,
};

/// How long a call waits for a connection to be opened.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// The same in an outage that has lasted for [`CONNECT_WAIT`]: the pool goes on trying once a second by
/// itself, and calls need not each find out again that the server is down.
const DOWN_WAIT: Duration = Duration::from_millis(100);

/// A connection on loan.
pub(crate) type Loan = r2d2::PooledConnection<Manager>;

pub(crate) struct Pool {
    connections: r2d2::Pool<Manager>,
    epoch: Arc<AtomicU64>,
    outage: Arc<Outage>,
}

impl Pool {
    /// Opens no connection yet.
    pub(crate) fn new(target: Target, service: Service, size: u32) -> Self {
        let manager = Manager::new(target);
        let epoch = Arc::clone(&manager.epoch);
        let outage = Arc::<Outage>::default();
        let log_outage = || {
            Box::new(LogOutage {
                service,
                outage: Arc::clone(&outage),
            })
        };
        let connections = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(CONNECT_WAIT)
            .error_handler(log_outage())
            .event_handler(log_outage())
            .build_unchecked(manager);
        Self {
            connections,
            epoch,
            outage,
        }
    }

    /// Open connections, and how many of them are idle.
    pub(crate) fn state(&self) -> (u32, u32) {
        let state = self.connections.state();
        (state.connections, state.idle_connections)
    }

    /// A connection opened since the last loss of one.
    pub(crate) fn checkout(&self) -> Result<Loan, StoreError> {
        loop {
            let wait = CONNECT_WAIT.saturating_sub(self.outage.age());
            let pooled = self
                .connections
                .get_timeout(wait.max(DOWN_WAIT))
                .map_err(|e| StoreError::Unavailable(error::one_line(&e.to_string())))?;
            if pooled.epoch >= self.epoch.load(Ordering::Acquire) {
                pooled.health.forget();
                return Ok(pooled);
            }
            pooled.health.lost.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the connection was lost; if so those opened with or before it will not be used again.
    pub(crate) fn is_lost(&self, pooled: &Pooled) -> bool {
        let lost = pooled.health.lost.load(Ordering::Relaxed);
        if lost {
            self.epoch.fetch_max(pooled.epoch + 1, Ordering::AcqRel);
        }
        lost
    }
}

/// When attempts to connect began to fail; nothing while they succeed.
#[derive(Debug, Default)]
struct Outage(Mutex<Option<Instant>>);

impl Outage {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn age(&self) -> Duration {
        self.since().map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Logs the first failure of an outage and its end; the failures in between at debug level.
#[derive(Debug)]
struct LogOutage {
    service: Service,
    outage: Arc<Outage>,
}

impl r2d2::HandleError<ConnectError> for LogOutage {
    fn handle_error(&self, error: ConnectError) {
        let mut since = self.outage.since();
        let level = if since.is_some() {
            log::Level::Debug
        } else {
            log::Level::Error
        };
        since.get_or_insert_with(Instant::now);
        drop(since);
        log::log!(level, "database of {} unreachable: {error}", self.service);
    }
}

impl r2d2::HandleEvent for LogOutage {
    fn handle_acquire(&self, _: r2d2::event::AcquireEvent) {
        let ended = self.outage.since().take();
        if ended.is_some() {
            log::info!("database of {} reachable again", self.service);
        }
    }
}
