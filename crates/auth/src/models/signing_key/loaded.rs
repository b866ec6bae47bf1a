//! The keys of this process that sign access tokens, as they are in the database, and the set of their public halves.
//! With `JWT_SECRET_KEY` there is one shared key, and nothing to publish.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use ud_db::Db;
use ud_jwt::{Algorithm, JwkSet, KeyError, KeySet, KeySource, SigningKey};
use ud_kernel::{Clock, Timestamp, models::Provenance};
use ud_seal::{AssociatedData, Sealer};

use super::{
    KeyCycle, PUBLISH_AHEAD, StoredSigningKey,
    rotation::{self, Reason},
};
use crate::models::{error::AuthError, signing_key};

/// How often keys are read again after one was made.
const ROUNDS: usize = 3;

/// The keys in use.
#[derive(Debug)]
pub struct LoadedKeys {
    /// Those that sign or will, in the order in which they do.
    signers: Vec<(Timestamp, Arc<SigningKey>)>,
    /// Signs before any other's time has come.
    first: Arc<SigningKey>,
    /// For everybody who verifies.
    pub published: JwkSet,
    /// What it was made of.
    rows: Vec<StoredSigningKey>,
    opened: Vec<Arc<SigningKey>>,
}

impl LoadedKeys {
    /// The key that signs at `now`. A key that was published takes over by itself when its time has come.
    #[must_use]
    pub fn signing(&self, now: Timestamp) -> &SigningKey {
        let come = self.signers.iter().rfind(|(at, _)| *at <= now);
        come.map_or(&self.first, |(_, key)| key)
    }
}

/// Where the keys come from.
#[derive(Clone)]
pub struct SealedKeys {
    /// Auth's database.
    pub db: Db,
    /// Opens and seals private keys.
    pub sealer: Sealer,
    /// The algorithm of new keys.
    pub algorithm: Algorithm,
    /// How long a key signs before the next takes its place by itself; `None`: until somebody asks.
    pub rotation: Option<Duration>,
    /// Tells the time.
    pub clock: Clock,
}

/// The keys of this process. Clones share them.
#[derive(Clone)]
pub struct SigningKeys {
    loaded: Arc<RwLock<Option<Arc<LoadedKeys>>>>,
    source: KeySource,
    sealed: Option<SealedKeys>,
}

impl SigningKeys {
    /// The shared key of HS256.
    ///
    /// # Errors
    /// [`KeyError::TooShort`].
    pub fn shared(secret: &[u8]) -> Result<Self, KeyError> {
        let loaded = LoadedKeys {
            signers: Vec::new(),
            first: Arc::new(SigningKey::from_secret(secret)?),
            published: JwkSet::default(),
            rows: Vec::new(),
            opened: Vec::new(),
        };
        Ok(Self {
            loaded: Arc::new(RwLock::new(Some(Arc::new(loaded)))),
            source: KeySource::fixed(KeySet::from_secret(secret)?),
            sealed: None,
        })
    }

    /// Keys to be loaded by [`SigningKeys::load`]; until then there are none.
    #[must_use]
    pub fn sealed(sealed: SealedKeys) -> Self {
        Self {
            loaded: Arc::default(),
            source: KeySource::pending(),
            sealed: Some(sealed),
        }
    }

    /// For verifying this issuer's own tokens without fetching anything.
    #[must_use]
    pub fn source(&self) -> KeySource {
        self.source.clone()
    }

    /// Where the keys are stored; `None` for a shared secret.
    #[must_use]
    pub const fn stored(&self) -> Option<&SealedKeys> {
        self.sealed.as_ref()
    }

    /// The keys in use.
    ///
    /// # Errors
    /// [`AuthError::KeysNotLoaded`].
    pub fn get(&self) -> Result<Arc<LoadedKeys>, AuthError> {
        self.loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(AuthError::KeysNotLoaded)
    }

    /// Follows what is in the database, and makes a key where none can sign or the next is due; at the start also
    /// where the newest is of another algorithm than the configured one. (Not later: replicas that still run with
    /// the old configuration would turn it back.) Of several replicas that make one at once one does. Gives
    /// whether this one did.
    ///
    /// # Errors
    /// [`AuthError`]; the keys in use stay.
    pub async fn load(&self, start: bool) -> Result<bool, AuthError> {
        let Some(sealed) = &self.sealed else {
            return Ok(false);
        };
        let mut made = false;
        for _ in 0..ROUNDS {
            let now = sealed.clock.now();
            let rows = sealed.db.read(signing_key::store::load).await?;
            // Before anything is decided: without the right AUTH_KEY_ENCRYPTION_KEYS no key is made either.
            self.open(sealed, &rows, now)?;
            if sealed.due(KeyCycle::new(&rows, now), start, now).is_none() {
                return self.get().map(|_| made);
            }
            let new = sealed.generate(now).await?;
            let deciding = sealed.clone();
            let event = sealed.db.tx(move |conn| {
                let rows = signing_key::store::load(conn)?;
                let cycle = KeyCycle::new(&rows, now);
                let Some((reason, activates_at)) = deciding.due(cycle, start, now) else {
                    return Ok::<_, AuthError>(false);
                };
                let new = new.following(cycle, activates_at);
                rotation::store_new(conn, &new, reason, now, &Provenance::default())?;
                Ok(true)
            });
            made |= event.await?;
        }
        Err(AuthError::Busy)
    }

