//! Opens connections for the pool, and knows which of them are still good.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use diesel::connection::{
    Connection as _, Instrumentation, InstrumentationEvent, TransactionManager as _,
};

use ud_telemetry::Cost;

use crate::{
    DbConn,
    error::{self, ConnectError},
    settings::{self, Limits},
    url::Target,
};

/// What became of the statements of one connection; told by diesel's instrumentation, so that it is
/// seen even if a closure swallows the error.
#[derive(Default)]
pub(crate) struct Health {
    /// A statement failed since [`Health::forget`].
    pub(crate) failed: AtomicBool,
    /// A statement lost a race since [`Health::forget`].
    pub(crate) raced: AtomicBool,
    /// The connection is of no more use.
    pub(crate) lost: AtomicBool,
}

impl Health {
    /// For the next user of the connection.
    pub(crate) fn forget(&self) {
        self.failed.store(false, Ordering::Relaxed);
        self.raced.store(false, Ordering::Relaxed);
    }
}

struct Watch(Arc<Health>);

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { .. } = event {
            ud_telemetry::count(Cost::Statement);
        }
        if let InstrumentationEvent::FinishQuery {
            error: Some(error), ..
        } = event
        {
            self.0.failed.store(true, Ordering::Relaxed);
            match error::effect_of(error) {
                error::Effect::Lost => self.0.lost.store(true, Ordering::Relaxed),
                error::Effect::Raced => self.0.raced.store(true, Ordering::Relaxed),
                error::Effect::None => {}
            }
        }
    }
}

/// A connection and what is known about it.
pub(crate) struct Pooled {
    pub(crate) conn: DbConn,
    pub(crate) health: Arc<Health>,
    /// The [`Manager::epoch`] it was opened in.
    pub(crate) epoch: u64,
}

/// Opens connections to one target.
pub(crate) struct Manager {
    pub(crate) target: Target,
    /// Raised when a connection was lost. Connections opened before are as good as lost: the server
    /// they go to was restarted or failed over.
    pub(crate) epoch: Arc<AtomicU64>,
    #[cfg(feature = "mysql")]
    pub(crate) mysql: crate::mysql_connect::Connector,
}

impl Manager {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            epoch: Arc::default(),
            #[cfg(feature = "mysql")]
            mysql: crate::mysql_connect::Connector::default(),
        }
    }

    /// A connection with its session set up. Takes at most about 4 seconds, however dead the server.
    pub(crate) fn open(&self, limits: Limits) -> Result<DbConn, ConnectError> {
        let opened = match &self.target {
            #[cfg(feature = "sqlite")]
            Target::Sqlite(path) => settings::sqlite(path, limits),
            #[cfg(feature = "postgres")]
            Target::Postgres(url) => settings::postgres(url, limits),
            #[cfg(feature = "mysql")]
            Target::Mysql { url, address } => self
                .mysql
                .connect(url, address.as_ref())
                .and_then(|conn| settings::mysql(conn, limits)),
            #[allow(unreachable_patterns, reason = "reached with fewer features")]
            _ => Err(ConnectError("backend not compiled in".to_owned())),
        };
        opened.map_err(|e| ConnectError(error::one_line(&e.0)))
    }
}

impl r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = ConnectError;

    fn connect(&self) -> Result<Pooled, ConnectError> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let mut conn = self.open(Limits::Requests)?;
        let health = Arc::new(Health::default());
        conn.set_instrumentation(Watch(Arc::clone(&health)));
        Ok(Pooled {
            conn,
            health,
            epoch,
        })
    }

    fn is_valid(&self, _: &mut Pooled) -> Result<(), ConnectError> {
        // Not called: `test_on_check_out(false)`. A round trip before each request would find a dead
        // connection no more surely than the request's own first statement does.
        Ok(())
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        std::thread::panicking()
            || pooled.health.lost.load(Ordering::Relaxed)
            || DbConn::is_broken_transaction_manager(&mut pooled.conn)
    }
}
