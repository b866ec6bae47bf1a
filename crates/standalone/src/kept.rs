//! The files that an installation keeps: SQLite databases, wherever the configuration has them, and the key rings that it
//! does not give.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf, absolute},
};

use secrecy::ExposeSecret as _;
use ud_config::SealingConfig;
use ud_kernel::Service;

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

/// The services that ran in installations from before there was a list, and what key rings they kept. No later one is added.
const OLD_SERVICES: [Service; 5] = [
    Service::Auth,
    Service::Role,
    Service::Session,
    Service::Audit,
    Service::Profile,
];
const OLD_RINGS: [&str; 2] = [SealingConfig::RING_FILE, "refresh-token"];

/// Lists what the configuration keeps in files.
///
/// # Errors
/// It fails as [`Kept::new`] does.
pub(crate) fn kept(config: &Config) -> io::Result<Vec<Kept>> {
    let folder = &config.standalone.data_dir;
    let databases = config.services.iter().filter_map(|one| {
        let url = one.database()?.url.expose_secret();
        let file = PathBuf::from(url.strip_prefix("sqlite://")?);
        Some((file, Kind::Database, OLD_SERVICES.contains(&one.service())))
    });
    let rings = config.services.iter().flat_map(|one| one.ring_files());
    let rings: BTreeSet<&str> = rings.collect();
    let rings = rings.into_iter().map(|name| {
        let file = folder.join("keys").join(name);
        (file, Kind::Ring, OLD_RINGS.contains(&name))
    });
    databases
        .chain(rings)
        .map(|(path, kind, is_old)| {
            let kept = Kept::new(folder, path, kind)?;
            Ok(Kept { is_old, ..kept })
        })
        .collect()
}
