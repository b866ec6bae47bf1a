//! A database for each test.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::PathBuf,
};

use tempfile::TempDir;

use crate::{COMMAND, statement};

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A file.
    Sqlite,
    /// The server of `TEST_POSTGRES_URL`.
    Postgres,
    /// The server of `TEST_MYSQL_URL`: MariaDB.
    Mysql,
}

impl Backend {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// `sqlite`, `postgres` or `mysql`: the name of the folder of migrations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An empty database of its own, gone when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    /// What kind it is.
    pub backend: Backend,
    /// Its URL, as a service takes it.
    pub url: String,
    name: String,
    folder: Option<TempDir>,
}

/// An empty database of each kind in turn: `for database in testkit::databases() { ... }`.
pub fn databases() -> impl Iterator<Item = TestDatabase> {
    Backend::ALL.into_iter().map(TestDatabase::create)
}

/// URL of the Redis server that all tests share; use keys nobody else uses, or a
/// [`RedisServer`](crate::RedisServer) of your own.
///
/// # Panics
/// Without `TEST_REDIS_URL`.
#[must_use]
pub fn redis_url() -> String {
    server_url("TEST_REDIS_URL")
}

impl TestDatabase {
    /// An empty database.
    ///
    /// # Panics
    /// If the server is not there: the message has the command to run.
    #[must_use]
    pub fn create(backend: Backend) -> Self {
        let name = format!("t_{:016x}", RandomState::new().hash_one(std::process::id()));
        let (url, folder) = match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let path = folder.path().join("test.db");
                (format!("sqlite://{}", path.display()), Some(folder))
            }
            Backend::Postgres => {
                let server = server_url("TEST_POSTGRES_URL");
                let sql = format!("CREATE DATABASE {name}");
                check(backend, statement::on_postgres(&server, "postgres", &sql));
                (format!("{server}/{name}"), None)
            }
            Backend::Mysql => {
                let server = server_url("TEST_MYSQL_URL");
                check(
                    backend,
                    statement::on_mysql(&server, &format!("CREATE DATABASE {name}")),
                );
                (format!("{server}/{name}"), None)
            }
        };
        Self {
            backend,
            url,
            name,
            folder,
        }
    }

    /// Path of a SQLite database.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.path().join("test.db"))
    }

    /// Runs statements on the server beside the code under test: to lock out, to kill connections, to make
    /// users. Not for SQLite. On PostgreSQL they run in this database; MySQL takes one statement, and names
    /// tables as `database.table` ([`TestDatabase::name`]).
    ///
    /// # Panics
    /// If a statement fails.
    pub fn execute(&self, sql: &str) {
        match self.backend {
            Backend::Sqlite => panic!("SQLite has no server"),
            Backend::Postgres => {
                let server = server_url("TEST_POSTGRES_URL");
                check(
                    self.backend,
                    statement::on_postgres(&server, &self.name, sql),
                );
            }
            Backend::Mysql => {
                check(
                    self.backend,
                    statement::on_mysql(&server_url("TEST_MYSQL_URL"), sql),
                );
            }
        }
    }

    /// Its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // The servers are thrown away in the end: what cannot be dropped now goes with them.
        let name = &self.name;
        let _ = match self.backend {
            Backend::Sqlite => Ok(()),
            Backend::Postgres => {
                let sql = format!("DROP DATABASE {name} WITH (FORCE)");
                statement::on_postgres(&server_url("TEST_POSTGRES_URL"), "postgres", &sql)
            }
            Backend::Mysql => {
                let sql = format!("DROP DATABASE {name}");
                statement::on_mysql(&server_url("TEST_MYSQL_URL"), &sql)
            }
        };
    }
}

fn server_url(name: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "set by `testkit with` for tests alone"
    )]
    let url = std::env::var(name);
    match url {
        Ok(url) if !url.is_empty() => url.trim_end_matches('/').to_owned(),
        _ => panic!("{name} is not set: run tests by\n\n    {COMMAND}\n"),
    }
}

fn check(backend: Backend, result: Result<(), String>) {
    if let Err(error) = result {
        panic!("{backend}: {error}\n\nIf the server is not there, run tests by\n\n    {COMMAND}\n");
    }
}
