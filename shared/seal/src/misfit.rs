//! Tells of a ring in a file that does not fit the database beside it, and says what to do.

use std::{fmt::Display, path::PathBuf};

use ud_config::SealingConfig;
use ud_kernel::Service;

use crate::ring_file::KEY_ENCRYPTION;

/// How to go on without what is sealed.
const WITHOUT: &str = "To go on without, delete the rows of signing_keys in auth's database and of server_keys in \
                       profile's and audit's, the file, and its line in DATA_DIR/installation if there is one: a new ring \
                       is made then, and everybody logs in again (docs/RUNBOOK.md, \"A file of DATA_DIR is lost\")";

/// The file that is a service's ring, where none is configured.
#[derive(Debug, Clone)]
pub struct RingFile {
    path: PathBuf,
    service: Service,
}

impl RingFile {
    /// Returns that of `service`; `None` where its ring is configured.
    #[must_use]
    pub fn of(config: &SealingConfig, service: Service) -> Option<Self> {
        config.key_encryption.is_none().then(|| Self {
            path: config.keys_dir.join(KEY_ENCRYPTION),
            service,
        })
    }

    /// Returns what to say if the file is gone, to be asked where the database holds something sealed: a new key would
    /// open nothing of it.
    ///
    /// # Errors
    /// The text, with the file's name.
    pub fn is_there(&self) -> Result<(), String> {
        if self.path.exists() {
            return Ok(());
        }
        let (path, service) = (self.path.display(), self.service);
        Err(format!(
            "{path} is gone, and {service}'s database holds what is sealed under it: no other is made in its place. Put it \
             back from a back-up. {WITHOUT}"
        ))
    }

    /// Returns what to say where the ring does not open what the database holds, for the reason `error`.
    #[must_use]
    pub fn opens_nothing(&self, error: impl Display) -> String {
        let (path, service) = (self.path.display(), self.service);
        format!(
            "{path} does not open what {service}'s database holds: {error}. Put back the file, or the database, that belongs \
             to the other, from a back-up. {WITHOUT}"
        )
    }
}
