//! Reads a key ring's file, for its installation to know it again.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use secrecy::{ExposeSecret as _, SecretString};
use ud_config::KeyRing;
use ud_kernel::Service;
use ud_seal::{AssociatedData, Sealer};

/// The reason why a file gives nothing.
#[derive(Debug)]
pub(crate) enum Misread {
    /// It is gone, or not what it was.
    Wrong(String),
    /// It cannot be read now: no descriptors, no right, a disk that fails. It may be good.
    NotNow(String),
}

/// Reads the keys in `path`. The reason has the file's name, and never its text.
///
/// # Errors
/// [`Misread`].
pub(crate) fn read(path: &Path) -> Result<Sealer, Misread> {
    let text = fs::read_to_string(path).map_err(|error| misread(path, &error))?;
    let ring: KeyRing = SecretString::from(text)
        .expose_secret()
        .trim()
        .parse()
        .map_err(|error| Misread::Wrong(format!("{} is damaged: it {error}", path.display())))?;
    // Whose sealer it is makes no difference: the associated data says what it is for.
    Ok(Sealer::new(Service::Auth, ring))
}

/// Tells a file that is not there, or no text, from one that cannot be read now.
pub(crate) fn misread(path: &Path, error: &io::Error) -> Misread {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => Misread::Wrong(format!("{shown} is gone")),
        ErrorKind::InvalidData | ErrorKind::IsADirectory | ErrorKind::NotADirectory => {
            Misread::Wrong(format!("{shown} is damaged: {error}"))
        }
        _ => Misread::NotNow(format!("{shown} cannot be read now: {error}")),
    }
}

/// Says for what and for whom a ring seals that by which it is known again.
pub(crate) const fn associated_data(name: &str) -> AssociatedData<'_> {
    AssociatedData {
        table: "installation",
        column: "file",
        row: name,
        purpose: "know a key ring again",
    }
}
