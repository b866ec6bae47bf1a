#![doc = include_str!("../README.md")]

mod server_key;

use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use ud_kernel::Timestamp;
use ud_seal::{AssociatedData, SealError, Sealer};
use zeroize::Zeroizing;

pub use server_key::{ServerKey, ServerKeyError};

/// How long a client's key is remembered.
const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// The end of time: the last instant of the year 9999.
const NEVER: Timestamp = Timestamp::from_millis(253_402_300_799_000);

/// Name of the row of `server_keys` that holds the secret.
const SERVER_KEY: &str = "idempotency";

/// Where the secret is kept, in the database of each service that has one.
const ASSOCIATED_DATA: AssociatedData<'_> = AssociatedData {
    table: "server_keys",
    column: "sealed_key",
    row: SERVER_KEY,
    purpose: "authenticate idempotency keys",
};

/// Makes what is stored of keys. The secret is 32 random bytes that the service makes at its first start and keeps
/// sealed.
pub struct IdempotencyKeys(hmac::Key);

impl std::fmt::Debug for IdempotencyKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdempotencyKeys")
    }
}

/// What is stored of one request's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// HMAC of operation and key.
    pub id: String,
    /// HMAC of the body.
    pub fingerprint: String,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

impl IdempotencyKeys {
    /// With the server key of that secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// A new secret, sealed.
    ///
    /// # Errors
    /// [`SealError::Crypto`] if the system gives no random bytes.
    fn new_sealed(sealer: &Sealer) -> Result<String, SealError> {
        let mut secret = Zeroizing::new([0_u8; 32]);
        rand::fill(secret.as_mut_slice()).map_err(|_| SealError::Crypto)?;
        sealer.seal(ASSOCIATED_DATA, secret.as_slice())
    }

    /// With the secret that was sealed by [`IdempotencyKeys::new_sealed`].
    ///
    /// # Errors
    /// [`SealError::UnknownKey`], [`SealError::DoesNotOpen`].
    fn open(sealer: &Sealer, sealed: &str) -> Result<Self, SealError> {
        Ok(Self::new(&sealer.open(ASSOCIATED_DATA, sealed)?))
    }

    /// The sealed secret under the first key of the ring; `None` if it is already.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`], [`SealError::DoesNotOpen`].
    fn rewrapped(sealer: &Sealer, sealed: &str) -> Result<Option<String>, SealError> {
        sealer.rewrap(ASSOCIATED_DATA, sealed)
    }

    /// The record of a client's key for `operation`, remembered for a day.
    ///
    /// The body is authenticated under a key made of the server key and the client's: the body of a
    /// registration holds a password, and who reads the database, server key included, could otherwise try
    /// passwords against the fingerprint faster than against any password hash.
    #[must_use]
    pub fn record(
        &self,
        operation: &str,
        key: &str,
        body: &[Option<&str>],
        now: Timestamp,
    ) -> IdempotencyRecord {
        self.make(operation, key, body, now.plus(MEMORY))
    }

    /// The record of something that is done once in the life of the installation.
    #[must_use]
    pub fn record_for_ever(&self, operation: &str, body: &[Option<&str>]) -> IdempotencyRecord {
        self.make(operation, "", body, NEVER)
    }

    fn make(
        &self,
        operation: &str,
        key: &str,
        body: &[Option<&str>],
        expires_at: Timestamp,
    ) -> IdempotencyRecord {
        let id = tag(&self.0, &[Some("id"), Some(operation), Some(key)]);
        let body_key = tag(&self.0, &[Some("body"), Some(operation), Some(key)]);
        let body_key = hmac::Key::new(hmac::HMAC_SHA256, body_key.as_ref());
        IdempotencyRecord {
            id: hex::encode(id),
            fingerprint: hex::encode(tag(&body_key, body)),
            expires_at,
        }
    }
}

/// HMAC-SHA-256 of `parts`, each preceded by whether it is there and its length: no two lists give the same
/// bytes.
fn tag(key: &hmac::Key, parts: &[Option<&str>]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        let bytes = part.unwrap_or_default().as_bytes();
        context.update(&[u8::from(part.is_some())]);
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    }
    context.sign()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ud_config::KeyRing;
    use ud_kernel::Service;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn the_same_request_has_the_same_record_and_no_other_has() {
        let keys = IdempotencyKeys::new(&[7; 32]);
        let record = |key: &str, body: &[Option<&str>]| keys.record("register", key, body, NOW);
        let one = record("key-1", &[Some("a"), None]);
        assert_eq!(one, record("key-1", &[Some("a"), None]));
        assert_eq!(one.expires_at, NOW.plus(MEMORY));
        let bodies: [&[Option<&str>]; 5] = [
            &[Some("a"), Some("")],
            &[None, Some("a")],
            &[Some("a")],
            &[Some("b"), None],
            &[Some("a"), None, None],
        ];
        let mut seen = HashSet::from([one.fingerprint.clone()]);
        for body in bodies {
            let other = record("key-1", body);
            assert_eq!(other.id, one.id);
            assert!(seen.insert(other.fingerprint), "{body:?}");
        }
        let other_key = record("key-2", &[Some("a"), None]);
        assert_ne!(other_key.id, one.id);
        assert!(seen.insert(other_key.fingerprint));
        let operation = keys.record("other", "key-1", &[Some("a"), None], NOW);
        assert_ne!(operation.id, one.id);
        let server =
            IdempotencyKeys::new(&[8; 32]).record("register", "key-1", &[Some("a"), None], NOW);
        assert_ne!(server.id, one.id);
    }

    #[test]
    fn nothing_of_key_or_body_is_in_the_record() {
        let keys = IdempotencyKeys::new(&[7; 32]);
        let record = keys.record(
            "register",
            "client-key-0123456789",
            &[Some("hunter2hunter2")],
            NOW,
        );
        let text = format!("{record:?} {keys:?}");
        assert!(!text.contains("client-key") && !text.contains("hunter2"));
        assert_eq!((record.id.len(), record.fingerprint.len()), (64, 64));
    }

    #[test]
    fn the_secret_is_sealed_and_opens_for_its_service_only() {
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"k"), b"k");
        let key = key.as_ref().try_into().unwrap();
        let ring = KeyRing::new([("a".to_owned(), key)]).unwrap();
        let sealer = |service| Sealer::new(service, ring.clone());
        let sealed = IdempotencyKeys::new_sealed(&sealer(Service::Audit)).unwrap();
        assert_ne!(
            Ok(&sealed),
            IdempotencyKeys::new_sealed(&sealer(Service::Audit)).as_ref()
        );
        let record = |keys: IdempotencyKeys| keys.record("register", "key-1", &[], NOW);
        let open = || IdempotencyKeys::open(&sealer(Service::Audit), &sealed).unwrap();
        assert_eq!(record(open()), record(open()));
        let other = IdempotencyKeys::open(&sealer(Service::Profile), &sealed);
        assert_eq!(other.unwrap_err(), SealError::DoesNotOpen);
    }
}
