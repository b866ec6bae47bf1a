//! All SQL about login throttling: one row for each name that is counted.

use std::time::Duration;

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::Timestamp;

use crate::models::schema::{guess_counts, login_counts};

/// Rows removed in one go.
const FORGET_AT_ONCE: i64 = 1000;

/// What is counted under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Count {
    /// Tries that failed, or are being looked at.
    pub failures: i64,
    /// When the last of them was counted.
    pub counted_at: Timestamp,
    /// Since when failures are forgotten one by one.
    pub decays_from: Timestamp,
    /// From when on the row counts no more.
    pub forgotten_at: Timestamp,
}

/// Returns the counts under `names`; a name that is not counted is left out.
///
/// # Errors
/// [`StoreError`].
pub fn find_all(conn: &mut DbConn, names: &[String]) -> Result<Vec<(String, Count)>, StoreError> {
    let rows = login_counts::table
        .filter(login_counts::counted_under.eq_any(names))
        .load::<(String, i64, Timestamp, Timestamp, Timestamp)>(conn)?;
    let count = |(name, failures, counted_at, decays_from, forgotten_at)| {
        let count = Count {
            failures,
            counted_at,
            decays_from,
            forgotten_at,
        };
        (name, count)
    };
    Ok(rows.into_iter().map(count).collect())
}

/// Returns the count under `name`.
///
/// # Errors
/// [`StoreError`].
pub fn find(conn: &mut DbConn, name: &str) -> Result<Option<Count>, StoreError> {
    login_counts::table
        .find(name)
        .select((
            login_counts::failures,
            login_counts::counted_at,
            login_counts::decays_from,
            login_counts::forgotten_at,
        ))
        .first(conn)
        .optional()
        .map_err(StoreError::from)
}

/// Adds one failure, and holds the row until the transaction ends. Returns what was counted before; `first` is stored if
/// that is nothing.
///
/// # Errors
/// [`StoreError`].
pub fn add(conn: &mut DbConn, name: &str, first: Count) -> Result<Option<Count>, StoreError> {
    let rows = diesel::update(login_counts::table.find(name))
        .set(login_counts::failures.eq(login_counts::failures + 1))
        .execute(conn)?;
    if rows == 1 {
        let count = find(conn, name)?;
        return Ok(count.map(|count| Count {
            failures: count.failures - 1,
            ..count
        }));
    }
    diesel::insert_into(login_counts::table)
        .values((
            login_counts::counted_under.eq(name),
            login_counts::failures.eq(first.failures),
            login_counts::counted_at.eq(Bind(first.counted_at)),
            login_counts::decays_from.eq(Bind(first.decays_from)),
            login_counts::forgotten_at.eq(Bind(first.forgotten_at)),
        ))
        .execute(conn)
        .map_err(|error| StoreError::from(error).or_again())?;
    Ok(None)
}

/// Replaces what is counted under `name`, in a transaction that holds the row.
///
/// # Errors
/// [`StoreError`].
pub fn set(conn: &mut DbConn, name: &str, count: Count) -> Result<(), StoreError> {
    diesel::update(login_counts::table.find(name))
        .set((
            login_counts::failures.eq(count.failures),
            login_counts::counted_at.eq(Bind(count.counted_at)),
            login_counts::decays_from.eq(Bind(count.decays_from)),
            login_counts::forgotten_at.eq(Bind(count.forgotten_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Takes one failure back. If nothing was counted since, the row is as `before`, or gone if there was none; otherwise it is
/// smaller by one.
///
/// # Errors
/// [`StoreError`].
pub fn refund(
    conn: &mut DbConn,
    name: &str,
    before: Option<Count>,
    after: Count,
) -> Result<(), StoreError> {
    let unchanged = login_counts::failures
        .eq(after.failures)
        .and(login_counts::counted_at.eq(Bind(after.counted_at)));
    let rows = match before {
        Some(before) => diesel::update(login_counts::table.find(name))
            .filter(unchanged)
            .set((
                login_counts::failures.eq(before.failures),
                login_counts::counted_at.eq(Bind(before.counted_at)),
                login_counts::decays_from.eq(Bind(before.decays_from)),
                login_counts::forgotten_at.eq(Bind(before.forgotten_at)),
            ))
            .execute(conn)?,
        None => diesel::delete(login_counts::table.find(name))
            .filter(unchanged)
            .execute(conn)?,
    };
    if rows == 0 {
        diesel::update(login_counts::table.find(name))
            .filter(login_counts::failures.gt(0))
            .set(login_counts::failures.eq(login_counts::failures - 1))
            .execute(conn)?;
        diesel::delete(login_counts::table.find(name))
            .filter(login_counts::failures.eq(0))
            .execute(conn)?;
    }
    Ok(())
}

/// Removes what is counted under `name`.
///
/// # Errors
/// [`StoreError`].
pub fn forget(conn: &mut DbConn, name: &str) -> Result<(), StoreError> {
    diesel::delete(login_counts::table.find(name)).execute(conn)?;
    Ok(())
}

/// Removes rows that count no more at `now`; returns how many, at most a thousand.
///
/// # Errors
/// [`StoreError`].
pub fn forget_old(conn: &mut DbConn, now: Timestamp) -> Result<usize, StoreError> {
    let old = login_counts::table
        .filter(login_counts::forgotten_at.le(Bind(now)))
        .select(login_counts::counted_under)
        .limit(FORGET_AT_ONCE)
        .load::<String>(conn)?;
    // Not those that were counted again meanwhile.
    let rows = diesel::delete(login_counts::table)
        .filter(login_counts::counted_under.eq_any(old))
        .filter(login_counts::forgotten_at.le(Bind(now)))
        .execute(conn)?;
    Ok(rows)
}

/// Sets rows that would count for longer than `longest` to have been counted now: the clock that wrote them was ahead.
/// Returns how many.
///
/// # Errors
/// [`StoreError`].
pub fn correct_future(
    conn: &mut DbConn,
    now: Timestamp,
    longest: Duration,
    apart: Duration,
) -> Result<usize, StoreError> {
    let latest = now.plus(longest);
    let rows = diesel::update(login_counts::table)
        .filter(login_counts::forgotten_at.gt(Bind(latest.plus(apart))))
        .set((
            login_counts::counted_at.eq(Bind(now)),
            login_counts::decays_from.eq(Bind(now)),
            login_counts::forgotten_at.eq(Bind(latest)),
        ))
        .execute(conn)?;
    Ok(rows)
}

/// Removes rows that replicas of the version before counted last before `limit`, or ahead of `now`; returns how many, at
/// most a thousand.
///
/// # Errors
/// [`StoreError`].
pub fn forget_of_release_before(
    conn: &mut DbConn,
    limit: Timestamp,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let old = guess_counts::table
        .filter(
            guess_counts::counted_at
                .lt(Bind(limit))
                .or(guess_counts::counted_at.gt(Bind(now))),
        )
        .select(guess_counts::counted_under)
        .limit(FORGET_AT_ONCE)
        .load::<String>(conn)?;
    let rows = diesel::delete(guess_counts::table)
        .filter(guess_counts::counted_under.eq_any(old))
        .execute(conn)?;
    Ok(rows)
}
