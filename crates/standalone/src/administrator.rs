//! The first administrator where nobody configured one (SECURITY rule 13): a generated password in
//! `DATA_DIR/initial-admin-password`, shown on a terminal, never through the logger.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use auth_service::new_password;
use secrecy::SecretString;
use ud_kernel::StartError;
use ud_seal::secret_file;
use user_profile_service::Bootstrap;
use zeroize::Zeroizing;

/// Email of the administrator nobody named.
const DEFAULT_EMAIL: &str = "admin@localhost";
const FILE: &str = "initial-admin-password";

/// The administrator to be made, and where the password was written.
pub(crate) struct Administrator {
    pub(crate) bootstrap: Bootstrap,
    pub(crate) file: PathBuf,
    /// Whether this start wrote the file.
    is_new: bool,
}

impl Administrator {
    /// With the password of an earlier start that did not come to its end, otherwise a new one. It is on disk
    /// before it is used: a crash in between locks nobody out.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub(crate) fn prepare(data_dir: &Path, email: Option<String>) -> Result<Self, StartError> {
        let file = data_dir.join(FILE);
        let failed = |e: io::Error| StartError::internal(format!("{}: {e}", file.display()));
        let found = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(failed(e)),
        };
        // An empty file is what a kill left of a version that wrote it in place.
        let is_new = found.trim_end().is_empty();
        let password = if is_new {
            let password = new_password().map_err(StartError::internal)?;
            let line = Zeroizing::new(format!("{}\n", password.as_str()));
            secret_file::replace(&file, &line, secret_file::OWNER_ONLY).map_err(failed)?;
            SecretString::from(password.as_str())
        } else {
            SecretString::from(found.trim_end())
        };
        let email = email.unwrap_or_else(|| DEFAULT_EMAIL.to_owned());
        Ok(Self {
            bootstrap: Bootstrap { email, password },
            file,
            is_new,
        })
    }

    /// Removes the file again: its password is nobody's.
    pub(crate) fn discard(&self) {
        if self.is_new
            && let Err(e) = fs::remove_file(&self.file)
        {
            log::warn!("{}: {e}", self.file.display());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_password_that_was_never_written_is_made_anew_and_one_that_was_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        fs::write(&file, "").unwrap();
        let made = Administrator::prepare(folder.path(), None).unwrap();
        let password = made.bootstrap.password.expose_secret().to_owned();
        assert!(made.is_new && password.len() >= 12, "{}", password.len());
        assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), password);
        let again = Administrator::prepare(folder.path(), None).unwrap();
        assert!(!again.is_new);
        assert_eq!(again.bootstrap.password.expose_secret(), password);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "no draft is left");
    }
}
