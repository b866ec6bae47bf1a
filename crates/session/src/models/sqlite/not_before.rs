//! Not-befores in SQLite, inside the caller's transaction: below them tokens are stale.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{
    Timestamp,
    models::{NotBefore, Revoked},
};

use super::{feed::revoke, schema::not_before, tables::known_store};
use crate::models::{
    error::SessionError,
    session::{LATE, TWICE_LEEWAY},
};

/// Makes tokens below `not_before` stale, of a user or of a role. A not-before only grows.
pub(super) fn set_not_before(
    conn: &mut DbConn,
    not_before: &NotBefore,
    now: Timestamp,
) -> Result<(), SessionError> {
    let (revoked, kind, name) = match (not_before.user_id, &not_before.role) {
        (Some(id), None) => {
            let min_pv = not_before.min_pv;
            (Revoked::User { id, min_pv }, "user", id.to_string())
        }
        (None, Some(role)) => {
            let (name, min_pv) = (role.clone(), not_before.min_pv);
            (Revoked::Role { name, min_pv }, "role", role.clone())
        }
        _ => return Ok(()),
    };
    let current = not_before::table
        .find((kind, &name))
        .select(not_before::min_pv)
        .first::<i64>(conn)
        .optional()
        .map_err(StoreError::from)?;
    if current.is_some_and(|current| not_before.min_pv <= current) || not_before.min_pv <= 0 {
        return Ok(());
    }
    // As long as a token below it can be alive, or on its way to be signed.
    let until = known_store(conn, now)?.latest_expiry.plus(TWICE_LEEWAY);
    let kept_until = until.max(now.plus(LATE));
    let values = (
        not_before::min_pv.eq(not_before.min_pv),
        not_before::kept_until.eq(Bind(kept_until)),
    );
    let query = if current.is_some() {
        diesel::update(not_before::table.find((kind, &name)))
            .set(values)
            .execute(conn)
    } else {
        diesel::insert_into(not_before::table)
            .values((
                not_before::kind.eq(kind),
                not_before::name.eq(&name),
                values,
            ))
            .execute(conn)
    };
    query.map_err(StoreError::from)?;
    revoke(conn, &revoked, until, now)
}
