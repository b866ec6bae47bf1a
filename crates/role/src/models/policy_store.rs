//! Queries on the policy version and on what this service remembers of users.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId};

use super::schema::{deleted_users, first_administrator, policy_version};

/// Key of the one row of a table that has one.
const ONLY: i32 = 1;

/// Raises the policy version and gives the new one. Every transaction that changes a role or an assignment
/// begins with this: the row stays locked until it ends, so there is one such transaction at a time, and
/// what it reads after this call is what all before it committed.
pub(crate) fn raise_version(conn: &mut DbConn) -> Result<i64, StoreError> {
    let rows = diesel::update(policy_version::table.find(ONLY))
        .set(policy_version::version.eq(policy_version::version + 1))
        .execute(conn)?;
    if rows != 1 {
        return Err(StoreError::Internal("no row in policy_version".to_owned()));
    }
    version(conn)
}

/// The policy version.
pub(crate) fn version(conn: &mut DbConn) -> Result<i64, StoreError> {
    Ok(policy_version::table
        .find(ONLY)
        .select(policy_version::version)
        .first(conn)?)
}

/// The user who became the first administrator, if there ever was one.
pub(crate) fn first_administrator(conn: &mut DbConn) -> Result<Option<UserId>, StoreError> {
    Ok(first_administrator::table
        .find(ONLY)
        .select(first_administrator::user_id)
        .first(conn)
        .optional()?)
}

/// Closes the latch: `user` is the first administrator for ever.
pub(crate) fn insert_first_administrator(
    conn: &mut DbConn,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::insert_into(first_administrator::table)
        .values((
            first_administrator::id.eq(ONLY),
            first_administrator::user_id.eq(Bind(user)),
            first_administrator::created_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whether `user` was deleted, as far as this service has been told.
pub(crate) fn is_deleted(conn: &mut DbConn, user: UserId) -> Result<bool, StoreError> {
    let found: Option<UserId> = deleted_users::table
        .find(Bind(user))
        .select(deleted_users::user_id)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Remembers that `user` was deleted; once more changes nothing. Only behind [`raise_version`].
pub(crate) fn remember_deleted(
    conn: &mut DbConn,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    if is_deleted(conn, user)? {
        return Ok(());
    }
    diesel::insert_into(deleted_users::table)
        .values((
            deleted_users::user_id.eq(Bind(user)),
            deleted_users::deleted_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    Ok(())
}
