//! Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037).

use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters,
    EllipticCurveKeyType, Jwk, OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse,
    RSAKeyParameters, RSAKeyType,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};

use crate::{
    algorithm::Algorithm,
    encoding::thumbprint,
    error::KeySetError,
    strict::{self, StrictError},
};

/// Largest JWK set read, in bytes.
pub const MAX_SET_BYTES: usize = 64 * 1024;
/// Most keys in a set.
pub const MAX_KEYS: usize = 16;
/// Longest `kid`, in bytes.
pub(crate) const MAX_KID_BYTES: usize = 128;

/// A public signature key. Serialises as a JWK with `use: sig`, `alg`, `kid`, `kty` and the members that make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicJwk {
    parameters: KeyParameters,
    kid: String,
}

/// The members that make the key; binary ones in base64url. The type of `jsonwebtoken` can be a symmetric or unknown key
/// as well; this one cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyParameters {
    /// On Ed25519.
    Okp {
        x: String,
    },
    /// On P-256.
    Ec {
        x: String,
        y: String,
    },
    Rsa {
        n: String,
        e: String,
    },
}

impl KeyParameters {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Okp { .. } => Algorithm::EdDsa,
            Self::Ec { .. } => Algorithm::Es256,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// RFC 7638: the required members in alphabetic order. All values are base64url, so nothing needs
    /// escaping.
    fn thumbprint(&self) -> String {
        thumbprint(&match self {
            Self::Okp { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Self::Ec { x, y } => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        })
    }

    fn of_library(&self) -> AlgorithmParameters {
        match self.clone() {
            Self::Okp { x } => AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x,
            }),
            Self::Ec { x, y } => AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                key_type: EllipticCurveKeyType::EC,
                curve: EllipticCurve::P256,
                x,
                y,
            }),
            Self::Rsa { n, e } => AlgorithmParameters::RSA(RSAKeyParameters {
                key_type: RSAKeyType::RSA,
                n,
                e,
            }),
        }
    }
}

impl PublicJwk {
    /// With its RFC 7638 thumbprint as `kid`.
    pub(crate) fn with_thumbprint(parameters: KeyParameters) -> Self {
        let kid = parameters.thumbprint();
        Self::with_kid(parameters, kid)
    }

    pub(crate) fn with_kid(parameters: KeyParameters, kid: String) -> Self {
        Self { parameters, kid }
    }

    /// Key id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm this key may be used with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.parameters.algorithm()
    }

    pub(crate) const fn parameters(&self) -> &KeyParameters {
        &self.parameters
    }

    /// Returns it as the type that `jsonwebtoken` writes and takes.
    pub(crate) fn of_library(&self) -> Jwk {
        Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(self.algorithm().of_library().into()),
                key_id: Some(self.kid.clone()),
                ..CommonParameters::default()
            },
            algorithm: self.parameters.of_library(),
        }
    }
}

impl Serialize for PublicJwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.of_library().serialize(serializer)
    }
}

/// A JWK set, to be served or written to a file. Reading one gives a [`crate::KeySet`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<PublicJwk>,
}

impl FromIterator<PublicJwk> for JwkSet {
    fn from_iter<I: IntoIterator<Item = PublicJwk>>(keys: I) -> Self {
        Self {
            keys: keys.into_iter().collect(),
        }
    }
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<RawJwk>,
}

/// A key as others write it. The reader of `jsonwebtoken` would take one that is private, has no `alg` or an unknown one,
/// is for encryption, or has a member twice. Members it does not know are ignored (RFC 7517 section 4); those that hold a
/// secret are known, and refused.
#[derive(Deserialize)]
struct RawJwk {
    kty: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    kid: Option<String>,
    #[serde(default, deserialize_with = "is_there")]
    k: bool,
    #[serde(default, deserialize_with = "is_there")]
    d: bool,
    #[serde(default, deserialize_with = "is_there")]
    p: bool,
    #[serde(default, deserialize_with = "is_there")]
    q: bool,
    #[serde(default, deserialize_with = "is_there")]
    dp: bool,
    #[serde(default, deserialize_with = "is_there")]
    dq: bool,
    #[serde(default, deserialize_with = "is_there")]
    qi: bool,
    #[serde(default, deserialize_with = "is_there")]
    oth: bool,
}

/// Also for `null`.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl RawJwk {
    const fn is_private(&self) -> bool {
        self.d || self.p || self.q || self.dp || self.dq || self.qi || self.oth
    }

    fn into_public(self) -> Result<PublicJwk, KeySetError> {
        if self.k || self.kty.as_deref() == Some("oct") {
            return Err(KeySetError::Symmetric);
        }
        if self.is_private() {
            return Err(KeySetError::Private);
        }
        if self.usage.is_some_and(|usage| usage != "sig") {
            return Err(KeySetError::Use);
        }
        let kid = self
            .kid
            .filter(|kid| (1..=MAX_KID_BYTES).contains(&kid.len()))
            .ok_or(KeySetError::Kid)?;
        let alg = self.alg.as_deref();
        let crv = self.crv.as_deref();
        let parameters = match (alg, self.kty.as_deref(), crv) {
            (Some("EdDSA"), Some("OKP"), Some("Ed25519")) => {
                self.x.map(|x| KeyParameters::Okp { x })
            }
            (Some("ES256"), Some("EC"), Some("P-256")) => {
                self.x.zip(self.y).map(|(x, y)| KeyParameters::Ec { x, y })
            }
            (Some("RS256"), Some("RSA"), None) => {
                self.n.zip(self.e).map(|(n, e)| KeyParameters::Rsa { n, e })
            }
            _ => return Err(KeySetError::Algorithm),
        };
        Ok(PublicJwk::with_kid(
            parameters.ok_or(KeySetError::Key)?,
            kid,
        ))
    }
}

/// Every key of a JWK set, or an error if one of them is not as it should be.
pub(crate) fn read_set(json: &[u8]) -> Result<Vec<PublicJwk>, KeySetError> {
    if json.len() > MAX_SET_BYTES {
        return Err(KeySetError::TooLarge);
    }
    let set: RawSet = strict::object_from_slice(json).map_err(|e| match e {
        StrictError::Malformed => KeySetError::Malformed,
        StrictError::Repeated => KeySetError::Repeated,
    })?;
    if set.keys.is_empty() {
        return Err(KeySetError::Empty);
    }
    if set.keys.len() > MAX_KEYS {
        return Err(KeySetError::TooMany);
    }
    set.keys.into_iter().map(RawJwk::into_public).collect()
}
