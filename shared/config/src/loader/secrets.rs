//! Secrets and key material.

use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

use super::Loader;
use crate::{Key, KeyRing, placeholder};

/// Key material that was read.
pub(super) struct Material {
    name: String,
    /// The ring it is of, if it seals.
    sealing_ring: Option<String>,
    bytes: Zeroizing<Vec<u8>>,
}

impl Loader {
    /// A secret, from the key itself or the file that `<name>_FILE` names. Placeholders are refused.
    pub fn secret(&mut self, key: &Key) -> Option<SecretString> {
        let found = self.find(key)?;
        if placeholder::is_placeholder(&found.text) {
            self.report(
                found.name,
                "is a placeholder; set a secret made for this purpose",
            );
            return None;
        }
        Some(found.text.as_str().into())
    }

    /// Key material of at least `min` bytes: a secret that must not serve two purposes.
    pub(crate) fn key_material(&mut self, key: &Key, min: usize) -> Option<SecretString> {
        let secret = self.secret(key)?;
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < min {
            self.problem(key, format!("is shorter than {min} bytes"));
            return None;
        }
        self.remember(key.name.to_string(), None, bytes);
        Some(secret)
    }

    /// A ring of 32-byte keys.
    pub fn key_ring(&mut self, key: &Key) -> Option<KeyRing> {
        self.read_ring(key, false)
    }

    /// A ring of keys that seal. The rings of several services may have keys in common: each service derives its own
    /// keys from them, and a ring that was everybody's is behind the new key of each while they move.
    pub(crate) fn sealing_ring(&mut self, key: &Key) -> Option<KeyRing> {
        self.read_ring(key, true)
    }

    fn read_ring(&mut self, key: &Key, seals: bool) -> Option<KeyRing> {
        let found = self.find(key)?;
        match found.text.parse::<KeyRing>() {
            Ok(ring) => {
                for (id, bytes) in ring.iter() {
                    let ring = seals.then(|| found.name.clone());
                    self.remember(format!("{} ({id})", found.name), ring, bytes);
                }
                Some(ring)
            }
            Err(error) => {
                self.report(found.name, error.to_string());
                None
            }
        }
    }

    /// Reports a key that was seen under another name; `sealing_ring` is the ring of a key that seals.
    fn remember(&mut self, name: String, sealing_ring: Option<String>, bytes: &[u8]) {
        if self.material.iter().any(|seen| seen.name == name) {
            return;
        }
        let both_seal = |seen: &Material| {
            seen.sealing_ring.is_some()
                && sealing_ring.is_some()
                && seen.sealing_ring != sealing_ring
        };
        let twin = self
            .material
            .iter()
            .find(|seen| seen.bytes.as_slice() == bytes && !both_seal(seen));
        if let Some(other) = twin {
            let text = format!("is the same key as {}; no key has two uses", other.name);
            self.report(name.clone(), text);
        }
        self.material.push(Material {
            name,
            sealing_ring,
            bytes: Zeroizing::new(bytes.to_vec()),
        });
    }
}
