//! The signature algorithms there are.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// A signature algorithm (RFC 7518, RFC 8037). One issuer uses one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519; the default.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2,048 bits or more.
    Rs256,
    /// HMAC with SHA-256. Who can verify can also issue.
    Hs256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Hs256];

    /// As in the header member `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    /// Returns the name that `jsonwebtoken` has for it.
    pub(crate) const fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }

    /// Returns the length of a signature in bytes; with RS256 that of the keys that
    /// [`crate::SigningKey::generate`] makes.
    pub(crate) const fn signature_bytes(self) -> usize {
        match self {
            Self::EdDsa | Self::Es256 => 64,
            Self::Rs256 => 256,
            Self::Hs256 => 32,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is none of `EdDSA`, `ES256`, `RS256`, `HS256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected EdDSA, ES256, RS256 or HS256")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL
            .into_iter()
            .find(|a| a.as_str() == name)
            .ok_or(UnknownAlgorithm)
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
