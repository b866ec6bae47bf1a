//! Marks in SQLite, inside the caller's transaction: below them tokens are stale.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{
    Timestamp,
    models::{Mark, Revoked},
};

use super::{feed::revoke, schema::marks, tables::known_store};
use crate::models::{
    error::SessionError,
    session::{LATE, TWICE_LEEWAY},
};

/// Makes tokens below `mark` stale, of a user or of a role. A mark only grows.
pub(super) fn set_mark(conn: &mut DbConn, mark: &Mark, now: Timestamp) -> Result<(), SessionError> {
    let (revoked, kind, name) = match (mark.user_id, &mark.role) {
        (Some(id), None) => {
            let min_pv = mark.min_pv;
            (Revoked::User { id, min_pv }, "user", id.to_string())
        }
        (None, Some(role)) => {
            let (name, min_pv) = (role.clone(), mark.min_pv);
            (Revoked::Role { name, min_pv }, "role", role.clone())
        }
        _ => return Ok(()),
    };
    let current = marks::table
        .find((kind, &name))
        .select(marks::min_pv)
        .first::<i64>(conn)
        .optional()
        .map_err(StoreError::from)?;
    if current.is_some_and(|current| mark.min_pv <= current) || mark.min_pv <= 0 {
        return Ok(());
    }
    // As long as a token below it can be alive, or on its way to be signed.
    let until = known_store(conn, now)?.latest_expiry.plus(TWICE_LEEWAY);
    let kept_until = until.max(now.plus(LATE));
    let values = (
        marks::min_pv.eq(mark.min_pv),
        marks::kept_until.eq(Bind(kept_until)),
    );
    let query = if current.is_some() {
        diesel::update(marks::table.find((kind, &name)))
            .set(values)
            .execute(conn)
    } else {
        diesel::insert_into(marks::table)
            .values((marks::kind.eq(kind), marks::name.eq(&name), values))
            .execute(conn)
    };
    query.map_err(StoreError::from)?;
    revoke(conn, &revoked, until, now)
}
