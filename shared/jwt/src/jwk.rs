//! Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037).

use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};

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

/// A public signature key. Serialises as a JWK with `kty`, its members, `use: sig`, `alg` and `kid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    #[serde(flatten)]
    parameters: KeyParameters,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: Algorithm,
    kid: String,
}

/// The members that make the key; binary ones in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kty")]
pub(crate) enum KeyParameters {
    #[serde(rename = "OKP")]
    Okp { crv: &'static str, x: String },
    #[serde(rename = "EC")]
    Ec {
        crv: &'static str,
        x: String,
        y: String,
    },
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
}

impl KeyParameters {
    pub(crate) fn ed25519(x: String) -> Self {
        Self::Okp { crv: "Ed25519", x }
    }

    pub(crate) fn p256(x: String, y: String) -> Self {
        Self::Ec { crv: "P-256", x, y }
    }

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
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
            Self::Ec { crv, x, y } => {
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        })
    }
}

impl PublicJwk {
    /// With its RFC 7638 thumbprint as `kid`.
    pub(crate) fn with_thumbprint(parameters: KeyParameters) -> Self {
        let kid = parameters.thumbprint();
        Self::with_kid(parameters, kid)
    }

    pub(crate) fn with_kid(parameters: KeyParameters, kid: String) -> Self {
        Self {
            alg: parameters.algorithm(),
            parameters,
            usage: "sig",
            kid,
        }
    }

    /// Key id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm this key may be used with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.alg
    }

    pub(crate) const fn parameters(&self) -> &KeyParameters {
        &self.parameters
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

/// A key as others write it. Members it does not know are ignored (RFC 7517 section 4); those that hold a
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
            (Some("EdDSA"), Some("OKP"), Some("Ed25519")) => self.x.map(KeyParameters::ed25519),
            (Some("ES256"), Some("EC"), Some("P-256")) => {
                self.x.zip(self.y).map(|(x, y)| KeyParameters::p256(x, y))
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
