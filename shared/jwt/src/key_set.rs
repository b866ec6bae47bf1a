use std::{collections::HashMap, sync::Arc};

use crate::{
    SigningKey,
    algorithm::Algorithm,
    error::{KeyError, KeySetError},
    jwk::{self, MAX_KEYS},
    verification_key::VerificationKey,
};

/// Keys that verify, by `kid`, each with the one algorithm it is for. At most 16.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: HashMap<String, Arc<VerificationKey>>,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517), whole or not at all.
    ///
    /// # Errors
    /// Over 64 KiB, over 16 keys, none; a private or symmetric key; a `kid` missing or given twice; a
    /// missing or unknown `alg`; a `use` other than `sig`; a malformed key; a repeated JSON member.
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeySetError> {
        let keys = jwk::read_set(json)?;
        Self::collect(keys.iter().map(VerificationKey::from_jwk))
    }

    /// What verifies the tokens of these signing keys.
    ///
    /// # Errors
    /// Over 16 keys, or one of them twice.
    pub fn from_signing_keys<'a>(
        keys: impl IntoIterator<Item = &'a SigningKey>,
    ) -> Result<Self, KeySetError> {
        Self::collect(keys.into_iter().map(SigningKey::verification_key))
    }

    /// The one key of an HS256 issuer. Its `kid` is that of [`SigningKey::from_secret`].
    ///
    /// # Errors
    /// [`KeyError::TooShort`] below 32 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        let key = SigningKey::from_secret(secret)?;
        Self::from_signing_keys([&key]).map_err(|_| KeyError::Rejected)
    }

    fn collect(
        keys: impl Iterator<Item = Result<VerificationKey, KeySetError>>,
    ) -> Result<Self, KeySetError> {
        let mut set = HashMap::new();
        for key in keys {
            let key = key?;
            if set.insert(key.kid().to_owned(), Arc::new(key)).is_some() {
                return Err(KeySetError::DuplicateKid);
            }
            if set.len() > MAX_KEYS {
                return Err(KeySetError::TooMany);
            }
        }
        Ok(Self { keys: set })
    }

    /// The ids and algorithms of the keys, in no order.
    pub fn kids(&self) -> impl Iterator<Item = (&str, Algorithm)> {
        self.keys.values().map(|key| (key.kid(), key.algorithm()))
    }

    /// How many keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&Arc<VerificationKey>> {
        self.keys.get(kid)
    }

    /// Whether every key of this set is in `next`, too.
    pub(crate) fn is_kept_by(&self, next: &Self) -> bool {
        self.keys
            .values()
            .all(|key| next.get(key.kid()).is_some_and(|other| other.is_same(key)))
    }
}
