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

/// Returns the bytes that make the key, if it is one that nobody can sign for but its owner. `jsonwebtoken` would find
/// out with each signature, or not at all.
fn checked(parameters: &KeyParameters) -> Result<Vec<u8>, KeySetError> {
    let bytes = |text: &str| encoding::decode(text).ok_or(KeySetError::Key);
    match parameters {
        KeyParameters::Okp { x } => {
            let x = bytes(x)?;
            let y = <[u8; 32]>::try_from(x.as_slice()).map_err(|_| KeySetError::Key)?;
            if has_small_order(y) {
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
            if !(2_048..=4_096).contains(&bits(&n)) || e != [1, 0, 1] {
                return Err(KeySetError::Key);
            }
            RsaPublicKeyComponents { n: &n, e: &e }
                .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
                .map_err(|_| KeySetError::Key)?;
            Ok(n)
        }
    }
}

/// Returns the length of an odd number without a zero before it; 0 for another, which is no modulus.
fn bits(n: &[u8]) -> usize {
    match n {
        [first, .., last] if *first != 0 && last % 2 == 1 => {
            (n.len() - 1) * 8 + first.ilog2() as usize + 1
        }
        _ => 0,
    }
}

/// Whether an Ed25519 public key is one of the points of order 1, 2, 4 or 8, in whatever spelling: under those, anybody
/// can make signatures. RFC 8032 leaves refusing them to the application, and aws-lc does.
fn has_small_order(mut y: [u8; 32]) -> bool {
    // The sign of the other coordinate.
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// The second coordinates of those points, little endian.
const SMALL_ORDER: [[u8; 32]; 7] = [
    first_and_last(0, 0, 0),
    first_and_last(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    // p - 1; and 0 and 1 once more, as p and p + 1.
    first_and_last(0xec, 0xff, 0x7f),
    first_and_last(0xed, 0xff, 0x7f),
    first_and_last(0xee, 0xff, 0x7f),
];

const fn first_and_last(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey({} {})", self.algorithm, self.kid)
    }
}

fn fingerprint(algorithm: Algorithm, key: &[u8]) -> [u8; 32] {
    encoding::sha256(&[algorithm.as_str().as_bytes(), b"\0", key])
}
