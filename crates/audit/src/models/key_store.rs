//! All queries of Idempotency-Keys.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_idempotency::IdempotencyRecord;
use ud_kernel::{RecordId, Timestamp};

use super::schema::idempotency_keys;

/// Most keys forgotten for each one that is remembered: more than come in, and never so many that forgetting
/// them takes longer than a statement may.
const FORGOTTEN_AT_ONCE: i64 = 16;

/// Fingerprint and record of an Idempotency-Key that is still remembered.
///
/// # Errors
/// [`StoreError`].
pub fn find_key(
    conn: &mut DbConn,
    idempotency: &IdempotencyRecord,
    now: Timestamp,
) -> Result<Option<(String, RecordId)>, StoreError> {
    let query = idempotency_keys::table
        .find(&idempotency.id)
        .filter(idempotency_keys::expires_at.gt(Bind(now)))
        .select((idempotency_keys::fingerprint, idempotency_keys::record_id));
    Ok(query.first(conn).optional()?)
}

/// Remembers what a key's request made, and forgets some of the keys whose time is over.
///
/// # Errors
/// [`StoreError::Conflict`] if another request with the same key was first.
pub fn insert_key(
    conn: &mut DbConn,
    idempotency: &IdempotencyRecord,
    record: RecordId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut over: Vec<String> = idempotency_keys::table
        .filter(idempotency_keys::expires_at.le(Bind(now)))
        .order(idempotency_keys::expires_at)
        .limit(FORGOTTEN_AT_ONCE)
        .select(idempotency_keys::id)
        .load(conn)?;
    // The same key, a day later.
    over.push(idempotency.id.clone());
    diesel::delete(idempotency_keys::table)
        .filter(idempotency_keys::id.eq_any(over))
        .filter(idempotency_keys::expires_at.le(Bind(now)))
        .execute(conn)?;
    diesel::insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::id.eq(&idempotency.id),
            idempotency_keys::fingerprint.eq(&idempotency.fingerprint),
            idempotency_keys::record_id.eq(Bind(record)),
            idempotency_keys::expires_at.eq(Bind(idempotency.expires_at)),
        ))
        .execute(conn)
        .map_err(|e| StoreError::from(e).or_again())?;
    Ok(())
}
