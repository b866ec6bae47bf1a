//! What can go wrong. No error carries a part of a token or a key.

/// A key was not made, read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The system gave no randomness, or the library refused to generate.
    #[error("the key could not be generated")]
    Generation,
    /// The bytes are not a private key of the algorithm.
    #[error("not a private key of this algorithm")]
    Rejected,
    /// A shared secret below 32 bytes.
    #[error("a shared secret needs at least 32 bytes")]
    TooShort,
    /// A shared secret has no PKCS#8 form.
    #[error("HS256 uses a shared secret, which has no PKCS#8 form")]
    SharedSecret,
    /// The file of an identity key names another service.
    #[error("the key belongs to another service")]
    OtherService,
}

/// A token was not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// It would be over 4 KiB: too many roles or permissions.
    #[error("the token would be over 4 KiB")]
    TooLong,
    /// The cryptographic library refused.
    #[error("signing failed")]
    Failed,
}

/// A set of keys was refused, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Over 64 KiB.
    #[error("over 64 KiB")]
    TooLarge,
    /// Not JSON, or not of the shape of RFC 7517.
    #[error("not a JWK set")]
    Malformed,
    /// A JSON member occurs twice.
    #[error("a member is repeated")]
    Repeated,
    /// No key in it.
    #[error("no keys")]
    Empty,
    /// Over 16 keys.
    #[error("over 16 keys")]
    TooMany,
    /// A key has a private member.
    #[error("a key is private")]
    Private,
    /// A key is symmetric; secrets are not fetched.
    #[error("a key is symmetric")]
    Symmetric,
    /// A key has no `kid`, or one that is empty or over 128 bytes.
    #[error("a key has no usable kid")]
    Kid,
    /// Two keys have one `kid`.
    #[error("two keys have the same kid")]
    DuplicateKid,
    /// `alg` is missing, unknown, or not that of the key's type and curve.
    #[error("a key has no known alg, or one of another key type")]
    Algorithm,
    /// `use` is there and is not `sig`.
    #[error("a key is not for signatures")]
    Use,
    /// The key's own members are missing, malformed, or off the curve.
    #[error("a key is malformed")]
    Key,
    /// A peer's `kid` is not the name of a service, or its key is not Ed25519.
    #[error("a peer is not a known service with an Ed25519 key")]
    Peer,
}

/// Why a token is invalid. For logs and tests; the client learns only that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Over 8 KiB.
    #[error("over 8 KiB")]
    TooLong,
    /// Not three non-empty parts of base64url.
    #[error("not a compact JWS")]
    Malformed,
    /// The header is not a JSON object of exactly `alg`, `typ` and `kid`, each once. This covers
    /// `crit b64 zip jku jwk x5u x5c x5t x5t#S256 cty` and a missing `kid`.
    #[error("header is not exactly alg, typ and kid")]
    Header,
    /// Another `typ`.
    #[error("typ is another")]
    Type,
    /// No key has this `kid`.
    #[error("kid is unknown")]
    UnknownKey,
    /// `alg` is not what is pinned to the `kid`.
    #[error("alg is not the key's")]
    Algorithm,
    /// The signature is not of this key over this token.
    #[error("signature is wrong")]
    Signature,
    /// A member of the payload occurs twice.
    #[error("a claim is repeated")]
    Repeated,
    /// The payload is no JSON object, or a claim is missing or of another type.
    #[error("a claim is missing or malformed")]
    Claims,
    /// `iss` is another.
    #[error("iss is another")]
    Issuer,
    /// `aud` is another.
    #[error("aud is another")]
    Audience,
    /// `sub` is not `iss`, or `iss` is not who the key belongs to (service tokens).
    #[error("the token speaks for somebody else")]
    Subject,
    /// `exp` is past.
    #[error("expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("not valid yet")]
    NotYet,
    /// It lives longer than a service token may.
    #[error("lives too long")]
    Lifetime,
}

/// A token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is invalid: 401 `auth.token-invalid` (`service.token-invalid`).
    #[error("token refused: {0}")]
    Invalid(#[from] Refusal),
    /// There have never been keys to check it with: 503 `auth.keys-unavailable`.
    #[error("no verification keys yet")]
    KeysUnavailable,
}
