//! All SQL about wrong passwords of the last minutes: one row for each, so that the limit holds for every
//! stretch of time and in every replica.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{EventId, Timestamp};

use super::schema::login_failures;

/// Rows forgotten in one go.
const FORGET_AT_ONCE: i64 = 1000;

/// When the `count`-th newest failure after `since` was; none if there were fewer.
///
/// # Errors
/// [`StoreError`].
pub fn nth_newest(
    conn: &mut DbConn,
    counted_under: &str,
    since: Timestamp,
    count: u32,
) -> Result<Option<Timestamp>, StoreError> {
    login_failures::table
        .filter(login_failures::counted_under.eq(counted_under))
        .filter(login_failures::failed_at.gt(Bind(since)))
        .order(login_failures::failed_at.desc())
        .offset(i64::from(count.saturating_sub(1)))
        .limit(1)
        .select(login_failures::failed_at)
        .first(conn)
        .optional()
        .map_err(StoreError::from)
}

/// Counts a failure.
///
/// # Errors
/// [`StoreError`].
pub fn insert(conn: &mut DbConn, counted_under: &str, now: Timestamp) -> Result<(), StoreError> {
    diesel::insert_into(login_failures::table)
        .values((
            login_failures::id.eq(Bind(EventId::new(now))),
            login_failures::counted_under.eq(counted_under),
            login_failures::failed_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Forgets the failures counted under a name.
///
/// # Errors
/// [`StoreError`].
pub fn forget(conn: &mut DbConn, counted_under: &str) -> Result<(), StoreError> {
    diesel::delete(login_failures::table)
        .filter(login_failures::counted_under.eq(counted_under))
        .execute(conn)?;
    Ok(())
}

/// Forgets failures before `limit`; says how many, at most a thousand.
///
/// # Errors
/// [`StoreError`].
pub fn forget_before(conn: &mut DbConn, limit: Timestamp) -> Result<usize, StoreError> {
    let old = login_failures::table
        .filter(login_failures::failed_at.lt(Bind(limit)))
        .select(login_failures::id)
        .limit(FORGET_AT_ONCE)
        .load::<EventId>(conn)?;
    let rows = diesel::delete(login_failures::table)
        .filter(login_failures::id.eq_any(old.into_iter().map(Bind)))
        .execute(conn)?;
    Ok(rows)
}
