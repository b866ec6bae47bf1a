//! What seals secrets at rest.

use std::path::PathBuf;

use ud_kernel::Service;

use crate::{Key, KeyRing, Loader, keys};

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
    /// Reads the ring of `service`: its own, otherwise the one for all. In production a service that has only the
    /// latter starts, so that a deployment of before goes on, and is told to move.
    pub fn load(loader: &mut Loader, service: Service) -> Self {
        Self {
            key_encryption: ring(loader, service),
            keys_dir: keys_dir(loader),
        }
    }
}

impl SealingConfig {
    /// Name of the file with the ring that the configuration does not give.
    pub const RING_FILE: &str = "key-encryption";

    /// Returns that name, where there is such a file.
    #[must_use]
    pub fn ring_files(&self) -> Vec<&'static str> {
        let is_file = self.key_encryption.is_none();
        is_file.then_some(Self::RING_FILE).into_iter().collect()
    }
}

fn ring(loader: &mut Loader, service: Service) -> Option<KeyRing> {
    let common = &keys::KEY_ENCRYPTION_KEYS;
    let own = service.declaration().key_encryption_keys.unwrap_or(common);
    let in_earnest = loader.app_env().is_production() && !loader.is_standalone();
    let has_common = loader.is_set(common);
    if !loader.is_set(own) && has_common {
        if in_earnest {
            loader.warn(common, already_shared(own));
        }
        return loader.sealing_ring(common);
    }
    if in_earnest && has_common {
        // Not read: during a move its key is in the service's own ring, too.
        loader.warn(
            common,
            format!("is ignored, because {} is set: remove it", own.name),
        );
    }
    let ring = loader.sealing_ring(own);
    if in_earnest {
        loader.require(own, ring)
    } else {
        ring
    }
}

/// What to do about a ring that is not the service's own.
fn already_shared(own: &Key) -> String {
    let own = &own.name;
    format!(
        "is used in place of {own}, which is not set: whoever has it opens what other services have sealed. Give {own} a \
         new key, with another id, and behind it the keys of this ring (`k2:NEW,k1:OLD`); restart; run `rewrap`; then \
         take the old keys out of {own} (docs/KEYS.md)"
    )
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
