//! The keys that sign access tokens: made at the first start, sealed in the database, the public halves
//! published as a JWK set. With `JWT_SECRET_KEY` there is one shared key, and nothing to publish.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use ud_db::{Db, StoreError};
use ud_jwt::{Algorithm, JwkSet, KeyError, KeySet, KeySource, SigningKey};
use ud_kernel::{Clock, Timestamp};
use ud_seal::{Place, Sealer};

use super::{
    error::AuthError,
    signing_key_store::{self, NewSigningKey, StoredSigningKey},
};

/// A retired key is published for this long beyond the life of the last token it signed: clocks differ.
const MARGIN: Duration = Duration::from_secs(60);
/// How often a race for the active key is run at most.
const ROUNDS: usize = 3;

/// The key that signs, and what is published.
#[derive(Debug)]
pub struct LoadedKeys {
    /// Signs new tokens.
    pub active: SigningKey,
    /// For everybody who verifies.
    pub published: JwkSet,
}

/// Where the keys come from.
#[derive(Clone)]
pub struct SealedKeys {
    /// Auth's database.
    pub db: Db,
    /// Opens and seals private keys.
    pub sealer: Sealer,
    /// The algorithm that is to sign.
    pub algorithm: Algorithm,
    /// Life of an access token.
    pub access_ttl: Duration,
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
            active: SigningKey::from_secret(secret)?,
            published: JwkSet::default(),
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
            source: KeySource::fixed(KeySet::default()),
            sealed: Some(sealed),
        }
    }

    /// For verifying this issuer's own tokens without fetching anything.
    #[must_use]
    pub fn source(&self) -> KeySource {
        self.source.clone()
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

    /// Loads the keys. At the start (`choose`) a missing active key is made, and one of another algorithm
    /// than the configured one is retired in favour of a new one; of several replicas that do so at once one
    /// wins and the others take its key. Later calls only follow what is in the database.
    ///
    /// # Errors
    /// [`AuthError`]; the keys in use stay.
    pub async fn load(&self, choose: bool) -> Result<(), AuthError> {
        let Some(sealed) = &self.sealed else {
            return Ok(());
        };
        for _ in 0..ROUNDS {
            let now = sealed.clock.now();
            let since = now.minus(sealed.access_ttl).minus(MARGIN);
            let rows = sealed
                .db
                .read(move |conn| signing_key_store::load(conn, since))
                .await?;
            let wanted = sealed.algorithm.as_str();
            match rows.iter().find(|row| row.is_active()) {
                Some(active) if !choose || active.algorithm == wanted => {
                    return self.open(sealed, &rows);
                }
                Some(active) => {
                    log::info!(
                        "signing key {} ({}) is retired: JWT_ALGORITHM is {wanted}",
                        active.kid,
                        active.algorithm
                    );
                    self.replace(sealed, Some(active.kid.clone()), now).await?;
                }
                None if choose => self.replace(sealed, None, now).await?,
                None => return Err(AuthError::KeysNotLoaded),
            }
        }
        Err(AuthError::Busy)
    }

    /// Stores a new active key in place of `old`, unless another replica was faster.
    async fn replace(
        &self,
        sealed: &SealedKeys,
        old: Option<String>,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        let algorithm = sealed.algorithm;
        // An RSA key takes a good part of a second to find.
        let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm))
            .await
            .map_err(|_| AuthError::Internal("making a signing key panicked".to_owned()))?
            .map_err(internal)?;
        let pkcs8 = key.to_pkcs8().map_err(internal)?;
        let new = NewSigningKey {
            kid: key.kid().to_owned(),
            algorithm: algorithm.as_str(),
            sealed_key: sealed.sealer.seal(place(key.kid()), &pkcs8)?,
            created_at: now,
        };
        let kid = new.kid.clone();
        let stored = sealed
            .db
            .tx(move |conn| {
                if let Some(old) = &old
                    && !signing_key_store::retire(conn, old, now)?
                {
                    return Ok(false);
                }
                signing_key_store::insert_active(conn, &new).map(|()| true)
            })
            .await;
        match stored {
            Ok(true) => log::info!("signing key {kid} ({algorithm}) made"),
            // Another replica made one at the same time: the next round finds it.
            Ok(false) | Err(StoreError::Unique(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn open(&self, sealed: &SealedKeys, rows: &[StoredSigningKey]) -> Result<(), AuthError> {
        let mut active = None;
        let mut retired = Vec::new();
        for row in rows {
            let key = open_row(sealed, row)?;
            if row.is_active() {
                active = Some(key);
            } else {
                retired.push(key);
            }
        }
        let active = active.ok_or(AuthError::KeysNotLoaded)?;
        let all = || std::iter::once(&active).chain(&retired);
        let set = KeySet::from_signing_keys(all()).map_err(internal)?;
        let published = all().filter_map(SigningKey::public_jwk).collect();
        self.source.replace(set);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::new(LoadedKeys { active, published }));
        Ok(())
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKeys")
            .field(&self.get().ok())
            .finish()
    }
}

fn open_row(sealed: &SealedKeys, row: &StoredSigningKey) -> Result<SigningKey, AuthError> {
    let algorithm: Algorithm = row.algorithm.parse().map_err(internal)?;
    let pkcs8 = sealed
        .sealer
        .open(place(&row.kid), &row.sealed_key)
        .map_err(|e| AuthError::Internal(format!("signing key {}: {e}", row.kid)))?;
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

fn place(kid: &str) -> Place<'_> {
    Place {
        table: "signing_keys",
        column: "sealed_key",
        row: kid,
        purpose: "sign access tokens",
    }
}

fn internal(error: impl std::fmt::Display) -> AuthError {
    AuthError::Internal(error.to_string())
}
