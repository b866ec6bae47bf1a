//! What seals secrets at rest.

use std::path::PathBuf;

use crate::{KeyRing, Loader, keys};

/// The keys that seal what is secret at rest (SECURITY rule 30).
#[derive(Debug, Clone)]
pub struct SealingConfig {
    /// The first seals, all open. `None` only in development and in standalone: then the ring is a file in
    /// [`SealingConfig::keys_dir`].
    pub key_encryption: Option<KeyRing>,
    /// Where key rings are kept that the configuration does not give (development and standalone).
    pub keys_dir: PathBuf,
}

impl SealingConfig {
    /// From the loader.
    pub fn load(loader: &mut Loader) -> Self {
        let mut key_encryption = loader.key_ring(&keys::KEY_ENCRYPTION_KEYS);
        if loader.app_env().is_production() && !loader.is_standalone() {
            key_encryption = loader.require(&keys::KEY_ENCRYPTION_KEYS, key_encryption);
        }
        Self {
            key_encryption,
            keys_dir: keys_dir(loader),
        }
    }
}

/// Where key rings are kept that the configuration does not give: below `DATA_DIR` in standalone, otherwise below
/// `./data`.
#[must_use]
pub fn keys_dir(loader: &mut Loader) -> PathBuf {
    let data = loader
        .text(&keys::DATA_DIR)
        .filter(|_| loader.is_standalone());
    PathBuf::from(data.unwrap_or_else(|| "./data".to_owned())).join("keys")
}
