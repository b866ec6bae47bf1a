//! Secrets and key material.

use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

use super::Loader;
use crate::{Key, KeyRing, placeholder};

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
        self.remember(key.name.to_string(), bytes);
        Some(secret)
    }

    /// A ring of 32-byte keys.
    pub fn key_ring(&mut self, key: &Key) -> Option<KeyRing> {
        let found = self.find(key)?;
        match found.text.parse::<KeyRing>() {
            Ok(ring) => {
                for (id, bytes) in ring.iter() {
                    self.remember(format!("{} ({id})", found.name), bytes);
                }
                Some(ring)
            }
            Err(error) => {
                self.report(found.name, error.to_string());
                None
            }
        }
    }

    fn remember(&mut self, name: String, bytes: &[u8]) {
        if self.material.iter().any(|(other, _)| *other == name) {
            return;
        }
        let twin = self
            .material
            .iter()
            .find(|(_, seen)| seen.as_slice() == bytes);
        if let Some((other, _)) = twin {
            let text = format!("is the same key as {other}; no key has two uses");
            self.report(name.clone(), text);
        }
        self.material.push((name, Zeroizing::new(bytes.to_vec())));
    }
}
