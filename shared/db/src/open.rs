//! Opening a database, and who else may use its file meanwhile.

use std::path::Path;

use ud_config::DatabaseConfig;
use ud_kernel::Service;

use crate::{Db, DbError, FileLock, url::Target};

impl Db {
    /// Prepares the pool; connections are opened when they are first needed, so a server that is down is
    /// not an error here. For SQLite the file is created, readable by its owner only, and locked for as long as a clone
    /// lives: nothing is reverted meanwhile.
    ///
    /// # Errors
    /// [`DbError`] if the URL is wrong, its backend not compiled in, or the file or the runtime cannot be made;
    /// [`DbError::InUse`] while another has the file alone.
    pub fn open(config: &DatabaseConfig, service: Service) -> Result<Self, DbError> {
        let lock = |path: &Path| FileLock::shared(path).map(Some);
        Self::open_with(config, service, lock)
    }

    /// The same as [`Db::open`] without the lock, for a caller who has the file's [`FileLock`], or only looks into it.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub fn open_unlocked(config: &DatabaseConfig, service: Service) -> Result<Self, DbError> {
        Self::open_with(config, service, |_| Ok(None))
    }

    /// Opens the database of `service` to undo a migration. A file has to be there. If it `is_confirmed` that one is undone, the
    /// file is this process's alone for as long as a clone lives; a look at what would be undone keeps nobody out.
    ///
    /// # Errors
    /// As [`Db::open`]; [`DbError::InUse`] while anybody else has the file, and it is to be this process's alone.
    pub fn open_to_revert(
        config: &DatabaseConfig,
        service: Service,
        is_confirmed: bool,
    ) -> Result<Self, DbError> {
        if let Target::Sqlite(path) = Target::parse(&config.url)? {
            std::fs::metadata(&path).map_err(|source| DbError::File { path, source })?;
        }
        let lock = |path: &Path| is_confirmed.then(|| FileLock::alone(path)).transpose();
        Self::open_with(config, service, lock)
    }
}
