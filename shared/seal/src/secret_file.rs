//! Small files that are their owner's alone: keys, passwords. A reader finds all of one or nothing, even after a crash.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Mode of a file that its owner alone may read.
pub const OWNER_ONLY: u32 = 0o600;

/// Makes the file at `path` with `text` and `mode`. Of several that make it at once, one does.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is a file, which stays as it is; the file system's own.
pub fn create(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    put(path, text, mode, |draft| fs::hard_link(draft, path))
}

/// Writes `text` with `mode` to the file at `path`, in place of what was there.
///
/// # Errors
/// The file system's own.
pub fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    put(path, text, mode, |draft| fs::rename(draft, path))
}

/// Writes the whole file under another name beside `path`; `publish` gives it its own.
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
    let mut unique = [0_u8; 8];
    rand::fill(&mut unique).map_err(|_| io::Error::other("no random bytes"))?;
    let draft = folder.join(format!(
        ".{}.{}",
        name.display(),
        URL_SAFE_NO_PAD.encode(unique)
    ));
    let draft = Draft(draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(&draft.0)?;
    // The umask takes nothing away from it.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    publish(&draft.0)?;
    File::open(folder)?.sync_all()
}

/// Removes the draft's own name, whatever became of it.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
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
