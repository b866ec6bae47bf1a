//! Queries on users' standings, and on who could act as an administrator.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{
    Timestamp, UserId,
    models::{Standing, UserStanding},
};

use super::{
    ADMIN_ROLE, policy_store,
    schema::{deleted_users, role_assignments as assignments, user_standings as standings},
};

/// What profile has told of `user`; none if nothing.
pub(crate) fn find(conn: &mut DbConn, user: UserId) -> Result<Option<UserStanding>, StoreError> {
    let row: Option<(String, i64)> = standings::table
        .find(Bind(user))
        .select((standings::state, standings::sequence))
        .first(conn)
        .optional()?;
    row.map(|(state, sequence)| {
        let state = state.parse().map_err(StoreError::Internal)?;
        Ok(UserStanding { state, sequence })
    })
    .transpose()
}

/// Puts `standing` in the place of what was told before. Only behind [`policy_store::raise_version`].
pub(crate) fn store(
    conn: &mut DbConn,
    user: UserId,
    standing: UserStanding,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = diesel::update(standings::table.find(Bind(user)))
        .set((
            standings::state.eq(standing.state.as_str()),
            standings::sequence.eq(standing.sequence),
            standings::updated_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    if rows == 0 {
        diesel::insert_into(standings::table)
            .values((
                standings::user_id.eq(Bind(user)),
                standings::state.eq(standing.state.as_str()),
                standings::sequence.eq(standing.sequence),
                standings::updated_at.eq(Bind(now)),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// Whether `user` could act as an administrator: not deleted, and neither inactive nor about to be.
pub(crate) fn can_act(conn: &mut DbConn, user: UserId) -> Result<bool, StoreError> {
    let standing = find(conn, user)?;
    Ok(standing.is_none_or(|told| told.state == Standing::Active)
        && !policy_store::is_deleted(conn, user)?)
}

/// How many administrators beside `user` could act. No administrator's assignment has an end, so each one counts.
/// Right only behind [`policy_store::raise_version`], and on READ COMMITTED: an older snapshot would still show an
/// assignment that another transaction has just removed.
pub(crate) fn other_administrators(conn: &mut DbConn, user: UserId) -> Result<i64, StoreError> {
    let barred = standings::table
        .filter(standings::state.ne(Standing::Active.as_str()))
        .select(standings::user_id);
    Ok(assignments::table
        .filter(assignments::role_id.eq(Bind(ADMIN_ROLE)))
        .filter(assignments::user_id.ne(Bind(user)))
        .filter(assignments::user_id.ne_all(barred))
        .filter(assignments::user_id.ne_all(deleted_users::table.select(deleted_users::user_id)))
        .count()
        .get_result(conn)?)
}

/// How many reservations were made before `before` and have no outcome; one of a time after `latest`, which a clock
/// that was ahead has written, is counted too.
pub(crate) fn reserved_before(
    conn: &mut DbConn,
    before: Timestamp,
    latest: Timestamp,
) -> Result<i64, StoreError> {
    Ok(standings::table
        .filter(standings::state.eq(Standing::Reserved.as_str()))
        .filter(
            standings::updated_at
                .lt(Bind(before))
                .or(standings::updated_at.gt(Bind(latest))),
        )
        .count()
        .get_result(conn)?)
}
