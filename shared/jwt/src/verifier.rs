use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use moka::{policy::EvictionPolicy, sync::Cache};
use ud_kernel::Clock;

use crate::{
    ACCESS_TOKEN_TYPE, AccessClaims, Algorithm, KeySource, VerifiedToken,
    claims::check_times,
    compact::{MAX_TOKEN_BYTES, Unverified},
    encoding,
    error::{Refusal, TokenError},
    room::names_room,
};

/// Most tokens remembered.
const CACHE_ENTRIES: u64 = 10_000;

/// Verifies access tokens of one issuer for one audience, strictly (SECURITY rule 15). Clones share the
/// cache.
///
/// A token that was good is remembered under the SHA-256 of all its bytes, so that its signature is checked
/// once; its times are checked every time. What it was checked against (`typ`, issuer, audience) is the same
/// for all tokens of one verifier, and each verifier has a cache of its own: so the bytes are key enough.
/// Nothing that was refused is remembered. All is forgotten when a key leaves the set.
#[derive(Clone, Debug)]
pub struct Verifier {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    issuer: String,
    audience: String,
    keys: KeySource,
    clock: Clock,
    cache: Cache<[u8; 32], Remembered>,
    /// Generation of the keys at the last look.
    generation: AtomicU64,
}

#[derive(Clone, Debug)]
struct Remembered {
    token: Arc<VerifiedToken>,
    generation: u64,
}

impl Verifier {
    /// A verifier of tokens whose `iss` and `aud` are exactly these.
    #[must_use]
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        keys: KeySource,
        clock: Clock,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                issuer: issuer.into(),
                audience: audience.into(),
                generation: AtomicU64::new(keys.generation()),
                keys,
                clock,
                // The least recently used goes: with the default policy, tokens long expired but once
                // popular would keep new ones out.
                cache: Cache::builder()
                    .max_capacity(CACHE_ENTRIES)
                    .eviction_policy(EvictionPolicy::lru())
                    .build(),
            }),
        }
    }

    /// Returns how many bytes of names ([`crate::name_bytes`]) every access token has room for that a key of the issuer
    /// signs, which may be one that is published and does not sign yet. Without any key: by the algorithm that
    /// leaves least.
    #[must_use]
    pub fn names_room(&self) -> usize {
        let mut algorithms = self.inner.keys.algorithms();
        if algorithms.is_empty() {
            algorithms.extend(Algorithm::ALL);
        }
        let room = |algorithm| names_room(&self.inner.issuer, &self.inner.audience, algorithm);
        algorithms.into_iter().map(room).min().unwrap_or(0)
    }

    /// The clock it judges times by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The token behind `Authorization: Bearer `, checked. Whether its session still lives is not known
    /// here: ask a [`crate::revocation::SessionChecker`]. Waits only if its `kid` is unknown and the keys
    /// are fetched, at most 2 s.
    ///
    /// # Errors
    /// [`TokenError::Invalid`]: 401. [`TokenError::KeysUnavailable`]: 503.
    pub async fn verify(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::TooLong.into());
        }
        let hash = encoding::sha256(&[token.as_bytes()]);
        if let Some(known) = self.remembered(&hash) {
            return match self.check_times(known.claims()) {
                Ok(()) => Ok(known),
                Err(refusal) => {
                    // Expired, or the clock went back; either way it is cheap to look again.
                    self.inner.cache.invalidate(&hash);
                    Err(refusal.into())
                }
            };
        }
        let unverified = Unverified::parse(token, ACCESS_TOKEN_TYPE)?;
        // Boxed: a token is verified once, and every later request would carry its room.
        let found = Box::pin(self.inner.keys.find(&unverified.kid)).await?;
        let kid = unverified.kid.to_string();
        let claims: AccessClaims = unverified.verify(&found.key)?;
        self.check_claims(&claims)?;
        let token = Arc::new(VerifiedToken::new(claims, kid));
        self.inner.cache.insert(
            hash,
            Remembered {
                token: Arc::clone(&token),
                generation: found.generation,
            },
        );
        Ok(token)
    }

    /// Returns how many tokens are remembered, about.
    #[must_use]
    #[cfg(feature = "testing")]
    pub fn remembered_tokens(&self) -> u64 {
        self.inner.cache.entry_count()
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<Arc<VerifiedToken>> {
        let inner = &self.inner;
        let generation = inner.keys.generation();
        // Entries of an older generation are told by their number; this only frees them.
        if inner.generation.load(Ordering::Relaxed) != generation {
            inner.generation.store(generation, Ordering::Relaxed);
            inner.cache.invalidate_all();
        }
        inner
            .cache
            .get(hash)
            .filter(|known| known.generation == generation)
            .map(|known| known.token)
    }

    fn check_claims(&self, claims: &AccessClaims) -> Result<(), Refusal> {
        if claims.iss != self.inner.issuer {
            return Err(Refusal::Issuer);
        }
        if claims.aud != self.inner.audience {
            return Err(Refusal::Audience);
        }
        if claims.jti.is_empty() {
            return Err(Refusal::Claims);
        }
        self.check_times(claims)
    }

    fn check_times(&self, claims: &AccessClaims) -> Result<(), Refusal> {
        check_times(claims.iat, claims.nbf, claims.exp, self.inner.clock.now())
    }
}
