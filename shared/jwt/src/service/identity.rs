use aws_lc_rs::{
    encoding::AsBigEndian as _,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde::{Deserialize, Serialize};
use ud_kernel::Service;
use zeroize::Zeroizing;

use crate::{
    encoding,
    error::{KeyError, SignError},
    jwk::{KeyParameters, PublicJwk},
    strict,
};

/// The private key by which a service proves who it is.
pub struct IdentityKey {
    service: Service,
    pair: Ed25519KeyPair,
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
        Ed25519KeyPair::generate()
            .map(|pair| Self { service, pair })
            .map_err(|_| KeyError::Generation)
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
        Ed25519KeyPair::from_seed_and_public_key(&seed, &public)
            .map(|pair| Self { service, pair })
            .map_err(|_| KeyError::Rejected)
    }

    /// The content of the key file: a private JWK, one line. The file must be readable by the service
    /// alone (mode 0600).
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if the library does not give the key out.
    pub fn to_private_jwk(&self) -> Result<Zeroizing<String>, KeyError> {
        let seed = self.pair.seed().map_err(|_| KeyError::Rejected)?;
        let seed = seed.as_be_bytes().map_err(|_| KeyError::Rejected)?;
        let jwk = PrivateJwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: encoding::encode(self.pair.public_key().as_ref()),
            d: Zeroizing::new(encoding::encode(seed.as_ref())),
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
            KeyParameters::ed25519(encoding::encode(self.pair.public_key().as_ref())),
            self.service.as_str().to_owned(),
        )
    }

    /// Whose key it is.
    #[must_use]
    pub const fn service(&self) -> Service {
        self.service
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.pair
            .try_sign(message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| SignError::Failed)
    }
}

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityKey({})", self.service)
    }
}
