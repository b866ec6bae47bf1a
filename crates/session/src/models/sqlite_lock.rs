//! Without Redis exactly one session process runs.

use std::{
    fs::{DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// An exclusive lock on `<database>.lock`. The kernel drops it with the process, however that ends.
#[derive(Debug)]
pub struct SqliteLock(#[expect(dead_code, reason = "held, not read")] File);

/// Why the lock was not got.
#[derive(Debug, thiserror::Error)]
pub enum SqliteLockError {
    /// Another process has it.
    #[error("another session service uses {0}; several replicas need REDIS_URL")]
    Held(String),
    /// The file cannot be made or locked.
    #[error("{0}: {1}")]
    File(String, io::Error),
}

impl SqliteLock {
    /// Locks the file beside `database`.
    ///
    /// # Errors
    /// [`SqliteLockError`].
    pub fn take(database: &Path) -> Result<Self, SqliteLockError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = Path::new(&name);
        let text = path.display().to_string();
        // As the database's own (SECURITY rule 35).
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|e| SqliteLockError::File(text.clone(), e))?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| SqliteLockError::File(text.clone(), e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(SqliteLockError::Held(text)),
            Err(TryLockError::Error(e)) => Err(SqliteLockError::File(text, e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("session.db");
        let first = SqliteLock::take(&database).unwrap();
        assert!(matches!(
            SqliteLock::take(&database),
            Err(SqliteLockError::Held(_))
        ));
        drop(first);
        SqliteLock::take(&database).unwrap();
    }
}
