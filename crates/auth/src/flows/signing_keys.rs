//! What is done with signing keys on request: listing, rotating, revoking (SECURITY rule 16).

use serde_json::json;
use ud_db::{DbConn, StoreError};
use ud_events::{EventType, NewEvent, outbox};
use ud_kernel::{
    Revocation, Service, Timestamp,
    models::{Provenance, RevokedKey},
};

use crate::{
    models::{
        error::AuthError,
        peers::told_or_pending,
        signing_key::{
            self, KeyCycle, KeyState, PUBLISH_AHEAD, REVOKED_LISTED_FOR, StoredSigningKey,
            VERIFIES_FOR,
            loaded::{NewSigningKey, SealedKeys},
            rotation::{Reason, store_new, write_rotated},
        },
    },
    state::AuthState,
};

/// What everybody who may read keys is told of one; nothing private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDescription {
    /// As in the JWK set.
    pub kid: String,
    /// As in the JWK set.
    pub algorithm: String,
    /// Where in its life it is.
    pub state: KeyState,
    /// When it was published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub activates_at: Timestamp,
    /// When it stopped signing.
    pub retired_at: Option<Timestamp>,
    /// Until when a retired key is published.
    pub verifies_until: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl KeyDescription {
    fn of(key: &StoredSigningKey, cycle: KeyCycle<'_>) -> Self {
        let retired_at = cycle.retired_at(key);
        Self {
            kid: key.kid.clone(),
            algorithm: key.algorithm.clone(),
            state: cycle.state(key),
            created_at: key.created_at,
            activates_at: key.activates_at,
            retired_at,
            verifies_until: retired_at.map(|at| at.plus(VERIFIES_FOR)),
            revoked_at: key.revoked_at,
        }
    }
}

/// The keys that are alive, and those revoked lately; the newest first. None with a shared secret.
///
/// # Errors
/// [`AuthError::Store`].
pub async fn list_keys(state: &AuthState) -> Result<Vec<KeyDescription>, AuthError> {
    let Some(stored) = state.keys.stored() else {
        return Ok(Vec::new());
    };
    let rows = stored.db.read(signing_key::store::load).await?;
    let cycle = KeyCycle::new(&rows, stored.clock.now());
    let listed = rows.iter().rev().filter(|key| !cycle.is_gone(key));
    Ok(listed.map(|key| KeyDescription::of(key, cycle)).collect())
}

/// Publishes a new key, which will sign in 10 minutes. While one waits already, gives that one: asking twice, or two
/// at once, rotates once.
///
/// # Errors
/// [`AuthError::SharedSecret`], [`AuthError::Store`].
pub async fn rotate_keys(
    state: &AuthState,
    origin: Provenance,
) -> Result<KeyDescription, AuthError> {
    let stored = state.keys.stored().ok_or(AuthError::SharedSecret)?;
    let now = stored.clock.now();
    let new = stored.generate(now).await?;
    let rotated = stored
        .db
        .tx(move |conn| {
            let rows = signing_key::store::load(conn)?;
            let cycle = KeyCycle::new(&rows, now);
            let waiting = cycle.newest().filter(|key| key.activates_at > now);
            let kid = match waiting {
                Some(waiting) => waiting.kid.clone(),
                None => {
                    let new = new.following(cycle, now.plus(PUBLISH_AHEAD));
                    store_new(conn, &new, Reason::Request, now, &origin)?;
                    new.kid
                }
            };
            describe(conn, &kid, now)
        })
        .await?;
    changed(state).await;
    Ok(rotated)
}

/// Takes a key out of the JWK set for good: its tokens are refused. If it was the active one, the published key signs
/// at once, or a new one. Revoking a revoked key changes nothing, but the session service is told again: it tells every
/// verifier.
///
/// # Errors
/// [`AuthError::KeyNotFound`], [`AuthError::SharedSecret`], [`AuthError::Store`].
pub async fn revoke_key(
    state: &AuthState,
    kid: String,
    origin: Provenance,
) -> Result<(KeyDescription, Revocation), AuthError> {
    let stored = state.keys.stored().ok_or(AuthError::SharedSecret)?;
    let now = stored.clock.now();
    let new = stored.generate(now).await?;
    let revoked = stored
        .db
        .tx(move |conn| {
            let rows = signing_key::store::load(conn)?;
            let cycle = KeyCycle::new(&rows, now);
            let key = rows.iter().find(|key| key.kid == kid);
            let key = key.filter(|key| !cycle.is_gone(key));
            let key = key.ok_or(AuthError::KeyNotFound)?;
            if key.revoked_at.is_none() {
                revoke(conn, key, now, &origin)?;
                replace_active(conn, &new, Reason::Revocation, now, &origin)?;
            }
            describe(conn, &kid, now)
        })
        .await?;
    changed(state).await;
    let told = revoked_key(&revoked.kid, revoked.revoked_at.unwrap_or(now));
    let direct = state.calls.revoke_key(&told).await;
    Ok((revoked, told_or_pending(direct)))
}

