//! A lock beside a SQLite file, which tells other processes that it is in use.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::{DbError, file::create_private};

/// A lock on `<database>.lock` (flock). The kernel drops it with the process, however that ends. It is beside the database
/// because SQLite's own locks on a file end as soon as its process closes any descriptor of it.
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "held, not read")] File);

impl FileLock {
    /// Locks the database for a process beside which others may use it. Does not wait.
    ///
    /// # Errors
    /// [`DbError::InUse`] while another has it alone, [`DbError::File`] if the lock's file cannot be made.
    pub fn shared(database: &Path) -> Result<Self, DbError> {
        Self::take(database, File::try_lock_shared)
    }

    /// Locks the database for this process alone. Does not wait.
    ///
    /// # Errors
    /// [`DbError::InUse`] while another has it, alone or not; [`DbError::File`] if the lock's file cannot be made.
    pub fn alone(database: &Path) -> Result<Self, DbError> {
        Self::take(database, File::try_lock)
    }

    fn take(
        database: &Path,
        lock: impl FnOnce(&File) -> Result<(), TryLockError>,
    ) -> Result<Self, DbError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        create_private(&path)?;
        let failed = |source: io::Error| DbError::File {
            path: path.clone(),
            source,
        };
        // On NFS a shared lock wants a file that may be read, one that is held alone a file that may be written (flock(2)).
        let mut options = File::options();
        let file = options.read(true).write(true).open(&path);
        let file = file.map_err(failed)?;
        #[cfg(unix)]
        give_to_owner(&file, database).map_err(failed)?;
        match lock(&file) {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(DbError::InUse(database.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Gives a lock that root has made to whom the database belongs, as SQLite does with its own files: a service that is not
/// root opens it afterwards.
#[cfg(unix)]
fn give_to_owner(lock: &File, database: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let Ok(owner) = std::fs::metadata(database) else {
        return Ok(());
    };
    if lock.metadata()?.uid() == owner.uid() {
        return Ok(());
    }
    match fchown(lock, Some(owner.uid()), Some(owner.gid())) {
        // Who is not root gives nothing away, and could open it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_or_several_that_share() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("below/a.db");
        let is_in_use = |taken: Result<FileLock, DbError>| matches!(taken, Err(DbError::InUse(path)) if path == database);
        let alone = FileLock::alone(&database).unwrap();
        assert!(is_in_use(FileLock::alone(&database)));
        assert!(is_in_use(FileLock::shared(&database)));
        drop(alone);
        let several = [(); 3].map(|()| FileLock::shared(&database).unwrap());
        assert!(is_in_use(FileLock::alone(&database)));
        drop(several);
        FileLock::alone(&database).unwrap();
        assert!(!database.exists(), "the database itself is not made");
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_root_made_belongs_to_the_owner_of_the_database() {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        std::fs::write(&database, "").unwrap();
        // Whoever may not give files away has no other owner's here.
        let is_root = chown(&database, Some(4711), Some(4712)).is_ok();
        let own = std::fs::metadata(&database).unwrap();
        drop(FileLock::shared(&database).unwrap());
        let lock = std::fs::metadata(folder.path().join("a.db.lock")).unwrap();
        assert_eq!((lock.uid(), lock.gid()), (own.uid(), own.gid()));
        assert_eq!(is_root, lock.uid() == 4711);
        assert_eq!(lock.mode() & 0o777, 0o600);
    }
}
