//! A signing key takes over: it is stored, or made to sign, with the event that says why.

use serde::Serialize;
use serde_json::json;
use ud_db::{DbConn, StoreError};
use ud_events::{EventType, NewEvent, outbox};
use ud_kernel::{Service, Timestamp, models::Provenance};

use super::{StoredSigningKey, store};

/// Why a key was made, or took over; for the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// None could sign.
    NoKey,
    /// `JWT_ALGORITHM` is another.
    Algorithm,
    /// `SIGNING_KEY_ROTATION`.
    Schedule,
    /// Somebody asked for it.
    Request,
    /// The active key was revoked.
    Revocation,
    /// The database was restored.
    RevokeAll,
}

/// Stores a new key, and the event that tells of it.
///
/// # Errors
/// [`StoreError::Conflict`] if another replica was faster: decide again.
pub fn store_new(
    conn: &mut DbConn,
    new: &StoredSigningKey,
    reason: Reason,
    now: Timestamp,
    origin: &Provenance,
) -> Result<(), StoreError> {
    store::insert(conn, new)?;
    write_rotated(conn, new, new.activates_at, reason, now, origin)
}

/// Writes the event of a key that signs from `activates_at` on.
///
/// # Errors
/// [`StoreError`].
pub fn write_rotated(
    conn: &mut DbConn,
    key: &StoredSigningKey,
    activates_at: Timestamp,
    reason: Reason,
    now: Timestamp,
    origin: &Provenance,
) -> Result<(), StoreError> {
    let after = json!({ "algorithm": key.algorithm, "activates_at": activates_at });
    let event = NewEvent::alone(Service::Auth, EventType::SIGNING_KEY_ROTATED, now, origin)
        .target_named("signing_key", &key.kid)
        .after(after)
        .details(json!({ "reason": reason }));
    outbox::write(conn, event)
}
