//! How access tokens are made and verified.

use std::{str::FromStr, time::Duration};

use secrecy::SecretString;
use ud_kernel::Service;
use url::Url;

use crate::{KeyRing, Loader, keys};

/// Shortest `JWT_SECRET_KEY` in bytes (RFC 7518 section 3.2: as long as the hash).
const MIN_SHARED_SECRET: usize = 32;
/// Largest `JWT_EXPIRATION_MIN`.
const MAX_ACCESS_MINUTES: u64 = 60;

/// Algorithm that signs access tokens (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// HMAC with SHA-256 and the shared secret.
    Hs256,
}

impl FromStr for Algorithm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "EdDSA" => Ok(Self::EdDsa),
            "ES256" => Ok(Self::Es256),
            "RS256" => Ok(Self::Rs256),
            "HS256" => Ok(Self::Hs256),
            _ => Err(()),
        }
    }
}

/// What verifying an access token needs.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// `iss`, exactly.
    pub issuer: String,
    /// `aud`, exactly.
    pub audience: String,
    /// Key of HS256; then no keys are fetched.
    pub shared_secret: Option<SecretString>,
    /// Where the verification keys are.
    pub jwks_url: Option<Url>,
}

impl TokenConfig {
    /// `iss` in development where `ISSUER_URL` is not set.
    pub const DEFAULT_ISSUER: &str = "http://127.0.0.1:8080";

    /// As `service` verifies.
    pub fn load(loader: &mut Loader, service: Service) -> Self {
        let production = loader.app_env().is_production();
        let mut issuer = loader
            .address(&keys::ISSUER_URL)
            .and_then(|_| loader.text(&keys::ISSUER_URL));
        if production && !loader.is_standalone() {
            issuer = loader.require(&keys::ISSUER_URL, issuer);
        }
        let audience = loader.text(&keys::JWT_AUDIENCE).unwrap_or_default();
        let shared_secret = load_shared_secret(loader);
        let auth_url = loader.address(&keys::AUTH_URL);
        let jwks_url = loader.address(&keys::JWKS_URL).or_else(|| {
            let base = auth_url?;
            let base = base.as_str().trim_end_matches('/');
            Url::parse(&format!("{base}/.well-known/jwks.json")).ok()
        });
        if production
            && !loader.is_standalone()
            && service != Service::Auth
            && shared_secret.is_none()
            && !loader.is_set(&keys::JWT_SECRET_KEY)
        {
            loader.require(&keys::AUTH_URL, jwks_url.as_ref());
        }
        Self {
            issuer: issuer.unwrap_or_else(|| Self::DEFAULT_ISSUER.to_owned()),
            audience,
            shared_secret,
            jwks_url,
        }
    }
}

/// What auth needs to issue tokens.
#[derive(Debug, Clone)]
pub struct SigningConfig {
    /// Signs access tokens; with [`Algorithm::Hs256`] there is a [`TokenConfig::shared_secret`].
    pub algorithm: Algorithm,
    /// Life of an access token; at most [`SigningConfig::MAX_ACCESS_TTL`].
    pub access_ttl: Duration,
    /// After how long the next signing key takes over by itself; `None`: on request only.
    pub key_rotation: Option<Duration>,
    /// Under refresh tokens. `None` only in development and in standalone.
    pub refresh_tokens: Option<KeyRing>,
}

impl SigningConfig {
    /// The longest life of an access token that can be configured.
    pub const MAX_ACCESS_TTL: Duration = Duration::from_secs(MAX_ACCESS_MINUTES * 60);

    /// Reads the algorithm alone: HS256 where nothing but `JWT_SECRET_KEY` says which.
    pub fn load_algorithm(loader: &mut Loader) -> Algorithm {
        let chosen = loader.parse(&keys::JWT_ALGORITHM, "`EdDSA`, `ES256`, `RS256` or `HS256`");
        let is_chosen = loader.is_set(&keys::JWT_ALGORITHM);
        match chosen {
            _ if !is_chosen && loader.is_set(&keys::JWT_SECRET_KEY) => Algorithm::Hs256,
            Some(chosen) => chosen,
            None => Algorithm::EdDsa,
        }
    }

    /// From the loader.
    pub fn load(loader: &mut Loader, _service: Service) -> Self {
        let algorithm = Self::load_algorithm(loader);
        if algorithm == Algorithm::Hs256 && !loader.is_set(&keys::JWT_SECRET_KEY) {
            loader.problem(&keys::JWT_SECRET_KEY, "is missing: JWT_ALGORITHM is HS256");
        }
        if algorithm != Algorithm::Hs256 && loader.is_set(&keys::JWT_SECRET_KEY) {
            loader.problem(
                &keys::JWT_ALGORITHM,
                "is not HS256, but JWT_SECRET_KEY is set: verifiers would expect HS256",
            );
        }
        let minutes: u64 = loader.number(&keys::JWT_EXPIRATION_MIN, 1..=MAX_ACCESS_MINUTES);
        let days: u64 = loader.number(&keys::SIGNING_KEY_ROTATION, 0..=3650);
        let mut refresh_tokens = loader.key_ring(&keys::REFRESH_TOKEN_KEYS);
        if loader.app_env().is_production() && !loader.is_standalone() {
            refresh_tokens = loader.require(&keys::REFRESH_TOKEN_KEYS, refresh_tokens);
        }
        Self {
            algorithm,
            access_ttl: Duration::from_secs(minutes * 60),
            key_rotation: (days > 0).then(|| Duration::from_secs(days * 86_400)),
            refresh_tokens,
        }
    }
}

fn load_shared_secret(loader: &mut Loader) -> Option<SecretString> {
    let allowed = loader.flag(&keys::JWT_ALLOW_SHARED_SECRET);
    let secret = loader.key_material(&keys::JWT_SECRET_KEY, MIN_SHARED_SECRET);
    if loader.is_set(&keys::JWT_SECRET_KEY) && !allowed && !loader.is_standalone() {
        loader.problem(
            &keys::JWT_SECRET_KEY,
            "makes every service that verifies tokens able to issue them; accept that by JWT_ALLOW_SHARED_SECRET=true",
        );
    }
    secret
}
