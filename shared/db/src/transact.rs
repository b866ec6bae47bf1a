//! Runs closures on connections: once, or in a transaction and again if it lost a race.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use diesel::connection::{SimpleConnection as _, TransactionManager as _};

use crate::{
    Backend, DbConn, StoreError, TxError,
    manager::Pooled,
    pool::{Loan, Pool},
};

/// How often a transaction that lost a race is run again.
const REPEATS: u32 = 3;

impl Pool {
    /// Runs `f`, and again if the connection was dead.
    pub(crate) fn query<T, E: TxError>(
        &self,
        mut f: impl FnMut(&mut DbConn) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pooled = self.checkout()?;
        let result = f(&mut pooled.conn);
        if !self.is_lost(&pooled) {
            return result;
        }
        // It may have died while idle. The next one is fresh.
        drop(pooled);
        let mut pooled = self.checkout()?;
        let result = f(&mut pooled.conn);
        self.is_lost(&pooled);
        result
    }

    /// Runs `f` in a transaction; `repeated` is told of each repeat.
    pub(crate) fn transact<T, E: TxError>(
        &self,
        mut f: impl FnMut(&mut DbConn) -> Result<T, E>,
        repeated: impl Fn(),
    ) -> Result<T, E> {
        let mut repeats = 0;
        loop {
            let mut pooled = self.begin()?;
            let result = run(&mut pooled, &mut f);
            let lost = self.is_lost(&pooled);
            drop(pooled);
            match result {
                Err(error)
                    if repeats < REPEATS
                        && !lost
                        && error.store() == Some(&StoreError::Conflict) =>
                {
                    repeats += 1;
                    repeated();
                    std::thread::sleep(pause(repeats));
                }
                result => return result,
            }
        }
    }

    /// A connection with a transaction begun. One that died while idle is seen here, before anything was
    /// done, and replaced.
    fn begin(&self) -> Result<Loan, StoreError> {
        let mut busy = 0;
        let mut replaced = false;
        loop {
            let mut pooled = self.checkout()?;
            let Err(error) = begin(&mut pooled.conn) else {
                return Ok(pooled);
            };
            if self.is_lost(&pooled) && !replaced {
                replaced = true;
                continue;
            }
            let error = StoreError::from(error);
            if error != StoreError::Conflict || busy == REPEATS {
                return Err(error);
            }
            busy += 1;
            drop(pooled);
            std::thread::sleep(pause(busy));
        }
    }
}

fn begin(conn: &mut DbConn) -> diesel::QueryResult<()> {
    match conn {
        // Deferred, a transaction that reads and then writes fails when another wrote in between.
        #[cfg(feature = "sqlite")]
        DbConn::Sqlite(conn) => diesel::connection::AnsiTransactionManager::begin_transaction_sql(
            conn,
            "BEGIN IMMEDIATE",
        ),
        #[allow(unreachable_patterns, reason = "reached with more features")]
        conn => DbConn::begin_transaction(conn),
    }
}

/// Runs `f` in the transaction begun on `pooled` and ends it: by a commit, if whoever asked still waits. If `f` panics,
/// the connection is closed on the way out.
fn run<T, E: TxError>(
    pooled: &mut Pooled,
    f: &mut impl FnMut(&mut DbConn) -> Result<T, E>,
) -> Result<T, E> {
    let ended = f(&mut pooled.conn).and_then(|value| {
        ensure_whole(pooled)?;
        if ud_telemetry::deadline().is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(StoreError::Timeout("the request's deadline has passed").into());
        }
        DbConn::commit_transaction(&mut pooled.conn).map_err(StoreError::from)?;
        Ok(value)
    });
    if ended.is_err() {
        // If even this fails, the transaction manager says so and the pool drops the connection.
        let _ = DbConn::rollback_transaction(&mut pooled.conn);
    }
    ended
}

/// If a statement failed and the closure said `Ok` all the same, the transaction may be gone without
/// COMMIT saying so. PostgreSQL answers COMMIT of a failed transaction with success and rolls it back:
/// one more statement shows whether it failed. MySQL rolls back at a deadlock and commits each later
/// statement by itself.
fn ensure_whole(pooled: &mut Pooled) -> Result<(), StoreError> {
    if pooled.health.raced.load(Ordering::Relaxed) {
        return Err(StoreError::Internal(
            "a closure hid that it lost a race".to_owned(),
        ));
    }
    if pooled.conn.backend() == Backend::Postgres && pooled.health.failed.load(Ordering::Relaxed) {
        pooled.conn.batch_execute("SELECT 1")?;
    }
    Ok(())
}

/// Between 5 and 25 ms times the number of the repeat.
fn pause(repeat: u32) -> Duration {
    use std::hash::{BuildHasher as _, Hasher as _};
    // Freshly keyed at each call: randomness enough to part two transactions.
    let random = std::hash::RandomState::new().build_hasher().finish() % 20;
    Duration::from_millis((5 + random) * u64::from(repeat))
}
