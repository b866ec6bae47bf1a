//! All SQL about networks that completed logins came from.

use std::time::Duration;

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId};

use super::PlaceNames;
use crate::models::schema::account_places;

/// A source is evidence for this long after the last completed login from it.
pub const EVIDENCE_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// The wide network is kept for this long.
pub const WIDE_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// Rows of one user and kind; of more, the ones seen longest ago are removed.
pub const MAX_PLACES: usize = 50;
/// Rows removed in one go.
const FORGET_AT_ONCE: i64 = 1000;

const EXACT: &str = "exact";
const WIDE: &str = "wide";

/// Returns whether a completed login of the account's present `epoch` came from one of `names` lately.
///
/// # Errors
/// [`StoreError`].
pub fn is_known(
    conn: &mut DbConn,
    user_id: UserId,
    epoch: i64,
    names: &PlaceNames,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let found = account_places::table
        .filter(account_places::user_id.eq(Bind(user_id)))
        .filter(account_places::network.eq_any(&names.exact))
        .filter(account_places::kind.eq(EXACT))
        .filter(account_places::epoch.eq(epoch))
        .filter(account_places::seen_at.gt(Bind(now.minus(EVIDENCE_LIFE))))
        .select(account_places::epoch)
        .first::<i64>(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Stores that a completed login with `epoch` came from the networks of `names`.
///
/// # Errors
/// [`StoreError`].
pub fn put(
    conn: &mut DbConn,
    user_id: UserId,
    epoch: i64,
    names: &PlaceNames,
    now: Timestamp,
) -> Result<(), StoreError> {
    let current = names.current();
    let rows = diesel::update(account_places::table)
        .filter(account_places::user_id.eq(Bind(user_id)))
        .filter(account_places::network.eq_any(current))
        .set((
            account_places::epoch.eq(epoch),
            account_places::seen_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    if rows == 2 {
        return Ok(());
    }
    for (kind, network) in [EXACT, WIDE].into_iter().zip(current) {
        put_one(conn, user_id, epoch, kind, network, now)?;
    }
    Ok(())
}

fn put_one(
    conn: &mut DbConn,
    user_id: UserId,
    epoch: i64,
    kind: &str,
    network: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let known = account_places::table
        .find((Bind(user_id), network))
        .select(account_places::epoch)
        .first::<i64>(conn)
        .optional()?;
    if known.is_some() {
        return Ok(());
    }
    diesel::insert_into(account_places::table)
        .values((
            account_places::user_id.eq(Bind(user_id)),
            account_places::network.eq(network),
            account_places::kind.eq(kind),
            account_places::epoch.eq(epoch),
            account_places::seen_at.eq(Bind(now)),
        ))
        .execute(conn)
        .map_err(|error| StoreError::from(error).or_again())?;
    let all = account_places::table
        .filter(account_places::user_id.eq(Bind(user_id)))
        .filter(account_places::kind.eq(kind))
        .order((
            account_places::seen_at.desc(),
            account_places::network.desc(),
        ))
        .select(account_places::network)
        .load::<String>(conn)?;
    let old: Vec<_> = all.into_iter().skip(MAX_PLACES).collect();
    if !old.is_empty() {
        diesel::delete(account_places::table)
            .filter(account_places::user_id.eq(Bind(user_id)))
            .filter(account_places::network.eq_any(old))
            .execute(conn)?;
    }
    Ok(())
}

/// Removes every place of a user.
///
/// # Errors
/// [`StoreError`].
pub fn remove(conn: &mut DbConn, user_id: UserId) -> Result<(), StoreError> {
    diesel::delete(account_places::table.filter(account_places::user_id.eq(Bind(user_id))))
        .execute(conn)?;
    Ok(())
}

/// Removes places that are kept no longer; returns how many.
///
/// # Errors
/// [`StoreError`].
pub fn forget_old(conn: &mut DbConn, now: Timestamp) -> Result<usize, StoreError> {
    let mut removed = 0;
    for (kind, life) in [(EXACT, EVIDENCE_LIFE), (WIDE, WIDE_LIFE)] {
        let limit = now.minus(life);
        let old = account_places::table
            .filter(account_places::kind.eq(kind))
            .filter(account_places::seen_at.le(Bind(limit)))
            .select(account_places::network)
            .limit(FORGET_AT_ONCE)
            .load::<String>(conn)?;
        if old.is_empty() {
            continue;
        }
        removed += diesel::delete(account_places::table)
            .filter(account_places::network.eq_any(old))
            .filter(account_places::kind.eq(kind))
            .filter(account_places::seen_at.le(Bind(limit)))
            .execute(conn)?;
    }
    Ok(removed)
}

/// Sets places seen later than `latest` to have been seen `now`: the clock that wrote them was ahead.
///
/// # Errors
/// [`StoreError`].
pub fn correct_future(
    conn: &mut DbConn,
    now: Timestamp,
    latest: Timestamp,
) -> Result<(), StoreError> {
    for kind in [EXACT, WIDE] {
        diesel::update(account_places::table)
            .filter(account_places::kind.eq(kind))
            .filter(account_places::seen_at.gt(Bind(latest)))
            .set(account_places::seen_at.eq(Bind(now)))
            .execute(conn)?;
    }
    Ok(())
}
