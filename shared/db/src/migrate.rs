//! Migrations, embedded in the binary, run under a lock so that several replicas may start at once.

use std::collections::BTreeSet;

use diesel::{
    QueryableByName, RunQueryDsl as _, backend::Backend as DieselBackend, sql_query,
    sql_types::Text,
};
use diesel_migrations::MigrationHarness;
use tokio::sync::oneshot;

use crate::{
    Backend, Db, DbConn, DbError, Migrations, StoreError,
    migrations::{choose, collect, trees},
    settings::Limits,
};

impl Db {
    /// Applies what is pending, under a lock, as the user of `migration_url` if there is one. Gives the
    /// names of the migrations applied.
    ///
    /// # Errors
    /// [`DbError`]; on PostgreSQL and SQLite a failed migration leaves no trace.
    pub async fn migrate(&self, owners: &[&'static Migrations]) -> Result<Vec<String>, DbError> {
        let done = self.alone(owners, Step::Up).await?;
        for name in &done {
            log::info!("migration {name} applied");
        }
        Ok(done)
    }

    /// The names of the migrations not applied yet. Writes nothing: the run-time user may ask.
    ///
    /// # Errors
    /// [`DbError`] if the database cannot be asked.
    pub async fn pending(&self, owners: &[&'static Migrations]) -> Result<Vec<String>, DbError> {
        let backend = self.backend();
        let known: Vec<(String, String)> = collect::<crate::conn::MultiBackend>(backend, owners)?
            .iter()
            .map(|m| (m.name().version().to_string(), m.name().to_string()))
            .collect();
        let applied = self.read_anyway(applied_versions).await?;
        Ok(known
            .into_iter()
            .filter(|(version, _)| !applied.contains(version))
            .map(|(_, name)| name)
            .collect())
    }

    /// Takes a connection of its own and the lock, and takes the step.
    pub(crate) async fn alone(
        &self,
        owners: &[&'static Migrations],
        step: Step,
    ) -> Result<Vec<String>, DbError> {
        let (migrator, owners) = (self.migrator(), owners.to_vec());
        let (done, outcome) = oneshot::channel();
        // A thread of its own, which the end of the process does not wait for: to connect takes seconds, the lock may
        // take minutes.
        let work = move || {
            let conn = migrator.open(Limits::Migrations).map_err(DbError::from);
            // Who no longer waits may have migrated by another try: this one changes nothing behind their back.
            if !done.is_closed() {
                let _ = done.send(conn.and_then(|conn| take_step(conn, &owners, step)));
            }
        };
        std::thread::Builder::new()
            .name("migrations".to_owned())
            .spawn(work)
            .map_err(|e| StoreError::Internal(e.to_string()))?;
        outcome
            .await
            .map_err(|_| DbError::Migration("panicked".to_owned()))?
    }
}

/// The lock is waited for during two minutes.
#[cfg(any(feature = "postgres", feature = "mysql"))]
const LOCKED: StoreError = StoreError::Timeout(
    "another try, here or elsewhere, has had the migrations' lock for 2 minutes",
);

pub(crate) enum Step {
    /// Apply what is pending.
    Up,
    /// Undo the migration of this version.
    Down(String),
}

fn take_step(
    conn: DbConn,
    owners: &[&'static Migrations],
    step: Step,
) -> Result<Vec<String>, DbError> {
    match conn {
        #[cfg(feature = "sqlite")]
        DbConn::Sqlite(conn) => on_sqlite(conn, owners, step),
        // The locks of these two go with the connection, however this ends.
        #[cfg(feature = "postgres")]
        DbConn::Postgres(mut conn) => {
            let lock = sql_query("SELECT pg_advisory_lock(8243100417)").execute(&mut conn);
            lock.map_err(|error| match StoreError::from(error) {
                StoreError::Timeout(_) => LOCKED,
                other => other,
            })?;
            run_step(&mut conn, Backend::Postgres, owners, step)
        }
        #[cfg(feature = "mysql")]
        DbConn::Mysql(mut conn) => {
            // The lock's name is the server's, so the database is in it.
            let lock =
                "SELECT COALESCE(GET_LOCK(CONCAT('migrate-', SHA1(DATABASE())), 120), 0) AS n";
            if sql_query(lock).get_result::<Count>(&mut conn)?.n != 1 {
                return Err(LOCKED.into());
            }
            run_step(&mut conn, Backend::Mysql, owners, step)
        }
    }
}

/// All in one transaction, which is the lock.
#[cfg(feature = "sqlite")]
fn on_sqlite(
    mut conn: diesel::SqliteConnection,
    owners: &[&'static Migrations],
    step: Step,
) -> Result<Vec<String>, DbError> {
    // Rebuilding a table drops the old one, which with foreign keys on deletes what refers to it. They
    // are checked at the end instead (https://sqlite.org/lang_altertable.html, section 7).
    sql_query("PRAGMA foreign_keys = OFF").execute(&mut conn)?;
    conn.immediate_transaction(|conn| {
        let done = run_step(conn, Backend::Sqlite, owners, step)?;
        let broken = "SELECT COUNT(*) AS n FROM pragma_foreign_key_check";
        if sql_query(broken).get_result::<Count>(conn)?.n > 0 {
            return Err(DbError::Migration("foreign keys broken".to_owned()));
        }
        Ok(done)
    })
}

#[cfg(any(feature = "sqlite", feature = "mysql"))]
#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

fn run_step<C, DB>(
    conn: &mut C,
    backend: Backend,
    owners: &[&'static Migrations],
    step: Step,
) -> Result<Vec<String>, DbError>
where
    DB: DieselBackend,
    C: MigrationHarness<DB>,
{
    let applied = conn.applied_migrations().map_err(DbError::migration)?;
    let mut done = Vec::new();
    match step {
        Step::Up => {
            for migration in collect::<DB>(backend, owners)?
                .iter()
                .filter(|m| !applied.contains(&m.name().version()))
            {
                conn.run_migration(migration.as_ref())
                    .map_err(|e| DbError::failed(migration.name(), &*e))?;
                done.push(migration.name().to_string());
            }
        }
        Step::Down(version) => {
            let applied = applied.iter().map(ToString::to_string).collect();
            let trees = trees::<DB>(backend, owners)?;
            // What was shown before the lock was there may have been undone meanwhile, or built upon.
            if let Some(migration) = choose(&trees, &applied, Some(&version))? {
                conn.revert_migration(migration)
                    .map_err(|e| DbError::failed(migration.name(), &*e))?;
                done.push(migration.name().to_string());
            }
        }
    }
    Ok(done)
}

/// Versions in diesel's own table, which is not there before the first migration.
pub(crate) fn applied_versions(conn: &mut DbConn) -> Result<BTreeSet<String>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        version: String,
    }
    const TABLE: &str = "__diesel_schema_migrations";
    if !crate::schema_info::tables(conn)?.contains(TABLE) {
        return Ok(BTreeSet::new());
    }
    let rows = sql_query(format!("SELECT version FROM {TABLE}")).load::<Row>(conn)?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}
