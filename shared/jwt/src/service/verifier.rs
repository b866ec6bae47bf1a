use moka::{policy::EvictionPolicy, sync::Cache};
use ud_kernel::{Clock, Service, UserId};

use super::{SERVICE_TOKEN_SECS, SERVICE_TOKEN_TYPE, ServiceClaims};
use crate::{
    Algorithm, KeySet,
    claims::{LEEWAY_SECS, check_times},
    compact::{MAX_TOKEN_BYTES, Unverified},
    encoding,
    error::{KeySetError, Refusal, TokenError},
};

/// Most tokens remembered: callers use a token for half a minute.
const CACHE_ENTRIES: u64 = 1_000;

/// The public keys of the services that may call, from `IDENTITY_PEERS_FILE`.
#[derive(Debug)]
pub struct Peers(KeySet);

impl Peers {
    /// Reads a JWK set in which each `kid` is the name of a service and each key is Ed25519.
    ///
    /// # Errors
    /// As [`KeySet::from_jwks`], and [`KeySetError::Peer`].
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeySetError> {
        let keys = KeySet::from_jwks(json)?;
        let is_peer = |(kid, alg)| Service::from_name(kid).is_some() && alg == Algorithm::EdDsa;
        if !keys.kids().all(is_peer) {
            return Err(KeySetError::Peer);
        }
        Ok(Self(keys))
    }

    /// No callers: every internal call is refused. For a service run alone in development.
    #[must_use]
    pub fn nobody() -> Self {
        Self(KeySet::default())
    }

    /// Whose keys these are, in no order.
    pub fn services(&self) -> impl Iterator<Item = Service> {
        self.0.kids().filter_map(|(kid, _)| Service::from_name(kid))
    }
}

/// Who calls an internal route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceCaller {
    /// The calling service.
    pub service: Service,
    /// The user it acts for, as it says.
    pub on_behalf_of: Option<UserId>,
}

/// Verifies the service tokens that are meant for one service; as strict as [`crate::Verifier`].
#[derive(Debug)]
pub struct ServiceVerifier {
    own: Service,
    peers: Peers,
    clock: Clock,
    /// Good tokens by the SHA-256 of all their bytes; the times are checked every time. The keys never
    /// change, so nothing has to be forgotten.
    cache: Cache<[u8; 32], Remembered>,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    caller: ServiceCaller,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl ServiceVerifier {
    /// Accepts tokens of `peers` whose `aud` is `own`.
    #[must_use]
    pub fn new(own: Service, peers: Peers, clock: Clock) -> Self {
        Self {
            own,
            peers,
            clock,
            cache: Cache::builder()
                .max_capacity(CACHE_ENTRIES)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        }
    }

    /// Who sent this token. Whether that service may call the route is the route's matter.
    ///
    /// # Errors
    /// [`TokenError::Invalid`]: 401 `service.token-invalid`.
    pub fn verify(&self, token: &str) -> Result<ServiceCaller, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::TooLong.into());
        }
        let hash = encoding::sha256(&[token.as_bytes()]);
        if let Some(known) = self.cache.get(&hash) {
            self.check_times(&known)?;
            return Ok(known.caller);
        }
        let good = self.check(token)?;
        self.check_times(&good)?;
        self.cache.insert(hash, good);
        Ok(good.caller)
    }

    fn check_times(&self, token: &Remembered) -> Result<(), Refusal> {
        let end = token.exp.saturating_add(LEEWAY_SECS);
        check_times(token.iat, token.nbf, end, self.clock.now())
    }

    /// All but the times.
    fn check(&self, token: &str) -> Result<Remembered, Refusal> {
        let unverified = Unverified::parse(token, SERVICE_TOKEN_TYPE)?;
        let key = self
            .peers
            .0
            .get(&unverified.kid)
            .ok_or(Refusal::UnknownKey)?;
        let claims: ServiceClaims = unverified.verify(key)?;
        // The key's name decides who speaks; the claims may only agree.
        if claims.iss != key.kid() || claims.sub != key.kid() {
            return Err(Refusal::Subject);
        }
        if claims.aud != self.own.as_str() {
            return Err(Refusal::Audience);
        }
        if claims.jti.is_empty() {
            return Err(Refusal::Claims);
        }
        if claims.exp.saturating_sub(claims.iat) > SERVICE_TOKEN_SECS {
            return Err(Refusal::Lifetime);
        }
        Ok(Remembered {
            caller: ServiceCaller {
                service: Service::from_name(key.kid()).ok_or(Refusal::UnknownKey)?,
                on_behalf_of: claims.obo,
            },
            iat: claims.iat,
            nbf: claims.nbf,
            exp: claims.exp,
        })
    }
}
