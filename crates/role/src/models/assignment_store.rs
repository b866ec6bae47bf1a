//! Queries on assignments.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{AssignmentId, RoleId, Timestamp, UserId};

use super::{
    Assignment, Role, USER_ROLE,
    role_store::{self, RoleRow},
    schema::{role_assignments as assignments, roles},
};

/// A row of `role_assignments`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = assignments)]
struct AssignmentRow {
    id: AssignmentId,
    user_id: UserId,
    role_id: RoleId,
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<AssignmentRow> for Assignment {
    fn from(row: AssignmentRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            role_id: row.role_id,
            expires_at: row.expires_at,
            created_at: row.created_at,
        }
    }
}

/// Which assignments a list is to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AssignmentFilter {
    /// Those of one user.
    pub user_id: Option<UserId>,
    /// Those of one role.
    pub role_id: Option<RoleId>,
}

/// Stores a new assignment.
pub(crate) fn insert(conn: &mut DbConn, assignment: &Assignment) -> Result<(), StoreError> {
    diesel::insert_into(assignments::table)
        .values((
            assignments::id.eq(Bind(assignment.id)),
            assignments::user_id.eq(Bind(assignment.user_id)),
            assignments::role_id.eq(Bind(assignment.role_id)),
            assignments::expires_at.eq(assignment.expires_at.map(Bind)),
            assignments::created_at.eq(Bind(assignment.created_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Removes an assignment.
pub(crate) fn delete(conn: &mut DbConn, id: AssignmentId) -> Result<(), StoreError> {
    diesel::delete(assignments::table.find(Bind(id))).execute(conn)?;
    Ok(())
}

/// Removes all assignments of a role; gives how many there were.
pub(crate) fn delete_of_role(conn: &mut DbConn, role: RoleId) -> Result<usize, StoreError> {
    Ok(
        diesel::delete(assignments::table.filter(assignments::role_id.eq(Bind(role))))
            .execute(conn)?,
    )
}

/// The assignment of that id, in effect or not.
pub(crate) fn find(conn: &mut DbConn, id: AssignmentId) -> Result<Option<Assignment>, StoreError> {
    Ok(assignments::table
        .find(Bind(id))
        .select(AssignmentRow::as_select())
        .first(conn)
        .optional()?
        .map(Assignment::from))
}

/// The assignment of that id, in effect or not, and its role's name.
pub(crate) fn find_with_name(
    conn: &mut DbConn,
    id: AssignmentId,
) -> Result<Option<(Assignment, String)>, StoreError> {
    let row: Option<(AssignmentRow, String)> = assignments::table
        .inner_join(roles::table)
        .filter(assignments::id.eq(Bind(id)))
        .select((AssignmentRow::as_select(), roles::name))
        .first(conn)
        .optional()?;
    Ok(row.map(|(row, name)| (row.into(), name)))
}

/// All assignments of a user with their roles, in effect or not, in the order of their ids.
pub(crate) fn of_user(
    conn: &mut DbConn,
    user: UserId,
) -> Result<Vec<(Assignment, Role)>, StoreError> {
    assignments::table
        .inner_join(roles::table)
        .filter(assignments::user_id.eq(Bind(user)))
        .order(assignments::id)
        .select((AssignmentRow::as_select(), RoleRow::as_select()))
        .load::<(AssignmentRow, RoleRow)>(conn)?
        .into_iter()
        .map(|(assignment, role)| Ok((assignment.into(), Role::try_from(role)?)))
        .collect()
}

/// What a user's roles are at `now`, and the first end of one of them.
pub(crate) struct InEffect {
    /// The roles, `user` among them.
    pub(crate) roles: Vec<Role>,
    /// When the first of them ends, if one does.
    pub(crate) until: Option<Timestamp>,
}

/// A user's roles in effect at `now`.
pub(crate) fn in_effect(
    conn: &mut DbConn,
    user: UserId,
    now: Timestamp,
) -> Result<InEffect, StoreError> {
    let everybody = role_store::find(conn, USER_ROLE)?
        .ok_or_else(|| StoreError::Internal("the role `user` is missing".to_owned()))?;
    let mut found = InEffect {
        roles: vec![everybody],
        until: None,
    };
    for (assignment, role) in of_user(conn, user)? {
        if assignment.is_in_effect(now) {
            found.roles.push(role);
            found.until = [found.until, assignment.expires_at]
                .into_iter()
                .flatten()
                .min();
        }
    }
    Ok(found)
}

/// How many users have a role. Right only behind [`super::policy_store::raise_version`], and on READ
/// COMMITTED: an older snapshot would still show an assignment that another transaction has just removed.
pub(crate) fn count_of_role(conn: &mut DbConn, role: RoleId) -> Result<i64, StoreError> {
    Ok(assignments::table
        .filter(assignments::role_id.eq(Bind(role)))
        .count()
        .get_result(conn)?)
}

/// Up to `limit` assignments in effect at `now`, with their roles' names, in the order of their ids, after
/// `after`.
pub(crate) fn page(
    conn: &mut DbConn,
    filter: AssignmentFilter,
    after: Option<AssignmentId>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<(Assignment, String)>, StoreError> {
    let mut query = assignments::table
        .inner_join(roles::table)
        .filter(
            assignments::expires_at
                .is_null()
                .or(assignments::expires_at.gt(Some(Bind(now)))),
        )
        .order(assignments::id)
        .limit(limit)
        .select((AssignmentRow::as_select(), roles::name))
        .into_boxed();
    if let Some(user) = filter.user_id {
        query = query.filter(assignments::user_id.eq(Bind(user)));
    }
    if let Some(role) = filter.role_id {
        query = query.filter(assignments::role_id.eq(Bind(role)));
    }
    if let Some(id) = after {
        query = query.filter(assignments::id.gt(Bind(id)));
    }
    let rows: Vec<(AssignmentRow, String)> = query.load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(row, name)| (row.into(), name))
        .collect())
}

/// Up to `limit` assignments with their roles that have ended by `now`.
pub(crate) fn ended(
    conn: &mut DbConn,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(Assignment, Role)>, StoreError> {
    assignments::table
        .inner_join(roles::table)
        .filter(assignments::expires_at.le(Some(Bind(now))))
        .order(assignments::expires_at)
        .limit(limit)
        .select((AssignmentRow::as_select(), RoleRow::as_select()))
        .load::<(AssignmentRow, RoleRow)>(conn)?
        .into_iter()
        .map(|(assignment, role)| Ok((assignment.into(), Role::try_from(role)?)))
        .collect()
}

/// Users whose roles in effect at `now`, counted singly, have names of more than `bytes` together: those with
/// the role `role`, or all. Few, if any: names that roles share are counted once only by
/// [`super::role::names_bytes`].
pub(crate) fn crowded_users(
    conn: &mut DbConn,
    role: Option<RoleId>,
    bytes: i64,
    now: Timestamp,
) -> Result<Vec<UserId>, StoreError> {
    let mut query = assignments::table
        .inner_join(roles::table)
        .filter(
            assignments::expires_at
                .is_null()
                .or(assignments::expires_at.gt(Some(Bind(now)))),
        )
        .group_by(assignments::user_id)
        .having(diesel::dsl::sum(roles::names_bytes).gt(Some(bytes)))
        .select(assignments::user_id)
        .into_boxed();
    if let Some(role) = role {
        let holders = diesel::alias!(assignments as holders);
        let with_role = holders
            .filter(holders.field(assignments::role_id).eq(Bind(role)))
            .select(holders.field(assignments::user_id));
        query = query.filter(assignments::user_id.eq_any(with_role));
    }
    Ok(query.load(conn)?)
}

/// The roles in effect at `now` of all who have `role` then: itself among them, none if nobody has it. `user` is
/// not in them.
pub(crate) fn roles_of_holders(
    conn: &mut DbConn,
    role: RoleId,
    now: Timestamp,
) -> Result<Vec<Role>, StoreError> {
    let holders = diesel::alias!(assignments as holders);
    let users = holders
        .filter(holders.field(assignments::role_id).eq(Bind(role)))
        .filter(
            holders
                .field(assignments::expires_at)
                .is_null()
                .or(holders.field(assignments::expires_at).gt(Some(Bind(now)))),
        )
        .select(holders.field(assignments::user_id));
    let theirs = assignments::table
        .filter(assignments::user_id.eq_any(users))
        .filter(
            assignments::expires_at
                .is_null()
                .or(assignments::expires_at.gt(Some(Bind(now)))),
        )
        .select(assignments::role_id);
    role_store::read_rows(
        roles::table
            .filter(roles::id.eq_any(theirs))
            .select(RoleRow::as_select())
            .load(conn)?,
    )
}

/// The distinct sets of roles in effect at `now` among `users`, `user` not in them.
pub(crate) fn role_sets(
    conn: &mut DbConn,
    users: &[UserId],
    now: Timestamp,
) -> Result<BTreeSet<BTreeSet<RoleId>>, StoreError> {
    let mut sets = BTreeSet::new();
    // SQLite and PostgreSQL bound the number of values in one statement.
    for users in users.chunks(500) {
        let rows: Vec<(UserId, RoleId)> = assignments::table
            .filter(assignments::user_id.eq_any(users.iter().copied().map(Bind)))
            .filter(
                assignments::expires_at
                    .is_null()
                    .or(assignments::expires_at.gt(Some(Bind(now)))),
            )
            .select((assignments::user_id, assignments::role_id))
            .load(conn)?;
        let mut by_user: BTreeMap<UserId, BTreeSet<RoleId>> = BTreeMap::new();
        for (user, role) in rows {
            by_user.entry(user).or_default().insert(role);
        }
        sets.extend(by_user.into_values());
    }
    Ok(sets)
}
