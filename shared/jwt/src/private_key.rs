//! Signing, by the crate `jsonwebtoken` over aws-lc-rs.

use std::{
    cell::RefCell,
    ptr,
    sync::{Arc, Weak},
};

use jsonwebtoken::{
    EncodingKey,
    crypto::{JwtSigner, aws_lc::DEFAULT_PROVIDER},
};

use crate::{algorithm::Algorithm, error::SignError};

/// A private key or shared secret that signs with one algorithm.
///
/// `jsonwebtoken::crypto::sign` would parse the key for each signature, and take whatever provider of cryptography the
/// process has installed. So the provider is named, and the signer it makes of a key is kept: by thread, because it can
/// neither be sent nor shared.
pub(crate) struct PrivateKey {
    algorithm: Algorithm,
    key: Arc<EncodingKey>,
}

/// A signer of this thread.
struct Ready {
    /// What it was made of. While there is a reference of any kind, no other key has this address.
    key: Weak<EncodingKey>,
    signer: Box<dyn JwtSigner>,
}

thread_local! {
    static READY: RefCell<Vec<Ready>> = const { RefCell::new(Vec::new()) };
}

impl PrivateKey {
    /// A key whose form has been checked.
    pub(crate) fn new(algorithm: Algorithm, key: EncodingKey) -> Self {
        Self {
            algorithm,
            key: Arc::new(key),
        }
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn encoding_key(&self) -> &EncodingKey {
        &self.key
    }

    /// Returns the signature over `message`, as it stands in a token before it is encoded.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = READY.try_with(|ready| {
            let mut ready = ready.try_borrow_mut().map_err(|_| SignError::Failed)?;
            // Each time: a key that was revoked is not to stay in memory until the next new one comes.
            ready.retain(|known| known.key.strong_count() > 0);
            let own = |known: &&Ready| ptr::eq(known.key.as_ptr(), Arc::as_ptr(&self.key));
            if let Some(known) = ready.iter().find(own) {
                return try_sign(&*known.signer, message);
            }
            let algorithm = self.algorithm.of_library();
            let signer = (DEFAULT_PROVIDER.signer_factory)(&algorithm, &self.key)
                .map_err(|_| SignError::Failed)?;
            let signature = try_sign(&*signer, message)?;
            ready.push(Ready {
                key: Arc::downgrade(&self.key),
                signer,
            });
            Ok(signature)
        });
        // The thread is ending.
        signature.unwrap_or(Err(SignError::Failed))
    }
}

fn try_sign(signer: &dyn JwtSigner, message: &[u8]) -> Result<Vec<u8>, SignError> {
    signer.try_sign(message).map_err(|_| SignError::Failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::pair::Pair;

    fn key(algorithm: Algorithm) -> PrivateKey {
        let pair = Pair::generate(algorithm).unwrap();
        PrivateKey::new(algorithm, pair.encoding_key().unwrap())
    }

    fn ready() -> usize {
        READY.with_borrow(Vec::len)
    }

    #[test]
    fn a_thread_forgets_the_keys_that_are_gone() {
        let (first, second) = (key(Algorithm::EdDsa), key(Algorithm::Es256));
        for _ in 0..3 {
            first.sign(b"m").unwrap();
            second.sign(b"m").unwrap();
        }
        assert_eq!(ready(), 2);
        drop(first);
        second.sign(b"m").unwrap();
        assert_eq!(ready(), 1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(ready(), 0);
                second.sign(b"m").unwrap();
                assert_eq!(ready(), 1);
            });
        });
    }

    #[test]
    fn no_key_signs_for_another() {
        let keys: Vec<PrivateKey> = (0..8).map(|_| key(Algorithm::EdDsa)).collect();
        let signatures: Vec<_> = keys.iter().map(|key| key.sign(b"m").unwrap()).collect();
        for (at, key) in keys.iter().enumerate() {
            for (of, signature) in signatures.iter().enumerate() {
                assert_eq!(key.sign(b"m").unwrap() == *signature, at == of);
            }
        }
        // Nor one that comes to where another was.
        let mut seen = std::collections::HashSet::new();
        for _ in 0..64 {
            assert!(seen.insert(key(Algorithm::EdDsa).sign(b"m").unwrap()));
        }
        assert_eq!(ready(), 9);
    }

    #[test]
    fn a_key_of_another_algorithm_does_not_sign() {
        let pair = Pair::generate(Algorithm::EdDsa).unwrap();
        for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::Hs256] {
            let key = PrivateKey::new(algorithm, pair.encoding_key().unwrap());
            assert_eq!(key.sign(b"m"), Err(SignError::Failed), "{algorithm}");
        }
    }
}
