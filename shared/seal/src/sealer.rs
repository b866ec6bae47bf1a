//! Sealing of secrets at rest (SECURITY rule 30): AES-256-GCM under a ring of keys, bound to the place
//! where the sealed value is stored.
//!
//! Text form: `v1.<key id>.<base64url of nonce, ciphertext and tag>`.

use std::io;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac, rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_config::{KeyRing, SealingConfig};
use ud_kernel::Service;
use zeroize::Zeroizing;

use crate::ring_file::{KEY_ENCRYPTION, ring_or_file};

const VERSION: &str = "v1";
const KEY_LEN: usize = 32;

/// What a sealed value is bound to (associated data of an AEAD, RFC 5116): where it lives and what it is for. A value moved
/// to another place does not open.
#[derive(Debug, Clone, Copy)]
pub struct AssociatedData<'a> {
    /// Table.
    pub table: &'a str,
    /// Column.
    pub column: &'a str,
    /// Key of the row.
    pub row: &'a str,
    /// What it is used for.
    pub purpose: &'a str,
}

impl AssociatedData<'_> {
    /// Each part with its length before it, so that no two places give the same bytes.
    fn to_bytes(self, service: Service) -> Vec<u8> {
        let mut data = Vec::with_capacity(128);
        for part in [
            service.as_str(),
            self.table,
            self.column,
            self.row,
            self.purpose,
        ] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

/// A value could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Sealed under a key that the service's `KEY_ENCRYPTION_KEYS` do not contain.
    #[error("sealed under a key that the service's KEY_ENCRYPTION_KEYS do not contain")]
    UnknownKey,
    /// Not a sealed value, changed, or with other associated data.
    #[error(
        "sealed value does not open: KEY_ENCRYPTION_KEYS has another key under that id, or the value was changed"
    )]
    DoesNotOpen,
    /// The random number generator or the cipher failed.
    #[error("cryptographic operation failed")]
    Crypto,
}

/// Seals with the first key of its ring and opens with any.
///
/// The ring's keys are never used directly: each service and each use has its own key, derived by HKDF-SHA-256
/// (RFC 5869), so that no key has two uses, even where services are given the same ring.
#[derive(Clone, Debug)]
pub struct Sealer {
    service: Service,
    ring: KeyRing,
}

impl Sealer {
    /// Of `service`, with its `KEY_ENCRYPTION_KEYS`.
    #[must_use]
    pub const fn new(service: Service, ring: KeyRing) -> Self {
        Self { service, ring }
    }

    /// Of `service`, as configured; without a configured ring, with the one in the keys' folder, made at the
    /// first start.
    ///
    /// # Errors
    /// If the file can be neither read nor made, or holds no ring.
    pub fn from_config(config: &SealingConfig, service: Service) -> io::Result<Self> {
        let ring = ring_or_file(
            config.key_encryption.as_ref(),
            &config.keys_dir,
            KEY_ENCRYPTION,
        )?;
        Ok(Self::new(service, ring))
    }

    /// Whose it is.
    #[must_use]
    pub const fn service(&self) -> Service {
        self.service
    }

