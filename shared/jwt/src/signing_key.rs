use jsonwebtoken::EncodingKey;
use zeroize::Zeroizing;

use crate::{
    ACCESS_TOKEN_TYPE, AccessClaims,
    algorithm::Algorithm,
    compact, encoding,
    encoding::thumbprint,
    error::{KeyError, KeySetError, SignError},
    jwk::PublicJwk,
    pair::Pair,
    private_key::PrivateKey,
    verification_key::{MIN_SECRET_BYTES, VerificationKey},
};

/// Length of a `kid` of ours: SHA-256 in base64url.
pub(crate) const KID_BYTES: usize = 43;

/// A key that signs access tokens with one algorithm. Its `kid` is its RFC 7638 thumbprint.
pub struct SigningKey {
    kid: String,
    /// Encoded header of the access tokens it signs: always the same.
    header: String,
    private: PrivateKey,
    signature_bytes: usize,
    /// None for a shared secret.
    public: Option<PublicJwk>,
}

impl SigningKey {
    /// A new random key; RSA with 2,048 bits.
    ///
    /// # Errors
    /// [`KeyError::Generation`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        if algorithm == Algorithm::Hs256 {
            let mut bytes = Zeroizing::new(vec![0; MIN_SECRET_BYTES]);
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Generation)?;
            return Self::from_secret(&bytes);
        }
        Self::from_pair(algorithm, &Pair::generate(algorithm)?)
    }

    /// Reads a private key in PKCS#8 DER (RFC 5208), as [`SigningKey::to_pkcs8`] writes it.
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if it is not one of this algorithm; [`KeyError::SharedSecret`] for HS256.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        Self::from_pair(algorithm, &Pair::from_pkcs8(algorithm, der)?)
    }

    /// The HS256 key of a shared secret.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] below 32 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::TooShort);
        }
        let canonical = Zeroizing::new(format!(
            r#"{{"k":"{}","kty":"oct"}}"#,
            *Zeroizing::new(encoding::encode(secret))
        ));
        Self::new(
            thumbprint(&canonical),
            Algorithm::Hs256,
            EncodingKey::from_secret(secret).map_err(|_| KeyError::TooShort)?,
            Algorithm::Hs256.signature_bytes(),
            None,
        )
    }

    fn from_pair(algorithm: Algorithm, pair: &Pair) -> Result<Self, KeyError> {
        let public = PublicJwk::with_thumbprint(pair.parameters().ok_or(KeyError::Rejected)?);
        Self::new(
            public.kid().to_owned(),
            algorithm,
            pair.encoding_key()?,
            pair.signature_bytes(),
            Some(public),
        )
    }

    fn new(
        kid: String,
        algorithm: Algorithm,
        key: EncodingKey,
        signature_bytes: usize,
        public: Option<PublicJwk>,
    ) -> Result<Self, KeyError> {
        let header = compact::encode_header(algorithm, ACCESS_TOKEN_TYPE, &kid)
            .map_err(|_| KeyError::Rejected)?;
        Ok(Self {
            private: PrivateKey::new(algorithm, key),
            kid,
            header,
            signature_bytes,
            public,
        })
    }

    /// PKCS#8 DER, version 1; wiped from memory when dropped. To be sealed before it is stored.
    ///
    /// # Errors
    /// [`KeyError::SharedSecret`] for HS256.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        Pair::from_encoding_key(self.algorithm(), self.private.encoding_key())?.to_pkcs8()
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.private.algorithm()
    }

    /// The key id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What others verify with; none for HS256, which has nothing to publish.
    #[must_use]
    pub fn public_jwk(&self) -> Option<PublicJwk> {
        self.public.clone()
    }

    /// Signs an access token: compact JWS with `typ: at+jwt`, `alg`, `kid`.
    ///
    /// # Errors
    /// [`SignError::TooLong`] over 4 KiB.
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, SignError> {
        compact::sign(&self.header, claims, |message| self.private.sign(message))
    }

    /// Checks, without signing, that a token of these claims is not too long: so that nothing is committed for a
    /// token that [`SigningKey::sign`] refuses.
    ///
    /// # Errors
    /// [`SignError::TooLong`] over 4 KiB.
    pub fn check_length(&self, claims: &AccessClaims) -> Result<(), SignError> {
        compact::check_length(&self.header, claims, self.signature_bytes)
    }

    pub(crate) fn verification_key(&self) -> Result<VerificationKey, KeySetError> {
        match &self.public {
            Some(jwk) => VerificationKey::from_jwk(jwk),
            None => {
                let secret = self.private.encoding_key().as_bytes();
                VerificationKey::from_secret(self.kid.clone(), secret).map_err(|_| KeySetError::Key)
            }
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm(), self.kid)
    }
}
