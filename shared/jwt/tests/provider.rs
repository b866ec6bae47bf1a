//! Whoever links this crate may install a provider of cryptography for the whole process. It is not asked: a test of its
//! own, because it can be installed once.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use jsonwebtoken::{
    Algorithm as Name, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::Result,
    signature::{Error, Signer, Verifier as Verifies},
};
use ud_jwt::{AccessClaims, Algorithm, KeySet, KeySource, Refusal, SigningKey, Verifier};
use ud_kernel::{Clock, SessionId, Timestamp, UserId};

/// Signs with nothing, and takes everything for signed.
struct Yes;

static ASKED: AtomicBool = AtomicBool::new(false);

impl Signer<Vec<u8>> for Yes {
    fn try_sign(&self, _: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(vec![0; 64])
    }
}

impl JwtSigner for Yes {
    fn algorithm(&self) -> Name {
        Name::EdDSA
    }
}

impl Verifies<Vec<u8>> for Yes {
    fn verify(&self, _: &[u8], _: &Vec<u8>) -> std::result::Result<(), Error> {
        Ok(())
    }
}

impl JwtVerifier for Yes {
    fn algorithm(&self) -> Name {
        Name::EdDSA
    }
}

fn signer(_: &Name, _: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    ASKED.store(true, Ordering::SeqCst);
    Ok(Box::new(Yes))
}

fn verifier(_: &Name, _: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    ASKED.store(true, Ordering::SeqCst);
    Ok(Box::new(Yes))
}

static EVERYTHING: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

#[test]
fn a_provider_that_somebody_installed_is_not_asked() {
    EVERYTHING.install_default().unwrap();
    let now = Timestamp::from_secs(1_800_000_000);
    let claims = AccessClaims {
        iss: "https://id.example".to_owned(),
        sub: UserId::new(now),
        sid: SessionId::new(now),
        iat: now.as_secs(),
        nbf: now.as_secs(),
        exp: now.as_secs() + 900,
        ..AccessClaims::largest("https://id.example", "user-domain")
    };
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let keys = KeySource::fixed(KeySet::from_signing_keys([&key]).unwrap());
        let clock = Clock::manual(now);
        let verifier = Verifier::new("https://id.example", "user-domain", keys, clock);
        let verify = |token: &str| verifier.verify(token).now_or_never().unwrap();
        let token = key.sign(&claims).unwrap();
        assert_eq!(verify(&token).unwrap().claims(), &claims);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let zeros = "A".repeat(signature.len());
        let refused = verify(&format!("{message}.{zeros}"));
        assert_eq!(refused, Err(Refusal::Signature.into()), "{algorithm}");
    }
    assert!(!ASKED.load(Ordering::SeqCst));
}
