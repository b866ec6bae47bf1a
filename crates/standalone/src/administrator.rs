//! The first administrator where nobody configured one (SECURITY rule 13): a generated password in
//! `DATA_DIR/initial-admin-password`, shown on a terminal, never through the logger.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use auth_service::models::reset_flow::new_password;
use secrecy::SecretString;
use ud_http::StartError;
use user_profile_service::Bootstrap;

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
        let (password, is_new) = match fs::read_to_string(&file) {
            Ok(text) => (SecretString::from(text.trim_end()), false),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let password = new_password().map_err(StartError::internal)?;
                write_private(&file, &password).map_err(failed)?;
                (SecretString::from(password.as_str()), true)
            }
            Err(e) => return Err(failed(e)),
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

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
