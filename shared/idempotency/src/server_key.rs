//! The secret of [`IdempotencyKeys`] in the service's own database: one row of `server_keys`, sealed.

use std::{
    future::Future,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use diesel::prelude::*;
use tokio::sync::OnceCell;
use ud_config::SealingConfig;
use ud_db::{Db, DbConn, StoreError, sql::Bind};
use ud_kernel::{Clock, Service, Timestamp};
use ud_seal::{RingFile, SealError, Sealer};

use crate::{IdempotencyKeys, SERVER_KEY};

/// Pause between two tries to open the secret.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

diesel::table! {
    use diesel::sql_types::Text;
    use ud_db::sql;

    server_keys (name) {
        name -> Text,
        sealed_key -> Text,
        created_at -> sql::Instant,
    }
}

/// The secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ServerKeyError {
    /// It is sealed under a key that is not in the ring, or not sealed by this service.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IdempotencyKeys {
    /// Those of the service on `db`, whose first replica makes the secret.
    ///
    /// # Errors
    /// [`ServerKeyError`].
    pub async fn load(db: &Db, sealer: &Sealer, now: Timestamp) -> Result<Self, ServerKeyError> {
        let candidate = Self::new_sealed(sealer)?;
        let sealed = db.tx(move |conn| find_or_insert(conn, &candidate, now));
        Ok(Self::open(sealer, &sealed.await?)?)
    }

    /// Seals the secret on `db` under the first key of the ring; gives whether it was not. Without one, the next start
    /// makes it there. By compare-and-set: it may be run at any time, and again.
    ///
    /// # Errors
    /// [`ServerKeyError`].
    pub async fn rewrap(db: &Db, sealer: &Sealer) -> Result<bool, ServerKeyError> {
        let Some(old) = db.read(find).await? else {
            return Ok(false);
        };
        let Some(new) = Self::rewrapped(sealer, &old)? else {
            return Ok(false);
        };
        Ok(db.tx(move |conn| replace(conn, &old, &new)).await?)
    }
}

/// The [`IdempotencyKeys`] of a running service, read from its database once. Clones share them.
#[derive(Debug, Clone)]
pub struct ServerKey {
    db: Db,
    sealer: Sealer,
    clock: Clock,
    keys: Arc<OnceCell<IdempotencyKeys>>,
    /// Why the secret cannot be used, as far as is known.
    state: Arc<RwLock<Result<(), String>>>,
}

impl ServerKey {
    /// Makes one on `db`, which is not looked at yet.
    #[must_use]
    pub fn new(db: Db, sealer: Sealer, clock: Clock) -> Self {
        Self {
            db,
            sealer,
            clock,
            keys: Arc::default(),
            state: Arc::new(RwLock::new(Err("not read yet".to_owned()))),
        }
    }

    /// Makes the one of `service` on `db`, opened if the database answers and has it. A ring in a file is not made anew
    /// beside what is sealed under another. A configured one that does not open it is no error: [`ServerKey::state`] tells.
    ///
    /// # Errors
    /// If the ring's file can be neither read nor made, is gone, or is not the database's; what to do, in words.
    pub async fn start(
        db: &Db,
        config: &SealingConfig,
        service: Service,
        clock: &Clock,
    ) -> Result<Self, String> {
        let file = RingFile::of(config, service);
        if let Some(file) = &file
            && matches!(db.read(find).await, Ok(Some(_)))
        {
            file.is_there()?;
        }
        let sealer = Sealer::from_config(config, service).map_err(|e| e.to_string())?;
        let key = Self::new(db.clone(), sealer, clock.clone());
        match (key.open().await, file) {
            (Err(ServerKeyError::Seal(error)), Some(file)) => Err(file.opens_nothing(error)),
            _ => Ok(key),
        }
    }

    /// The keys; the service's first request makes the secret.
    ///
    /// # Errors
    /// [`ServerKeyError`].
    pub async fn get(&self) -> Result<&IdempotencyKeys, ServerKeyError> {
        let load = || async {
            let loaded = IdempotencyKeys::load(&self.db, &self.sealer, self.clock.now()).await;
            self.note(loaded.as_ref().err());
            loaded
        };
        self.keys.get_or_try_init(load).await
    }

    /// Opens the secret, if there is one.
    ///
    /// # Errors
    /// [`ServerKeyError`].
    pub async fn open(&self) -> Result<(), ServerKeyError> {
        let opened = match self.db.read(find).await {
            Ok(None) => Ok(()),
            Ok(Some(sealed)) => IdempotencyKeys::open(&self.sealer, &sealed)
                // Somebody who needed it may have been quicker: theirs is the same.
                .map(|keys| drop(self.keys.set(keys)))
                .map_err(ServerKeyError::from),
            Err(error) => Err(ServerKeyError::Store(error)),
        };
        self.note(opened.as_ref().err());
        opened
    }

    /// [`ServerKey::open`] until that succeeds once, or `stop` ends; the log says why it does not.
    pub async fn keep_opening(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut told = false;
        while self.state().is_err() {
            if let Err(error) = self.open().await {
                self.tell(&error, told);
                told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN_AFTER) => {}
                () = &mut stop => return,
            }
        }
    }

    /// Returns whether the secret can be used: it opens, or there is none yet.
    ///
    /// # Errors
    /// Why not, in words without secrets.
    pub fn state(&self) -> Result<(), String> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    /// What the database fails in is told by the database's own state.
    fn note(&self, error: Option<&ServerKeyError>) {
        let state = match error {
            None => Ok(()),
            Some(ServerKeyError::Seal(error)) => Err(error.to_string()),
            Some(ServerKeyError::Store(_)) => return,
        };
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// A database that is away comes back; what does not open waits for somebody.
    fn tell(&self, error: &ServerKeyError, told: bool) {
        let level = match error {
            _ if told => log::Level::Debug,
            ServerKeyError::Store(error) if error.is_temporary() => log::Level::Warn,
            _ => log::Level::Error,
        };
        let service = self.sealer.service();
        log::log!(
            level,
            "the key under Idempotency-Keys of {service} is not opened, no other is made in its place, trying again: {error}"
        );
    }
}

fn find(conn: &mut DbConn) -> Result<Option<String>, StoreError> {
    Ok(server_keys::table
        .find(SERVER_KEY)
        .select(server_keys::sealed_key)
        .first(conn)
        .optional()?)
}

/// [`StoreError::Conflict`], which runs the transaction again, if another replica made one at the same moment.
fn find_or_insert(
    conn: &mut DbConn,
    candidate: &str,
    now: Timestamp,
) -> Result<String, StoreError> {
    if let Some(sealed) = find(conn)? {
        return Ok(sealed);
    }
    diesel::insert_into(server_keys::table)
        .values((
            server_keys::name.eq(SERVER_KEY),
            server_keys::sealed_key.eq(candidate),
            server_keys::created_at.eq(Bind(now)),
        ))
        .execute(conn)
        .map_err(|e| StoreError::from(e).or_again())?;
    Ok(candidate.to_owned())
}

fn replace(conn: &mut DbConn, old: &str, new: &str) -> Result<bool, StoreError> {
    let rows = diesel::update(server_keys::table.find(SERVER_KEY))
        .filter(server_keys::sealed_key.eq(old))
        .set(server_keys::sealed_key.eq(new))
        .execute(conn)?;
    Ok(rows == 1)
}
