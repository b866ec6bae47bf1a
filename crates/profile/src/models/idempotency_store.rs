//! All queries on Idempotency-Keys and on the key they are stored under.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_idempotency::IdempotencyRecord;
use ud_kernel::{Timestamp, UserId};

use super::schema::idempotency_keys;

/// What is remembered of a key.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = idempotency_keys)]
pub struct Record {
    /// HMAC of the body.
    pub fingerprint: String,
    /// What the request created.
    pub user_id: UserId,
    /// Until then an attempt may be under way.
    pub locked_until: Timestamp,
    /// From then on the key is new again.
    pub expires_at: Timestamp,
}

/// The record of that id.
///
/// # Errors
/// [`StoreError`].
pub fn find(conn: &mut DbConn, id: &str) -> Result<Option<Record>, StoreError> {
    Ok(idempotency_keys::table
        .find(id)
        .select(Record::as_select())
        .first(conn)
        .optional()?)
}

/// Inserts the record of a request that begins now.
///
/// # Errors
/// [`StoreError::Conflict`] if another request with the same key began at the same moment.
pub fn insert(
    conn: &mut DbConn,
    idempotency: &IdempotencyRecord,
    user_id: UserId,
    locked_until: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::id.eq(&idempotency.id),
            idempotency_keys::fingerprint.eq(&idempotency.fingerprint),
            idempotency_keys::user_id.eq(Bind(user_id)),
            idempotency_keys::locked_until.eq(Bind(locked_until)),
            idempotency_keys::created_at.eq(Bind(now)),
            idempotency_keys::expires_at.eq(Bind(idempotency.expires_at)),
        ))
        .execute(conn)
        .map_err(|e| StoreError::from(e).or_again())?;
    Ok(())
}

/// Moves the end of the lock from `from` to `to`. False if another attempt did so first.
///
/// # Errors
/// [`StoreError`].
pub fn lock(
    conn: &mut DbConn,
    id: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<bool, StoreError> {
    let rows = diesel::update(idempotency_keys::table.find(id))
        .filter(idempotency_keys::locked_until.eq(Bind(from)))
        .set(idempotency_keys::locked_until.eq(Bind(to)))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Forgets a key.
///
/// # Errors
/// [`StoreError`].
pub fn delete(conn: &mut DbConn, id: &str) -> Result<(), StoreError> {
    diesel::delete(idempotency_keys::table.find(id)).execute(conn)?;
    Ok(())
}

/// Forgets the keys whose time is over, and gives their number.
///
/// # Errors
/// [`StoreError`].
pub fn delete_expired(conn: &mut DbConn, now: Timestamp) -> Result<usize, StoreError> {
    Ok(diesel::delete(idempotency_keys::table)
        .filter(idempotency_keys::expires_at.le(Bind(now)))
        .execute(conn)?)
}
