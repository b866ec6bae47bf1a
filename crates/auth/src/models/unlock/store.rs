//! All SQL about unlock codes: one for each user.

use std::time::Duration;

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId};

use crate::models::schema::unlock_codes;

/// A code is good for this long.
pub const CODE_LIFE: Duration = Duration::from_secs(600);
/// Passwords that may be tried with one code.
pub const MAX_TRIES: i64 = 5;

/// A stored code.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct StoredCode {
    /// HMAC over purpose, user and code.
    pub code_hash: String,
    /// Epoch of the account when the code was made.
    pub epoch: i64,
    /// Passwords tried with it so far.
    pub tries: i64,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl StoredCode {
    /// Whether it may be used at an account of `epoch`. One that lasts beyond `latest` after a code's life was written by a
    /// clock that was ahead.
    #[must_use]
    pub fn is_good(&self, epoch: i64, now: Timestamp, latest: Timestamp) -> bool {
        self.epoch == epoch
            && self.tries < MAX_TRIES
            && self.expires_at > now
            && self.expires_at <= latest.plus(CODE_LIFE)
    }
}

/// Returns the code of a user.
///
/// # Errors
/// [`StoreError`].
pub fn find(conn: &mut DbConn, user_id: UserId) -> Result<Option<StoredCode>, StoreError> {
    unlock_codes::table
        .find(Bind(user_id))
        .select((
            unlock_codes::code_hash,
            unlock_codes::epoch,
            unlock_codes::tries,
            unlock_codes::expires_at,
        ))
        .first(conn)
        .optional()
        .map_err(StoreError::from)
}

/// Stores a new code in place of the one before, in a transaction that holds the user's credential.
///
/// # Errors
/// [`StoreError`].
pub fn put(
    conn: &mut DbConn,
    user_id: UserId,
    code_hash: &str,
    epoch: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    remove(conn, &[user_id])?;
    diesel::insert_into(unlock_codes::table)
        .values((
            unlock_codes::user_id.eq(Bind(user_id)),
            unlock_codes::code_hash.eq(code_hash),
            unlock_codes::epoch.eq(epoch),
            unlock_codes::tries.eq(0),
            unlock_codes::expires_at.eq(Bind(now.plus(CODE_LIFE))),
        ))
        .execute(conn)
        .map_err(|error| StoreError::from(error).or_again())?;
    Ok(())
}

/// Counts a password that is tried with a code. False if the code is gone or used up.
///
/// # Errors
/// [`StoreError`].
pub fn count_try(
    conn: &mut DbConn,
    user_id: UserId,
    code_hash: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let rows = diesel::update(unlock_codes::table.find(Bind(user_id)))
        .filter(unlock_codes::code_hash.eq(code_hash))
        .filter(unlock_codes::tries.lt(MAX_TRIES))
        .filter(unlock_codes::expires_at.gt(Bind(now)))
        .set(unlock_codes::tries.eq(unlock_codes::tries + 1))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Refunds a try whose password was not looked at.
///
/// # Errors
/// [`StoreError`].
pub fn refund(conn: &mut DbConn, user_id: UserId, code_hash: &str) -> Result<(), StoreError> {
    diesel::update(unlock_codes::table.find(Bind(user_id)))
        .filter(unlock_codes::code_hash.eq(code_hash))
        .filter(unlock_codes::tries.gt(0))
        .set(unlock_codes::tries.eq(unlock_codes::tries - 1))
        .execute(conn)?;
    Ok(())
}

/// Uses a code up. False if somebody else did, or it was replaced.
///
/// # Errors
/// [`StoreError`].
pub fn use_up(conn: &mut DbConn, user_id: UserId, code_hash: &str) -> Result<bool, StoreError> {
    let rows = diesel::delete(unlock_codes::table.find(Bind(user_id)))
        .filter(unlock_codes::code_hash.eq(code_hash))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Removes the codes of `users`.
///
/// # Errors
/// [`StoreError`].
pub fn remove(conn: &mut DbConn, users: &[UserId]) -> Result<(), StoreError> {
    let users = users.iter().copied().map(Bind);
    diesel::delete(unlock_codes::table.filter(unlock_codes::user_id.eq_any(users)))
        .execute(conn)?;
    Ok(())
}

/// Removes codes that have ended at `now`, and those that would last longer than a code does: the clock that wrote them
/// was ahead. Returns how many.
///
/// # Errors
/// [`StoreError`].
pub fn forget_old(
    conn: &mut DbConn,
    now: Timestamp,
    latest: Timestamp,
) -> Result<usize, StoreError> {
    let rows = diesel::delete(unlock_codes::table)
        .filter(
            unlock_codes::expires_at
                .le(Bind(now))
                .or(unlock_codes::expires_at.gt(Bind(latest))),
        )
        .execute(conn)?;
    Ok(rows)
}
