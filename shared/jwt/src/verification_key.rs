//! Keys that check signatures of one algorithm.

use std::fmt;

use aws_lc_rs::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RsaPublicKeyComponents,
    },
};

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
    material: Material,
}

enum Material {
    Public(ParsedPublicKey),
    Secret(hmac::Key),
}

impl VerificationKey {
    pub(crate) fn from_jwk(jwk: &PublicJwk) -> Result<Self, KeySetError> {
        let bytes = |text: &str| encoding::decode(text).ok_or(KeySetError::Key);
        let (material, public) = match jwk.parameters() {
            KeyParameters::Okp { x, .. } => {
                let x = bytes(x)?;
                if x.len() != 32 {
                    return Err(KeySetError::Key);
                }
                (ParsedPublicKey::new(&ED25519, &x), x)
            }
            KeyParameters::Ec { x, y, .. } => {
                let (x, y) = (bytes(x)?, bytes(y)?);
                if x.len() != 32 || y.len() != 32 {
                    return Err(KeySetError::Key);
                }
                // SEC 1, uncompressed point.
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                (
                    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point),
                    point,
                )
            }
            KeyParameters::Rsa { n, e } => {
                let (n, e) = (bytes(n)?, bytes(e)?);
                // 2,048 to 4,096 bits: weaker is unsafe, longer lets the set cost us time. The one
                // exponent that everybody uses.
                if !(256..=512).contains(&n.len()) || e != [1, 0, 1] {
                    return Err(KeySetError::Key);
                }
                let components = RsaPublicKeyComponents { n: &n, e: &e };
                (
                    components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256),
                    n,
                )
            }
        };
        Ok(Self {
            kid: jwk.kid().to_owned(),
            algorithm: jwk.algorithm(),
            fingerprint: fingerprint(jwk.algorithm(), &public),
            material: Material::Public(material.map_err(|_| KeySetError::Key)?),
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
            material: Material::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret)),
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

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(key) => key.verify_sig(message, signature).is_ok(),
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
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
