//! Key rings in files, for development and standalone, where none is configured: made at the first start,
//! readable by their owner alone. In production the rings are configured.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_config::KeyRing;
use zeroize::Zeroizing;

use crate::secret_file;

/// File of the ring that seals what is secret at rest.
pub const KEY_ENCRYPTION: &str = ud_config::SealingConfig::RING_FILE;

/// The configured ring, or the one in `dir/name`, made if there is none.
///
/// # Errors
/// If the file can be neither read nor made, or holds no ring.
pub fn ring_or_file(configured: Option<&KeyRing>, dir: &Path, name: &str) -> io::Result<KeyRing> {
    match configured {
        Some(ring) => Ok(ring.clone()),
        None => load_or_create(dir, name),
    }
}

/// The ring in `dir/name`; if there is no such file, one is made with a new key.
///
/// # Errors
/// If the file can be neither read nor made, or holds no ring.
pub(crate) fn load_or_create(dir: &Path, name: &str) -> io::Result<KeyRing> {
    let path = dir.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&path, Zeroizing::new(text).trim()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(dir, &path),
        Err(error) => Err(named(&path, error)),
    }
}

fn create(dir: &Path, path: &Path) -> io::Result<KeyRing> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| named(dir, e))?;
    let mut key = Zeroizing::new([0_u8; 32]);
    rand::fill(key.as_mut_slice()).map_err(|_| io::Error::other("no random bytes"))?;
    let text = Zeroizing::new(format!("k1:{}", URL_SAFE_NO_PAD.encode(key.as_slice())));
    match secret_file::create(path, &text, secret_file::OWNER_ONLY) {
        // Another process made it at the same moment: its key counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let text = Zeroizing::new(fs::read_to_string(path).map_err(|e| named(path, e))?);
            parse(path, text.trim())
        }
        Err(error) => Err(named(path, error)),
        Ok(()) => parse(path, &text),
    }
}

fn parse(path: &Path, text: &str) -> io::Result<KeyRing> {
    text.parse()
        .map_err(|e| named(path, io::Error::new(io::ErrorKind::InvalidData, e)))
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_ring_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        let first = load_or_create(&keys, "ring").unwrap();
        let second = load_or_create(&keys, "ring").unwrap();
        assert_eq!(first.current(), second.current());
        let other = load_or_create(&keys, "other").unwrap();
        assert_ne!(first.current(), other.current());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&keys), 0o700);
        assert_eq!(mode(&keys.join("ring")), 0o600);
        assert_eq!(fs::read_dir(&keys).unwrap().count(), 2, "no drafts stay");
    }

    #[test]
    fn those_that_start_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let rings: Vec<KeyRing> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| load_or_create(dir.path(), "ring").unwrap()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let first = rings.first().unwrap();
        assert!(rings.iter().all(|r| r.current() == first.current()));
    }

    #[test]
    fn what_is_no_ring_is_an_error_that_names_the_file_only() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ring"), "secret-text").unwrap();
        let error = load_or_create(dir.path(), "ring").unwrap_err().to_string();
        assert!(
            error.contains("ring") && !error.contains("secret-text"),
            "{error}"
        );
    }
}
