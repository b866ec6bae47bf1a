//! Small files that are their owner's alone: keys, passwords. A reader finds all of one or nothing, even after a crash.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

/// Mode of a file that its owner alone may read.
pub const OWNER_ONLY: u32 = 0o600;

/// How long another may hold the folder. Who writes a file there holds it for some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the file at `path` with `text` and `mode`. Of several that make it at once, one does.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is a file, which stays as it is; the file system's own.
pub fn create(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    put(path, text, mode, |draft| {
        match renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE) {
            // Not every file system can (NFS, what is shared with a virtual machine).
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(draft, path)?;
                fs::remove_file(draft)
            }
            renamed => Ok(renamed?),
        }
    })
}

/// Writes `text` with `mode` to the file at `path`, in place of what was there.
///
/// # Errors
/// The file system's own.
pub fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    put(path, text, mode, |draft| fs::rename(draft, path))
}

/// Writes the whole file as a draft beside `path`, named for it; `publish` gives it its own name. The folder is locked
/// meanwhile: a draft that is there was left by a process that was killed, and is removed.
fn put(
    path: &Path,
    text: &str,
    mode: u32,
    publish: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    // `parent` of a bare name is empty.
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let locked = lock(folder)?;
    let mut draft = OsString::from(".");
    draft.push(name);
    draft.push(".draft");
    let draft = folder.join(draft);
    remove(&draft)?;
    let written = write(&draft, text, mode).and_then(|()| publish(&draft));
    if written.is_err() {
        remove(&draft)?;
    }
    written?;
    locked.sync_all()
}

/// The folder, locked until the file is closed.
fn lock(folder: &Path) -> io::Result<File> {
    let file = File::open(folder)?;
    let end = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() > end => {
                let text = format!("{} is locked by another process", folder.display());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn write(draft: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(draft)?;
    // The umask takes nothing away from it.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Removes `draft`, if it is there.
fn remove(draft: &Path) -> io::Result<()> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_made_once_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create(&path, "first", OWNER_ONLY).unwrap();
        let again = create(&path, "second", OWNER_ONLY).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(mode(&path), 0o600);
        replace(&path, "third", 0o644).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "third");
        assert_eq!(mode(&path), 0o644);
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 1, "no draft is left");
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for put in [create, replace] {
            fs::write(folder.path().join(".secret.draft"), "half a pass").unwrap();
            put(&path, "whole", OWNER_ONLY).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn of_several_at_once_one_makes_it_and_all_find_it_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let text = |number: usize| number.to_string().repeat(100_000);
        let made: Vec<_> = thread::scope(|scope| {
            let make = |number| {
                let path = &path;
                scope.spawn(move || create(path, &text(number), OWNER_ONLY).map(|()| number))
            };
            let makers: Vec<_> = (0..8).map(make).collect();
            makers
                .into_iter()
                .map(|maker| maker.join().unwrap())
                .collect()
        });
        let (made, others): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
        assert_eq!(made.len(), 1);
        for other in others {
            assert_eq!(other.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        let number = *made[0].as_ref().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text(number));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_published_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(create(&path, "text", OWNER_ONLY).is_err());
        assert!(replace(&path, "text", OWNER_ONLY).is_err());
        assert!(create(Path::new("/"), "text", OWNER_ONLY).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
