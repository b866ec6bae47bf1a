//! Key pairs as aws-lc-rs makes, checks and stores them. `jsonwebtoken` makes no keys, and checks a private one only when
//! it signs.

use aws_lc_rs::{
    encoding::{AsBigEndian as _, AsDer, Pkcs8V1Der},
    error::{KeyRejected, Unspecified},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
    },
};
use jsonwebtoken::EncodingKey;
use zeroize::Zeroizing;

use crate::{algorithm::Algorithm, encoding, error::KeyError, jwk::KeyParameters};

/// How many bytes PKCS#8 has before the PKCS#1 form of an RSA key: version, algorithm, and two lengths that for keys of
/// 2,048 to 8,192 bits take two bytes each.
const RSA_ENVELOPE_BYTES: usize = 26;

/// The two halves of a key.
pub(crate) enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Pair {
    /// A new random pair; RSA with 2,048 bits.
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Self::Ed25519),
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::P256)
            }
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Self::Rsa),
            Algorithm::Hs256 => return Err(KeyError::SharedSecret),
        };
        pair.map_err(|_| KeyError::Generation)
    }

    /// Reads PKCS#8 DER of this algorithm.
    pub(crate) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Self::Ed25519),
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Self::P256)
            }
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(der).map(Self::Rsa),
            Algorithm::Hs256 => return Err(KeyError::SharedSecret),
        };
        pair.map_err(rejected)
    }

    /// Reads what [`Pair::encoding_key`] gave.
    pub(crate) fn from_encoding_key(
        algorithm: Algorithm,
        key: &EncodingKey,
    ) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::Rs256 => RsaKeyPair::from_der(key.as_bytes())
                .map(Self::Rsa)
                .map_err(rejected),
            _ => Self::from_pkcs8(algorithm, key.as_bytes()),
        }
    }

    /// Returns PKCS#8 DER, version 1.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = match self {
            Self::Ed25519(pair) => pair.to_pkcs8v1().map(|d| d.as_ref().to_vec()),
            Self::P256(pair) => pair.to_pkcs8v1().map(|d| d.as_ref().to_vec()),
            Self::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|d| d.as_ref().to_vec()),
        };
        document.map(Zeroizing::new).map_err(failed)
    }

    /// Returns the private half as `jsonwebtoken` takes it: RSA in PKCS#1, the others in PKCS#8.
    pub(crate) fn encoding_key(&self) -> Result<EncodingKey, KeyError> {
        let pkcs8 = self.to_pkcs8()?;
        match self {
            Self::Ed25519(_) => Ok(EncodingKey::from_ed_der(&pkcs8)),
            Self::P256(_) => Ok(EncodingKey::from_ec_der(&pkcs8)),
            Self::Rsa(_) => {
                let pkcs1 = pkcs8.get(RSA_ENVELOPE_BYTES..).ok_or(KeyError::Rejected)?;
                let inner = RsaKeyPair::from_der(pkcs1).map_err(rejected)?;
                // Whatever was cut off: aws-lc-rs reads the rest as this very key.
                if Self::Rsa(inner).to_pkcs8()? != pkcs8 {
                    return Err(KeyError::Rejected);
                }
                Ok(EncodingKey::from_rsa_der(pkcs1))
            }
        }
    }

    /// Returns the members of the public JWK.
    pub(crate) fn parameters(&self) -> Option<KeyParameters> {
        match self {
            Self::Ed25519(pair) => Some(KeyParameters::Okp {
                x: encoding::encode(pair.public_key().as_ref()),
            }),
            Self::P256(pair) => {
                // SEC 1, uncompressed: 4, x, y.
                let (_, point) = pair.public_key().as_ref().split_first()?;
                let (x, y) = point.split_at_checked(32)?;
                Some(KeyParameters::Ec {
                    x: encoding::encode(x),
                    y: encoding::encode(y),
                })
            }
            Self::Rsa(pair) => {
                let public = pair.public_key();
                Some(KeyParameters::Rsa {
                    n: encoding::encode(public.modulus().big_endian_without_leading_zero()),
                    e: encoding::encode(public.exponent().big_endian_without_leading_zero()),
                })
            }
        }
    }

    /// Returns the private half of an Ed25519 key as RFC 8037 writes it in `d`.
    pub(crate) fn seed(&self) -> Result<Zeroizing<String>, KeyError> {
        let Self::Ed25519(pair) = self else {
            return Err(KeyError::Rejected);
        };
        let seed = pair.seed().map_err(failed)?;
        let seed = seed.as_be_bytes().map_err(failed)?;
        Ok(Zeroizing::new(encoding::encode(seed.as_ref())))
    }

    /// Returns the length of a signature in bytes.
    pub(crate) fn signature_bytes(&self) -> usize {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa.signature_bytes(),
            Self::P256(_) => Algorithm::Es256.signature_bytes(),
            Self::Rsa(pair) => pair.public_modulus_len(),
        }
    }
}

fn rejected(_: KeyRejected) -> KeyError {
    KeyError::Rejected
}

fn failed(_: Unspecified) -> KeyError {
    KeyError::Rejected
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_rsa_key_of_any_size_is_the_same_key_in_either_form() {
        for size in [KeySize::Rsa2048, KeySize::Rsa3072, KeySize::Rsa4096] {
            let pair = Pair::Rsa(RsaKeyPair::generate(size).unwrap());
            let key = pair.encoding_key().unwrap();
            let again = Pair::from_encoding_key(Algorithm::Rs256, &key).unwrap();
            assert_eq!(again.parameters(), pair.parameters());
            assert_eq!(again.to_pkcs8().unwrap(), pair.to_pkcs8().unwrap());
            assert_eq!(again.signature_bytes(), size.len());
        }
    }
}
