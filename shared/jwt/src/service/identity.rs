use aws_lc_rs::signature::Ed25519KeyPair;
use serde::{Deserialize, Serialize};
use ud_kernel::Service;
use zeroize::Zeroizing;

use crate::{
    Algorithm, encoding,
    error::{KeyError, SignError},
    jwk::{KeyParameters, PublicJwk},
    pair::Pair,
    private_key::PrivateKey,
    strict,
};

/// The private key by which a service proves who it is.
pub struct IdentityKey {
    service: Service,
    private: PrivateKey,
    /// The public half.
    x: String,
}

/// A private JWK (RFC 8037 section 2): what `<SERVICE>_IDENTITY_KEY_FILE` holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivateJwk {
    kty: String,
    crv: String,
    x: String,
    d: Zeroizing<String>,
    #[serde(rename = "use")]
    usage: String,
    alg: String,
    kid: String,
}

impl IdentityKey {
    /// A new random key for `service`.
    ///
    /// # Errors
    /// [`KeyError::Generation`].
    pub fn generate(service: Service) -> Result<Self, KeyError> {
        Self::from_pair(service, &Pair::generate(Algorithm::EdDsa)?)
    }

    fn from_pair(service: Service, pair: &Pair) -> Result<Self, KeyError> {
        let Some(KeyParameters::Okp { x }) = pair.parameters() else {
            return Err(KeyError::Rejected);
        };
        let private = PrivateKey::new(Algorithm::EdDsa, pair.encoding_key()?);
        Ok(Self {
            service,
            private,
            x,
        })
    }

    /// Reads what [`IdentityKey::to_private_jwk`] wrote.
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if it is not a private Ed25519 JWK whose halves fit each other;
    /// [`KeyError::OtherService`] if its `kid` is not `service`.
    pub fn from_private_jwk(service: Service, json: &[u8]) -> Result<Self, KeyError> {
        let jwk: PrivateJwk = strict::object_from_slice(json).map_err(|_| KeyError::Rejected)?;
        if jwk.kty != "OKP" || jwk.crv != "Ed25519" || jwk.usage != "sig" || jwk.alg != "EdDSA" {
            return Err(KeyError::Rejected);
        }
        if jwk.kid != service.as_str() {
            return Err(KeyError::OtherService);
        }
        let seed = Zeroizing::new(encoding::decode(&jwk.d).ok_or(KeyError::Rejected)?);
        let public = encoding::decode(&jwk.x).ok_or(KeyError::Rejected)?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public)
            .map_err(|_| KeyError::Rejected)?;
        Self::from_pair(service, &Pair::Ed25519(pair))
    }

    /// The content of the key file: a private JWK, one line. The file must be readable by the service
    /// alone (mode 0600).
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if the library does not give the key out.
    pub fn to_private_jwk(&self) -> Result<Zeroizing<String>, KeyError> {
        let pair = Pair::from_encoding_key(Algorithm::EdDsa, self.private.encoding_key())?;
        let jwk = PrivateJwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: self.x.clone(),
            d: pair.seed()?,
            usage: "sig".to_owned(),
            alg: "EdDSA".to_owned(),
            kid: self.service.as_str().to_owned(),
        };
        serde_json::to_string(&jwk)
            .map(|json| Zeroizing::new(json + "\n"))
            .map_err(|_| KeyError::Rejected)
    }

    /// What the peers need, with the service's name as `kid`; the peers file is a [`crate::JwkSet`] of
    /// them.
    #[must_use]
    pub fn public_jwk(&self) -> PublicJwk {
        PublicJwk::with_kid(
            KeyParameters::Okp { x: self.x.clone() },
            self.service.as_str().to_owned(),
        )
    }

    /// Whose key it is.
    #[must_use]
    pub const fn service(&self) -> Service {
        self.service
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.private.sign(message)
    }
}

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityKey({})", self.service)
    }
}
