//! All SQL about guesses: one row for each name they are counted under.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::Timestamp;

use super::schema::guess_counts;

/// Rows forgotten in one go.
const FORGET_AT_ONCE: i64 = 1000;

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct GuessCount {
    /// Guesses that failed, or are being looked at.
    pub failures: i64,
    /// When the last of them was counted.
    pub counted_at: Timestamp,
}

/// What stands under `counted_under`.
///
/// # Errors
/// [`StoreError`].
pub fn find(conn: &mut DbConn, counted_under: &str) -> Result<Option<GuessCount>, StoreError> {
    guess_counts::table
        .find(counted_under)
        .select((guess_counts::failures, guess_counts::counted_at))
        .first(conn)
        .optional()
        .map_err(StoreError::from)
}

/// Adds one guess, and holds the row until the transaction ends. Gives what stood there before.
///
/// # Errors
/// [`StoreError`].
pub fn add(
    conn: &mut DbConn,
    counted_under: &str,
    now: Timestamp,
) -> Result<Option<GuessCount>, StoreError> {
    let rows = diesel::update(guess_counts::table.find(counted_under))
        .set(guess_counts::failures.eq(guess_counts::failures + 1))
        .execute(conn)?;
    if rows == 1 {
        let count = find(conn, counted_under)?;
        return Ok(count.map(|count| GuessCount {
            failures: count.failures - 1,
            ..count
        }));
    }
    diesel::insert_into(guess_counts::table)
        .values((
            guess_counts::counted_under.eq(counted_under),
            guess_counts::failures.eq(1),
            guess_counts::counted_at.eq(Bind(now)),
        ))
        .execute(conn)
        .map_err(|error| StoreError::from(error).or_again())?;
    Ok(None)
}

/// Puts `count` in place of what stands there, in a transaction that holds the row.
///
/// # Errors
/// [`StoreError`].
pub fn set(conn: &mut DbConn, counted_under: &str, count: GuessCount) -> Result<(), StoreError> {
    diesel::update(guess_counts::table.find(counted_under))
        .set((
            guess_counts::failures.eq(count.failures),
            guess_counts::counted_at.eq(Bind(count.counted_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Takes one guess back: the row is as before it if nothing was counted since, otherwise smaller by one.
///
/// # Errors
/// [`StoreError`].
pub fn take_back(
    conn: &mut DbConn,
    counted_under: &str,
    before: GuessCount,
    charged: GuessCount,
) -> Result<(), StoreError> {
    let rows = diesel::update(guess_counts::table.find(counted_under))
        .filter(guess_counts::failures.eq(charged.failures))
        .filter(guess_counts::counted_at.eq(Bind(charged.counted_at)))
        .set((
            guess_counts::failures.eq(before.failures),
            guess_counts::counted_at.eq(Bind(before.counted_at)),
        ))
        .execute(conn)?;
    if rows == 0 {
        diesel::update(guess_counts::table.find(counted_under))
            .filter(guess_counts::failures.gt(0))
            .set(guess_counts::failures.eq(guess_counts::failures - 1))
            .execute(conn)?;
    }
    Ok(())
}

/// Forgets what is counted under a name.
///
/// # Errors
/// [`StoreError`].
pub fn forget(conn: &mut DbConn, counted_under: &str) -> Result<(), StoreError> {
    diesel::delete(guess_counts::table.find(counted_under)).execute(conn)?;
    Ok(())
}

/// Forgets rows that were counted last before `limit`; says how many, at most a thousand.
///
/// # Errors
/// [`StoreError`].
pub fn forget_before(conn: &mut DbConn, limit: Timestamp) -> Result<usize, StoreError> {
    let old = guess_counts::table
        .filter(guess_counts::counted_at.lt(Bind(limit)))
        .select(guess_counts::counted_under)
        .limit(FORGET_AT_ONCE)
        .load::<String>(conn)?;
    // Not those that were counted again meanwhile.
    let rows = diesel::delete(guess_counts::table)
        .filter(guess_counts::counted_under.eq_any(old))
        .filter(guess_counts::counted_at.lt(Bind(limit)))
        .execute(conn)?;
    Ok(rows)
}
