//! Keys that check signatures of one algorithm.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use jsonwebtoken::{DecodingKey, crypto::aws_lc::DEFAULT_PROVIDER};

use crate::{
    algorithm::Algorithm,
    encoding,
    error::{KeyError, KeySetError},
    jwk::{KeyParameters, PublicJwk},
};

/// Shortest secret for [`Algorithm::Hs256`], in bytes (RFC 7518 section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// A key that checks signatures of one algorithm under one `kid`.
pub(crate) struct VerificationKey {
    kid: String,
    algorithm: Algorithm,
    /// SHA-256 over algorithm and key: tells whether a `kid` still means the same key.
    fingerprint: [u8; 32],
    key: DecodingKey,
}

impl VerificationKey {
    pub(crate) fn from_jwk(jwk: &PublicJwk) -> Result<Self, KeySetError> {
        let public = checked(jwk.parameters())?;
        Ok(Self {
            kid: jwk.kid().to_owned(),
            algorithm: jwk.algorithm(),
            fingerprint: fingerprint(jwk.algorithm(), &public),
            key: DecodingKey::from_jwk(&jwk.of_library()).map_err(|_| KeySetError::Key)?,
        })
    }

    pub(crate) fn from_secret(kid: String, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::TooShort);
        }
        Ok(Self {
            kid,
            algorithm: Algorithm::Hs256,
            fingerprint: fingerprint(Algorithm::Hs256, secret),
            key: DecodingKey::from_secret(secret).map_err(|_| KeyError::TooShort)?,
        })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.kid == other.kid && self.fingerprint == other.fingerprint
    }

    /// Whether `signature`, decoded, is this key's over `message`. The provider of cryptography is named: the
    /// process-wide one of `jsonwebtoken` may be anybody's.
    pub(crate) fn verify(&self, message: &[u8], signature: Vec<u8>) -> bool {
        let algorithm = self.algorithm.of_library();
        (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &self.key)
            .is_ok_and(|verifier| verifier.verify(message, &signature).is_ok())
    }
}

/// Returns the bytes that make the key, if they are as they should be. `jsonwebtoken` would find out with each signature,
/// or not at all.
fn checked(parameters: &KeyParameters) -> Result<Vec<u8>, KeySetError> {
    let bytes = |text: &str| encoding::decode(text).ok_or(KeySetError::Key);
    match parameters {
        KeyParameters::Okp { x } => {
            let x = bytes(x)?;
            if x.len() != 32 {
                return Err(KeySetError::Key);
            }
            Ok(x)
        }
        KeyParameters::Ec { x, y } => {
            let (x, y) = (bytes(x)?, bytes(y)?);
            if x.len() != 32 || y.len() != 32 {
                return Err(KeySetError::Key);
            }
            // SEC 1, uncompressed point. Parsing checks that it is on the curve.
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).map_err(|_| KeySetError::Key)?;
            Ok(point)
        }
        KeyParameters::Rsa { n, e } => {
            let (n, e) = (bytes(n)?, bytes(e)?);
            // 2,048 to 4,096 bits: weaker is unsafe, longer lets the set cost us time. The one
            // exponent that everybody uses.
            if !(256..=512).contains(&n.len()) || e != [1, 0, 1] {
                return Err(KeySetError::Key);
            }
            RsaPublicKeyComponents { n: &n, e: &e }
                .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
                .map_err(|_| KeySetError::Key)?;
            Ok(n)
        }
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey({} {})", self.algorithm, self.kid)
    }
}

fn fingerprint(algorithm: Algorithm, key: &[u8]) -> [u8; 32] {
    encoding::sha256(&[algorithm.as_str().as_bytes(), b"\0", key])
}
