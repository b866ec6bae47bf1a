//! Queries on changes of standing that role has not confirmed.

use diesel::prelude::*;
use ud_db::{DbConn, MultiBackend, StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId};

use super::{
    schema::{standing_changes as changes, users},
    user::UserStatus,
};

/// A change that role has not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingChange {
    /// Whose standing.
    pub user_id: UserId,
    /// The version that the change makes, or made.
    pub sequence: i64,
}

/// The sequence of the change of `user` that role has not confirmed, if there is one.
///
/// # Errors
/// [`StoreError`].
pub fn find(conn: &mut DbConn, user: UserId) -> Result<Option<i64>, StoreError> {
    Ok(changes::table
        .find(Bind(user))
        .select(changes::sequence)
        .first(conn)
        .optional()?)
}

/// Writes down the change of `user` that makes the version `sequence`, in the place of an earlier one. The sequence
/// never goes back.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Conflict`] if another transaction does the same.
pub fn put(
    conn: &mut DbConn,
    user: UserId,
    sequence: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = diesel::update(changes::table.find(Bind(user)))
        .filter(changes::sequence.lt(sequence))
        .set((
            changes::sequence.eq(sequence),
            changes::began_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    if rows == 1 || find(conn, user)?.is_some() {
        return Ok(());
    }
    diesel::insert_into(changes::table)
        .values((
            changes::user_id.eq(Bind(user)),
            changes::sequence.eq(sequence),
            changes::began_at.eq(Bind(now)),
        ))
        .execute(conn)
        .map_err(|error| StoreError::from(error).or_again())?;
    Ok(())
}

/// Writes down up to `limit` users after `after`, by id, who are suspended, or were deleted after `since`, as decided
/// changes, where nothing is written yet. Returns who they are.
///
/// # Errors
/// [`StoreError`].
pub fn recall(
    conn: &mut DbConn,
    since: Timestamp,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<UserId>, StoreError> {
    let mut query = users::table
        .left_join(changes::table)
        .filter(changes::user_id.nullable().is_null())
        .filter(
            users::status
                .eq(UserStatus::Suspended.as_str())
                .or(users::status
                    .eq(UserStatus::Deleted.as_str())
                    .and(users::updated_at.gt(Bind(since)))),
        )
        .order(users::id)
        .limit(limit)
        .select((users::id, users::version, users::updated_at))
        .into_boxed::<MultiBackend>();
    if let Some(after) = after {
        query = query.filter(users::id.gt(Bind(after)));
    }
    let cannot_log_in: Vec<(UserId, i64, Timestamp)> = query.load(conn)?;
    for (user, sequence, updated_at) in &cannot_log_in {
        put(conn, *user, *sequence, *updated_at)?;
    }
    Ok(cannot_log_in.into_iter().map(|(user, ..)| user).collect())
}

/// Forgets the change of `user` if its sequence is at most `confirmed`.
///
/// # Errors
/// [`StoreError`].
pub fn confirm(conn: &mut DbConn, user: UserId, confirmed: i64) -> Result<(), StoreError> {
    diesel::delete(changes::table.find(Bind(user)))
        .filter(changes::sequence.le(confirmed))
        .execute(conn)?;
    Ok(())
}

/// Up to `limit` changes that are decided, or were announced before `before` or (by a clock that was ahead) after
/// `latest`; the oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn due(
    conn: &mut DbConn,
    before: Timestamp,
    latest: Timestamp,
    limit: i64,
) -> Result<Vec<StandingChange>, StoreError> {
    let rows: Vec<(UserId, i64)> = changes::table
        .inner_join(users::table)
        .filter(
            users::version
                .ge(changes::sequence)
                .or(changes::began_at.lt(Bind(before)))
                .or(changes::began_at.gt(Bind(latest))),
        )
        .order(changes::began_at)
        .limit(limit)
        .select((changes::user_id, changes::sequence))
        .load(conn)?;
    let change = |(user_id, sequence)| StandingChange { user_id, sequence };
    Ok(rows.into_iter().map(change).collect())
}