/// What the session service is told of a revoked key.
fn revoked_key(kid: &str, revoked_at: Timestamp) -> RevokedKey {
    RevokedKey {
        kid: kid.to_owned(),
        until: revoked_at.plus(REVOKED_LISTED_FOR),
    }
}

/// Revokes every key, and lets a new one sign at once. Gives its `kid`.
///
/// # Errors
/// [`AuthError::Store`].
pub async fn replace_all(stored: &SealedKeys, reason: Reason) -> Result<String, AuthError> {
    let now = stored.clock.now();
    let new = stored.generate(now).await?;
    stored
        .db
        .tx(move |conn| {
            let rows = signing_key::store::load(conn)?;
            let origin = Provenance::default();
            for key in rows.iter().filter(|key| key.revoked_at.is_none()) {
                revoke(conn, key, now, &origin)?;
            }
            let new = new.following(KeyCycle::new(&rows, now), now);
            store_new(conn, &new, reason, now, &origin)?;
            Ok(new.kid)
        })
        .await
}

/// Removes what is needed no more: keys whose last token has ended, and those revoked long ago. Gives how many.
///
/// # Errors
/// [`StoreError`].
pub fn forget_gone(conn: &mut DbConn, now: Timestamp) -> Result<usize, StoreError> {
    let rows = signing_key::store::load(conn)?;
    let cycle = KeyCycle::new(&rows, now);
    let gone = rows.iter().filter(|key| cycle.is_gone(key));
    let gone: Vec<String> = gone.map(|key| key.kid.clone()).collect();
    if gone.is_empty() {
        return Ok(0);
    }
    signing_key::store::delete(conn, &gone)
}

fn revoke(
    conn: &mut DbConn,
    key: &StoredSigningKey,
    now: Timestamp,
    origin: &Provenance,
) -> Result<(), StoreError> {
    if !signing_key::store::revoke(conn, &key.kid, now)? {
        return Err(StoreError::Conflict);
    }
    let event = NewEvent::alone(Service::Auth, EventType::SIGNING_KEY_REVOKED, now, origin)
        .target_named("signing_key", &key.kid)
        .after(json!({ "revoked_at": now }))
        .details(json!(revoked_key(&key.kid, now)));
    outbox::write(conn, event)
}

/// Lets a key sign at once if none does.
fn replace_active(
    conn: &mut DbConn,
    new: &NewSigningKey,
    reason: Reason,
    now: Timestamp,
    origin: &Provenance,
) -> Result<(), StoreError> {
    let rows = signing_key::store::load(conn)?;
    let cycle = KeyCycle::new(&rows, now);
    match cycle.active() {
        Some(active) if active.activates_at <= now => Ok(()),
        Some(published) => {
            signing_key::store::activate(conn, &published.kid, now)?;
            write_rotated(conn, published, now, reason, now, origin)
        }
        None => store_new(conn, &new.following(cycle, now), reason, now, origin),
    }
}

fn describe(conn: &mut DbConn, kid: &str, now: Timestamp) -> Result<KeyDescription, AuthError> {
    let rows = signing_key::store::load(conn)?;
    let key = rows.iter().find(|key| key.kid == kid);
    let key = key.ok_or(AuthError::KeyNotFound)?;
    Ok(KeyDescription::of(key, KeyCycle::new(&rows, now)))
}

/// This replica follows at once, the others within seconds.
async fn changed(state: &AuthState) {
    state.outbox.wake();
    if let Err(error) = state.keys.load(false).await {
        log::warn!("signing keys not loaded, trying again: {error}");
    }
}