    /// Seals `secret` with `data`.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn seal(&self, data: AssociatedData<'_>, secret: &[u8]) -> Result<String, SealError> {
        let (key_id, key) = self.ring.current();
        let mut nonce = [0_u8; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError::Crypto)?;
        let mut sealed = secret.to_vec();
        self.cipher(key)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(data.to_bytes(self.service)),
                &mut sealed,
            )
            .map_err(|_| SealError::Crypto)?;
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        Ok(format!(
            "{VERSION}.{key_id}.{}",
            URL_SAFE_NO_PAD.encode(bytes)
        ))
    }

    /// Opens what [`Sealer::seal`] made for the same `data`.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`], [`SealError::DoesNotOpen`].
    pub fn open(
        &self,
        data: AssociatedData<'_>,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (key_id, encoded) = sealed
            .strip_prefix(VERSION)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.split_once('.'))
            .ok_or(SealError::DoesNotOpen)?;
        let key = self.ring.get(key_id).ok_or(SealError::UnknownKey)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| SealError::DoesNotOpen)?;
        let (nonce, ciphertext) = bytes
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SealError::DoesNotOpen)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let opened = self
            .cipher(key)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(data.to_bytes(self.service)),
                &mut buffer,
            )
            .map_err(|_| SealError::DoesNotOpen)?
            .len();
        buffer.truncate(opened);
        Ok(buffer)
    }

    /// What [`Sealer::seal`] made for the same `data`, under the first key of the ring; `None` if it is already.
    ///
    /// # Errors
    /// Those of [`Sealer::open`] and [`Sealer::seal`].
    pub fn rewrap(
        &self,
        data: AssociatedData<'_>,
        sealed: &str,
    ) -> Result<Option<String>, SealError> {
        let current = format!("{VERSION}.{}.", self.ring.current().0);
        if sealed.starts_with(&current) {
            return Ok(None);
        }
        let secret = self.open(data, sealed)?;
        self.seal(data, &secret).map(Some)
    }

    /// A key for HMAC-SHA-256 that is used for `purpose` alone, derived from the first key of the ring.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn derive_hmac_key(&self, purpose: &str) -> Result<hmac::Key, SealError> {
        let secret = self.derive(self.ring.current().1, purpose)?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice()))
    }

    /// A ring with a key derived from each of this one's, under the same ids, for `purpose` alone: what is made under the
    /// first verifies for as long as the key it was derived from stays in the ring.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn derive_ring(&self, purpose: &str) -> Result<KeyRing, SealError> {
        let derived = |(id, key): (&str, &[u8; KEY_LEN])| {
            let derived = self.derive(key, purpose)?;
            Ok((id.to_owned(), *derived))
        };
        let keys: Zeroizing<Vec<_>> = Zeroizing::new(
            self.ring
                .iter()
                .map(derived)
                .collect::<Result<_, SealError>>()?,
        );
        KeyRing::new(keys.iter().cloned()).map_err(|_| SealError::Crypto)
    }

    fn cipher(&self, key: &[u8; KEY_LEN]) -> Result<LessSafeKey, SealError> {
        let secret = self.derive(key, "seal AES-256-GCM")?;
        UnboundKey::new(&AES_256_GCM, secret.as_slice())
            .map(LessSafeKey::new)
            .map_err(|_| SealError::Crypto)
    }

    fn derive(
        &self,
        key: &[u8; KEY_LEN],
        purpose: &str,
    ) -> Result<Zeroizing<[u8; KEY_LEN]>, SealError> {
        let salt = format!("user-domain {}", self.service);
        let mut out = Zeroizing::new([0_u8; KEY_LEN]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, salt.as_bytes())
            .extract(key)
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(out.as_mut_slice()))
            .map_err(|_| SealError::Crypto)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use proptest::prelude::*;

    use super::*;

    /// A sealer of auth with a ring of those ids; the keys differ by id.
    fn sealer(ids: &[&str]) -> Sealer {
        let keys = ids.iter().map(|id| {
            let key = digest(&SHA256, id.as_bytes()).as_ref().try_into().unwrap();
            ((*id).to_owned(), key)
        });
        Sealer::new(Service::Auth, KeyRing::new(keys).unwrap())
    }

    const ASSOCIATED_DATA: AssociatedData<'_> = AssociatedData {
        table: "signing_keys",
        column: "sealed_key",
        row: "k1",
        purpose: "sign access tokens",
    };

    #[test]
    fn a_sealed_value_opens_in_its_place_only() {
        let sealer = sealer(&["a"]);
        let sealed = sealer.seal(ASSOCIATED_DATA, b"secret").unwrap();
        assert_eq!(
            sealer.open(ASSOCIATED_DATA, &sealed).unwrap().as_slice(),
            b"secret"
        );
        let of_profile = Sealer::new(Service::Profile, sealer.ring.clone());
        assert_eq!(
            of_profile.open(ASSOCIATED_DATA, &sealed),
            Err(SealError::DoesNotOpen)
        );
        let other = |change: fn(&mut AssociatedData<'static>)| {
            let mut data = ASSOCIATED_DATA;
            change(&mut data);
            sealer.open(data, &sealed).unwrap_err()
        };
        for error in [
            other(|p| p.table = "other"),
            other(|p| p.column = "other"),
            other(|p| p.row = "k2"),
            other(|p| p.purpose = "other"),
            // The same bytes in a row, split elsewhere.
            other(|p| (p.table, p.column) = ("signing_key", "ssealed_key")),
        ] {
            assert_eq!(error, SealError::DoesNotOpen);
        }
    }

    /// Whoever has one service's ring, and be it everybody's, opens that service's secrets alone.
    #[test]
    fn no_service_opens_what_another_sealed() {
        let ring = sealer(&["a", "b"]).ring;
        for of in Service::ALL {
            let sealed = Sealer::new(of, ring.clone())
                .seal(ASSOCIATED_DATA, b"x")
                .unwrap();
            for by in Service::ALL {
                let opened = Sealer::new(by, ring.clone()).open(ASSOCIATED_DATA, &sealed);
                assert_eq!(opened.is_ok(), of == by, "{by} opens what {of} sealed");
            }
        }
    }

    #[test]
    fn the_ring_turns() {
        let old = sealer(&["old"]);
        let both = sealer(&["new", "old"]);
        let new = sealer(&["new"]);
        let sealed = old.seal(ASSOCIATED_DATA, b"x").unwrap();
        assert_eq!(
            both.open(ASSOCIATED_DATA, &sealed).unwrap().as_slice(),
            b"x"
        );
        assert_eq!(
            new.open(ASSOCIATED_DATA, &sealed),
            Err(SealError::UnknownKey)
        );
        assert!(
            both.seal(ASSOCIATED_DATA, b"x")
                .unwrap()
                .starts_with("v1.new.")
        );
        let rewrapped = both.rewrap(ASSOCIATED_DATA, &sealed).unwrap().unwrap();
        assert_eq!(
            new.open(ASSOCIATED_DATA, &rewrapped).unwrap().as_slice(),
            b"x"
        );
        assert_eq!(both.rewrap(ASSOCIATED_DATA, &rewrapped), Ok(None));
        assert_eq!(
            new.rewrap(ASSOCIATED_DATA, &sealed),
            Err(SealError::UnknownKey)
        );
    }

    #[test]
    fn the_same_secret_sealed_twice_looks_different() {
        let sealer = sealer(&["a"]);
        assert_ne!(
            sealer.seal(ASSOCIATED_DATA, b"x"),
            sealer.seal(ASSOCIATED_DATA, b"x")
        );
    }

    #[test]
    fn derived_keys_differ_by_purpose() {
        let sealer = sealer(&["a"]);
        let tag = |purpose| {
            let key = sealer.derive_hmac_key(purpose).unwrap();
            hmac::sign(&key, b"x").as_ref().to_vec()
        };
        assert_eq!(tag("one"), tag("one"));
        assert_ne!(tag("one"), tag("two"));
    }

    #[test]
    fn a_derived_ring_has_the_ids_and_other_keys() {
        let sealer = sealer(&["new", "old"]);
        let ring = sealer.derive_ring("one").unwrap();
        assert_eq!(ring.current().0, "new");
        for (id, key) in sealer.ring.iter() {
            let derived = ring.get(id).unwrap();
            assert_ne!(derived, key);
            assert_ne!(Some(derived), sealer.derive_ring("two").unwrap().get(id));
        }
        // The order in the ring does not matter.
        let turned = super::tests::sealer(&["old", "new"]);
        assert_eq!(
            turned.derive_ring("one").unwrap().get("old"),
            ring.get("old")
        );
    }

    proptest! {
        #[test]
        fn no_changed_byte_opens(secret in prop::collection::vec(any::<u8>(), 0..64), at: prop::sample::Index, with in 1_u8..128) {
            let sealer = sealer(&["a"]);
            let sealed = sealer.seal(ASSOCIATED_DATA, &secret).unwrap();
            let mut bytes = sealed.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= with;
            let opened = String::from_utf8(bytes).ok().and_then(|text| sealer.open(ASSOCIATED_DATA, &text).ok());
            prop_assert!(opened.is_none());
        }

        #[test]
        fn rubbish_does_not_open(text in ".{0,80}") {
            prop_assert!(sealer(&["a"]).open(ASSOCIATED_DATA, &text).is_err());
        }
    }
}
