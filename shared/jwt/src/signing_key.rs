use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    ACCESS_TOKEN_TYPE, AccessClaims,
    algorithm::Algorithm,
    compact, encoding,
    encoding::thumbprint,
    error::{KeyError, KeySetError, SignError},
    jwk::{KeyParameters, PublicJwk},
    verification_key::{MIN_SECRET_BYTES, VerificationKey},
};

/// Length of a `kid` of ours: SHA-256 in base64url.
pub(crate) const KID_BYTES: usize = 43;

/// A key that signs access tokens with one algorithm. Its `kid` is its RFC 7638 thumbprint.
pub struct SigningKey {
    algorithm: Algorithm,
    kid: String,
    /// Encoded header of the access tokens it signs: always the same.
    header: String,
    material: Material,
}

enum Material {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Secret {
        key: hmac::Key,
        bytes: Zeroizing<Vec<u8>>,
    },
}

impl SigningKey {
    /// A new random key; RSA with 2,048 bits.
    ///
    /// # Errors
    /// [`KeyError::Generation`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let material = match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Material::Ed25519),
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Material::P256)
            }
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Material::Rsa),
            Algorithm::Hs256 => {
                let mut bytes = Zeroizing::new(vec![0; MIN_SECRET_BYTES]);
                aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Generation)?;
                return Self::from_secret(&bytes);
            }
        };
        Self::new(algorithm, material.map_err(|_| KeyError::Generation)?)
    }

    /// Reads a private key in PKCS#8 DER (RFC 5208), as [`SigningKey::to_pkcs8`] writes it.
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if it is not one of this algorithm; [`KeyError::SharedSecret`] for HS256.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let material = match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Material::Ed25519),
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Material::P256)
            }
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(der).map(Material::Rsa),
            Algorithm::Hs256 => return Err(KeyError::SharedSecret),
        };
        Self::new(algorithm, material.map_err(|_| KeyError::Rejected)?)
    }

    /// The HS256 key of a shared secret.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] below 32 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::TooShort);
        }
        Self::new(
            Algorithm::Hs256,
            Material::Secret {
                key: hmac::Key::new(hmac::HMAC_SHA256, secret),
                bytes: Zeroizing::new(secret.to_vec()),
            },
        )
    }

    fn new(algorithm: Algorithm, material: Material) -> Result<Self, KeyError> {
        let kid = match &material {
            Material::Secret { bytes, .. } => {
                let canonical = Zeroizing::new(format!(
                    r#"{{"k":"{}","kty":"oct"}}"#,
                    *Zeroizing::new(encoding::encode(bytes))
                ));
                thumbprint(&canonical)
            }
            public => PublicJwk::with_thumbprint(parameters(public).ok_or(KeyError::Rejected)?)
                .kid()
                .to_owned(),
        };
        let header = compact::encode_header(algorithm, ACCESS_TOKEN_TYPE, &kid)
            .map_err(|_| KeyError::Rejected)?;
        Ok(Self {
            algorithm,
            kid,
            header,
            material,
        })
    }

    /// PKCS#8 DER, version 1; wiped from memory when dropped. To be sealed before it is stored.
    ///
    /// # Errors
    /// [`KeyError::SharedSecret`] for HS256.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = match &self.material {
            Material::Ed25519(pair) => pair.to_pkcs8v1().map(|d| d.as_ref().to_vec()),
            Material::P256(pair) => pair.to_pkcs8v1().map(|d| d.as_ref().to_vec()),
            Material::Rsa(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|d| d.as_ref().to_vec())
            }
            Material::Secret { .. } => return Err(KeyError::SharedSecret),
        };
        document.map(Zeroizing::new).map_err(|_| KeyError::Rejected)
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What others verify with; none for HS256, which has nothing to publish.
    #[must_use]
    pub fn public_jwk(&self) -> Option<PublicJwk> {
        parameters(&self.material).map(PublicJwk::with_thumbprint)
    }

    /// Signs an access token: compact JWS with `typ: at+jwt`, `alg`, `kid`.
    ///
    /// # Errors
    /// [`SignError::TooLong`] over 4 KiB.
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, SignError> {
        self.sign_with_header(&self.header, claims)
    }

    /// Checks, without signing, that a token of these claims is not too long: so that nothing is committed for a
    /// token that [`SigningKey::sign`] refuses.
    ///
    /// # Errors
    /// [`SignError::TooLong`] over 4 KiB.
    pub fn check_length(&self, claims: &AccessClaims) -> Result<(), SignError> {
        let signature_bytes = match &self.material {
            Material::Rsa(pair) => pair.public_modulus_len(),
            _ => self.algorithm.signature_bytes(),
        };
        compact::check_length(&self.header, claims, signature_bytes)
    }

    pub(crate) fn sign_with_header(
        &self,
        header: &str,
        claims: &impl Serialize,
    ) -> Result<String, SignError> {
        compact::sign(header, claims, |message| self.sign_bytes(message))
    }

    fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.material {
            Material::Ed25519(pair) => pair.try_sign(message).map(|s| s.as_ref().to_vec()),
            Material::P256(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|s| s.as_ref().to_vec()),
            Material::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .map(|()| signature)
            }
            Material::Secret { key, .. } => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
        .map_err(|_| SignError::Failed)
    }

    pub(crate) fn verification_key(&self) -> Result<VerificationKey, KeySetError> {
        match (&self.material, self.public_jwk()) {
            (Material::Secret { bytes, .. }, _) => {
                VerificationKey::from_secret(self.kid.clone(), bytes).map_err(|_| KeySetError::Key)
            }
            (_, Some(jwk)) => VerificationKey::from_jwk(&jwk),
            (_, None) => Err(KeySetError::Key),
        }
    }
}

/// The members of the public JWK; none for a shared secret.
fn parameters(material: &Material) -> Option<KeyParameters> {
    match material {
        Material::Ed25519(pair) => Some(KeyParameters::ed25519(encoding::encode(
            pair.public_key().as_ref(),
        ))),
        Material::P256(pair) => {
            // SEC 1, uncompressed: 4, x, y.
            let (_, point) = pair.public_key().as_ref().split_first()?;
            let (x, y) = point.split_at_checked(32)?;
            Some(KeyParameters::p256(
                encoding::encode(x),
                encoding::encode(y),
            ))
        }
        Material::Rsa(pair) => {
            let public = pair.public_key();
            Some(KeyParameters::Rsa {
                n: encoding::encode(public.modulus().big_endian_without_leading_zero()),
                e: encoding::encode(public.exponent().big_endian_without_leading_zero()),
            })
        }
        Material::Secret { .. } => None,
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm, self.kid)
    }
}
