//! The compact form of a JWS (RFC 7515 section 3.1): three parts of base64url. Reading it here rather than
//! by a library keeps everything that is not exactly ours out before a key is touched, and parses each part
//! once. The signature itself is made and checked by `jsonwebtoken`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    algorithm::Algorithm,
    encoding::{self, encoded_bytes},
    error::{Refusal, SignError},
    jwk::MAX_KID_BYTES,
    strict::{self, StrictError},
    verification_key::VerificationKey,
};

/// Longest token looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Longest token signed, in bytes.
pub const MAX_SIGNED_BYTES: usize = 4 * 1024;

#[derive(Serialize)]
struct WrittenHeader<'a> {
    alg: Algorithm,
    typ: &'a str,
    kid: &'a str,
}

/// The header, encoded.
pub(crate) fn encode_header(alg: Algorithm, typ: &str, kid: &str) -> Result<String, SignError> {
    serde_json::to_vec(&WrittenHeader { alg, typ, kid })
        .map(|json| encoding::encode(&json))
        .map_err(|_| SignError::Failed)
}

/// Header and claims, signed.
pub(crate) fn sign(
    header: &str,
    claims: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, SignError>,
) -> Result<String, SignError> {
    let payload = serde_json::to_vec(claims).map_err(|_| SignError::Failed)?;
    let mut token = format!("{header}.{}", encoding::encode(&payload));
    let signature = sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&encoding::encode(&signature));
    if token.len() > MAX_SIGNED_BYTES {
        return Err(SignError::TooLong);
    }
    Ok(token)
}

/// Refuses what [`sign`] would refuse for its length, without a signature.
pub(crate) fn check_length(
    header: &str,
    claims: &impl Serialize,
    signature_bytes: usize,
) -> Result<(), SignError> {
    let payload = serde_json::to_vec(claims).map_err(|_| SignError::Failed)?;
    let parts = header.len() + encoded_bytes(payload.len()) + encoded_bytes(signature_bytes);
    if parts + 2 * ".".len() > MAX_SIGNED_BYTES {
        return Err(SignError::TooLong);
    }
    Ok(())
}

/// `deny_unknown_fields`: ours have these three and no other, so another member shows another issuer, if
/// not an attack (`crit`, `b64`, `zip`, `jku`, `jwk`, `x5u`, `x5c`, ...). serde refuses a repeated one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadHeader<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    typ: Cow<'a, str>,
    #[serde(borrow)]
    kid: Cow<'a, str>,
}

/// A token whose form and header are as they should be; nothing is known yet about its signature.
pub(crate) struct Unverified<'a> {
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
    pub(crate) kid: String,
    alg: Algorithm,
}

impl<'a> Unverified<'a> {
    /// Takes the token apart and checks all that needs no key.
    pub(crate) fn parse(token: &'a str, typ: &str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        if [header, payload, signature]
            .iter()
            .any(|part| !is_base64url(part))
        {
            return Err(Refusal::Malformed);
        }
        let json = encoding::decode(header).ok_or(Refusal::Malformed)?;
        if json.first() != Some(&b'{') {
            return Err(Refusal::Header);
        }
        let header: ReadHeader<'_> = serde_json::from_slice(&json).map_err(|_| Refusal::Header)?;
        if header.typ != typ {
            return Err(Refusal::Type);
        }
        if !(1..=MAX_KID_BYTES).contains(&header.kid.len()) {
            return Err(Refusal::UnknownKey);
        }
        let alg = header.alg.parse().map_err(|_| Refusal::Algorithm)?;
        Ok(Self {
            signed,
            payload,
            signature,
            kid: header.kid.into_owned(),
            alg,
        })
    }

    /// The claims, if `key` is for this token's algorithm and made its signature.
    pub(crate) fn verify<C: serde::de::DeserializeOwned>(
        &self,
        key: &VerificationKey,
    ) -> Result<C, Refusal> {
        if key.algorithm() != self.alg {
            return Err(Refusal::Algorithm);
        }
        let signature = encoding::decode(self.signature).ok_or(Refusal::Malformed)?;
        if !key.verify(self.signed.as_bytes(), signature) {
            return Err(Refusal::Signature);
        }
        let payload = encoding::decode(self.payload).ok_or(Refusal::Malformed)?;
        strict::object_from_slice(&payload).map_err(|e| match e {
            StrictError::Malformed => Refusal::Claims,
            StrictError::Repeated => Refusal::Repeated,
        })
    }
}

fn is_base64url(part: &str) -> bool {
    !part.is_empty()
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
