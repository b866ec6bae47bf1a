#![doc = include_str!("../README.md")]

mod conn;
mod db;
mod error;
mod error_texts;
mod file;
mod file_lock;
mod manager;
mod mark;
mod metrics;
mod migrate;
mod migrations;
#[cfg(feature = "mysql")]
mod mysql_connect;
mod open;
mod pool;
mod revert;
pub mod schema_info;
mod settings;
pub mod sql;
mod start;
mod threads;
mod transact;
mod url;
mod waiting;

use std::path::PathBuf;

pub use conn::{Backend, DbConn, MultiBackend};
pub use db::Db;
pub use error::{StoreError, TxError};
pub use file_lock::FileLock;
pub use mark::{FileState, file_state, gather_file, mark_file};
pub use metrics::PoolState;
pub use migrations::Migrations;
pub use revert::Revert;
pub use start::ReadinessCheck;

/// Why a database could not be opened or migrated.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The URL is wrong; the text does not repeat it.
    #[error("database URL: {0}")]
    Url(String),
    /// The URL names a backend this binary was built without.
    #[error("this binary was built without {0}")]
    NotCompiledIn(Backend),
    /// The SQLite file cannot be made, or is damaged.
    #[error("database file {path}: {source}", path = .path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The SQLite file is used by another process in a way that leaves no room for this one.
    #[error("{path} is in use by a service or by another command: end that first", path = .0.display())]
    InUse(PathBuf),
    /// A migration failed.
    #[error("migration: {0}")]
    Migration(String),
    /// No migration can be undone here, or not the one that was named.
    #[error("nothing was undone: {0}")]
    NotReverted(String),
    /// The server answers, and does not want this user, password, database or way to connect.
    #[error("the database refuses the connection: {0}")]
    Refused(String),
    /// The database cannot be reached or used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DbError {
    /// Whether somebody has to change the configuration or a file before the same start can succeed.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Url(_) | Self::NotCompiledIn(_) => true,
            Self::File { source, .. } => !error_texts::is_shortage(source),
            Self::InUse(_)
            | Self::Migration(_)
            | Self::NotReverted(_)
            | Self::Refused(_)
            | Self::Store(_) => false,
        }
    }

    /// Returns whether the database is away, refuses us or lacks something, which may pass: the same call may succeed later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Store(error) => error.is_temporary(),
            _ => false,
        }
    }

    fn migration(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::of_text(error.to_string())
    }

    /// The harness gives texts alone, with words of its own before the server's. A server that goes away in the middle of
    /// a migration, or has no room for it, is no failed migration.
    fn of_text(text: String) -> Self {
        use error_texts::Meaning;
        let said = text
            .strip_prefix("Failed to run ")
            .and_then(|rest| rest.split_once(" with: "));
        match Meaning::of(said.map_or(&text, |(_, said)| said)) {
            Meaning::Other => Self::Migration(text),
            Meaning::TooSlow => StoreError::Timeout("migration").into(),
            Meaning::Raced => StoreError::Conflict.into(),
            Meaning::Gone | Meaning::Short => {
                StoreError::Unavailable(error::one_line(&text)).into()
            }
        }
    }

    fn failed(
        name: &dyn diesel::migration::MigrationName,
        error: &(dyn std::error::Error + Send + Sync),
    ) -> Self {
        match Self::of_text(error.to_string()) {
            Self::Migration(text) => Self::Migration(format!("{name}: {text}")),
            passes => passes,
        }
    }
}

impl From<error::ConnectError> for DbError {
    fn from(error: error::ConnectError) -> Self {
        if error_texts::refuses_us(&error.0) {
            Self::Refused(error.0)
        } else {
            StoreError::Unavailable(error.0).into()
        }
    }
}

impl From<diesel::result::Error> for DbError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}