    /// Takes `rows` into use. If one does not open, whatever was revoked goes all the same; at the start, nothing is
    /// in use then.
    fn open(
        &self,
        sealed: &SealedKeys,
        rows: &[StoredSigningKey],
        now: Timestamp,
    ) -> Result<(), AuthError> {
        let cycle = KeyCycle::new(rows, now);
        let mut living: Vec<StoredSigningKey> = cycle.living().cloned().collect();
        let known = self.get().ok();
        if known.as_ref().is_some_and(|known| known.rows == living) {
            return Ok(());
        }
        let mut opened = Vec::with_capacity(living.len());
        let mut failed = None;
        for row in &living {
            let known = known.iter().flat_map(|known| &known.opened);
            let key = match known.into_iter().find(|key| key.kid() == row.kid) {
                Some(key) => Arc::clone(key),
                None => match sealed.open_row(row) {
                    Ok(key) => Arc::new(key),
                    Err(error) => {
                        failed = Some(error);
                        continue;
                    }
                },
            };
            opened.push(key);
        }
        if known.is_none()
            && let Some(error) = failed
        {
            return Err(error);
        }
        living.retain(|row| opened.iter().any(|key| key.kid() == row.kid));
        if known.as_ref().is_some_and(|known| known.rows == living) {
            return failed.map_or(Ok(()), Err);
        }
        let find = |row: &StoredSigningKey| opened.iter().find(|key| key.kid() == row.kid).cloned();
        let signers = cycle.signers();
        let signers: Vec<_> = signers
            .filter_map(|row| Some((row.activates_at, find(row)?)))
            .collect();
        let set = KeySet::from_signing_keys(opened.iter().map(AsRef::as_ref));
        let first = signers.first().map(|(_, key)| Arc::clone(key));
        let loaded = first.map(|first| LoadedKeys {
            first,
            published: opened.iter().filter_map(|key| key.public_jwk()).collect(),
            rows: living,
            signers,
            opened,
        });
        if let Some(loaded) = &loaded {
            log::info!(
                "signing keys: {} published, {} signs",
                loaded.opened.len(),
                loaded.signing(now).kid()
            );
        }
        // Without a key that signs, nothing is said of any token: whose key could not be opened may be good.
        match &loaded {
            Some(_) => self.source.replace(set.map_err(internal)?),
            None => self.source.withdraw(),
        }
        *self.write() = loaded.map(Arc::new);
        failed.map_or(Ok(()), Err)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Option<Arc<LoadedKeys>>> {
        self.loaded.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKeys")
            .field(&self.get().ok())
            .finish()
    }
}

/// A key that was made and not stored yet.
#[derive(Debug, Clone)]
pub struct NewSigningKey {
    kid: String,
    algorithm: Algorithm,
    sealed_key: String,
    created_at: Timestamp,
}

impl NewSigningKey {
    /// As the next key after those of `cycle`.
    #[must_use]
    pub fn following(&self, cycle: KeyCycle<'_>, activates_at: Timestamp) -> StoredSigningKey {
        StoredSigningKey {
            kid: self.kid.clone(),
            algorithm: self.algorithm.as_str().to_owned(),
            sealed_key: self.sealed_key.clone(),
            generation: cycle.next_generation(),
            created_at: self.created_at,
            activates_at,
            revoked_at: None,
        }
    }
}

impl SealedKeys {
    /// Why a key is to be made now, and from when on it is to sign.
    fn due(&self, cycle: KeyCycle<'_>, start: bool, now: Timestamp) -> Option<(Reason, Timestamp)> {
        let Some(newest) = cycle.newest() else {
            return Some((Reason::NoKey, now));
        };
        if cycle.is_full() {
            return None;
        }
        if start && newest.algorithm != self.algorithm.as_str() {
            return Some((Reason::Algorithm, now.plus(PUBLISH_AHEAD)));
        }
        let ends = newest.activates_at.plus(self.rotation?);
        (now.plus(PUBLISH_AHEAD) >= ends).then(|| (Reason::Schedule, now.plus(PUBLISH_AHEAD)))
    }

    /// A new key, sealed. An RSA key takes a good part of a second to find.
    ///
    /// # Errors
    /// [`AuthError::Internal`].
    pub async fn generate(&self, now: Timestamp) -> Result<NewSigningKey, AuthError> {
        let algorithm = self.algorithm;
        let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm))
            .await
            .map_err(|_| AuthError::Internal("making a signing key panicked".to_owned()))?
            .map_err(internal)?;
        let pkcs8 = key.to_pkcs8().map_err(internal)?;
        Ok(NewSigningKey {
            kid: key.kid().to_owned(),
            algorithm,
            sealed_key: self.sealer.seal(associated_data(key.kid()), &pkcs8)?,
            created_at: now,
        })
    }

    fn open_row(&self, row: &StoredSigningKey) -> Result<SigningKey, AuthError> {
        let algorithm: Algorithm = row.algorithm.parse().map_err(internal)?;
        let pkcs8 = self
            .sealer
            .open(associated_data(&row.kid), &row.sealed_key)
            .map_err(|error| AuthError::KeyDoesNotOpen {
                kid: row.kid.clone(),
                error,
            })?;
        let key = SigningKey::from_pkcs8(algorithm, &pkcs8).map_err(internal)?;
        if key.kid() == row.kid {
            Ok(key)
        } else {
            Err(AuthError::Internal(format!(
                "signing key {} is another key",
                row.kid
            )))
        }
    }
}

/// Where the key `kid` is sealed to.
#[must_use]
pub const fn associated_data(kid: &str) -> AssociatedData<'_> {
    AssociatedData {
        table: "signing_keys",
        column: "sealed_key",
        row: kid,
        purpose: "sign access tokens",
    }
}

fn internal(error: impl std::fmt::Display) -> AuthError {
    AuthError::Internal(error.to_string())
}
