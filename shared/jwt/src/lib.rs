#![doc = include_str!("../README.md")]

mod algorithm;
mod claims;
mod compact;
mod encoding;
mod error;
mod jwk;
mod jwks;
mod key_set;
mod key_source;
mod outbound;
mod pair;
mod private_key;
mod room;
mod signing_key;
mod strict;
#[cfg(test)]
mod vectors;
mod verification_key;
mod verifier;

pub mod revocation;
pub mod service;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{
    ACCESS_TOKEN_TYPE, AccessClaims, LEEWAY_SECS, ONE_FACTOR, OWN_CLIENT, PASSWORD, VerifiedToken,
    new_jti,
};
pub use compact::{MAX_SIGNED_BYTES, MAX_TOKEN_BYTES};
pub use error::{KeyError, KeySetError, Refusal, SignError, TokenError};
pub use jwk::{JwkSet, MAX_KEYS, MAX_SET_BYTES, PublicJwk};
pub use jwks::{JwksClient, JwksError};
pub use key_set::KeySet;
pub use key_source::KeySource;
pub use outbound::outbound_client;
pub use reqwest::Url;
pub use room::{MIN_NAMES_ROOM, name_bytes, names_room};
pub use signing_key::SigningKey;
pub use verification_key::MIN_SECRET_BYTES;
pub use verifier::Verifier;
