//! The files that an installation keeps: SQLite databases, wherever the configuration has them, and the key rings that it
//! does not give.

use std::{
    io,
    path::{Path, PathBuf, absolute},
};

use secrecy::ExposeSecret as _;
use session_service::config::StoreConfig;

use crate::config::Config;

/// The contents of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Database,
    Ring,
}

/// A file that belongs to an installation.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// In the list: the path below `DATA_DIR`, or the whole path of what is elsewhere.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    /// True if each installation from before there was a list has it.
    pub(crate) is_old: bool,
}

impl Kept {
    /// Describes the file at `path` as one of the installation in `folder`.
    ///
    /// # Errors
    /// If a path is empty, or relative where there is no current folder.
    pub(crate) fn new(folder: &Path, path: PathBuf, kind: Kind) -> io::Result<Self> {
        let (below, whole) = (absolute(folder)?, absolute(&path)?);
        let name = whole.strip_prefix(&below).unwrap_or(&whole);
        Ok(Self {
            name: name.display().to_string(),
            path,
            kind,
            is_old: true,
        })
    }
}

/// Lists what the configuration keeps in files.
///
/// # Errors
/// It fails as [`Kept::new`] does.
pub(crate) fn kept(config: &Config) -> io::Result<Vec<Kept>> {
    let folder = &config.standalone.data_dir;
    let (auth, session) = (&config.auth, &config.session);
    let databases = [
        Some(&auth.database),
        Some(&config.role.database),
        Some(&config.audit.database),
        Some(&config.profile.database),
        match &session.store {
            StoreConfig::Sqlite(database) => Some(database),
            StoreConfig::Redis(_) => None,
        },
    ];
    let files = databases.into_iter().flatten().filter_map(|database| {
        let file = database.url.expose_secret().strip_prefix("sqlite://")?;
        Some((PathBuf::from(file), Kind::Database, true))
    });
    let sealing = [
        &auth.sealing,
        &config.profile.sealing,
        &config.audit.sealing,
    ];
    let seals = sealing
        .iter()
        .any(|sealing| sealing.key_encryption.is_none());
    let rings = [
        (seals, "key-encryption", true),
        (auth.signing.refresh_tokens.is_none(), "refresh-token", true),
        // Later than some installations; a new one costs nothing.
        (session.feed_keys.is_none(), "session-feed", false),
    ];
    let rings = rings.into_iter().filter(|(is_file, ..)| *is_file);
    let rings = rings.map(|(_, name, is_old)| (folder.join("keys").join(name), Kind::Ring, is_old));
    files
        .chain(rings)
        .map(|(path, kind, is_old)| {
            let kept = Kept::new(folder, path, kind)?;
            Ok(Kept { is_old, ..kept })
        })
        .collect()
}
