//! The list of revocations in SQLite, each function inside the caller's transaction. A position is the row's number.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable},
};
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{
    Timestamp,
    models::{FeedEntry, FeedPosition, Revoked, RevokedUntil},
};

use super::schema::{revocations, sessions, store};
use crate::models::{
    error::SessionError,
    seen::{Memory, RENEW_EVERY, Seen},
    session::CLOCKS_APART,
    session_store::{FEED_PAGE, FeedRead},
};

/// Adds to the list verifiers follow, unless no token it concerns can be alive by any clock. `now` is not later than the
/// store's own.
pub(super) fn revoke(
    conn: &mut DbConn,
    revoked: &Revoked,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), SessionError> {
    if until.plus(CLOCKS_APART) <= now {
        return Ok(());
    }
    let (kind, name, min_pv) = match revoked {
        Revoked::Session { id } => ("session", id.to_string(), None),
        Revoked::User { id, min_pv } => ("user", id.to_string(), Some(*min_pv)),
        Revoked::Role { name, min_pv } => ("role", name.clone(), Some(*min_pv)),
        Revoked::Key { kid } => ("key", kid.clone(), None),
    };
    diesel::insert_into(revocations::table)
        .values((
            revocations::kind.eq(kind),
            revocations::name.eq(name),
            revocations::min_pv.eq(min_pv),
            revocations::revoked_until.eq(Bind(until)),
        ))
        .execute(conn)
        .map_err(StoreError::from)?;
    Ok(())
}

/// The list from where a reader was. None if the store has not begun.
pub(super) fn read_feed(
    conn: &mut DbConn,
    known: Option<&Seen>,
) -> Result<Option<FeedRead>, SessionError> {
    let Some(incarnation) = incarnation(conn)? else {
        return Ok(None);
    };
    let from = known.filter(|known| known.incarnation == incarnation);
    let after = from.map_or(0, |known| known.position.0);
    let rows = revocations::table
        .filter(revocations::seq.gt(i64::try_from(after).unwrap_or(i64::MAX)))
        .order(revocations::seq)
        .limit(FEED_PAGE as i64)
        .select((
            revocations::seq,
            revocations::kind,
            revocations::name,
            revocations::min_pv,
            revocations::revoked_until,
        ))
        .load::<Row>(conn)
        .map_err(StoreError::from)?;
    Ok(Some(FeedRead {
        incarnation,
        resumed: from.is_some(),
        entries: rows.into_iter().map(entry).collect::<Result<_, _>>()?,
    }))
}

type Row = (i64, String, String, Option<i64>, Timestamp);

fn entry((seq, kind, name, min_pv, until): Row) -> Result<FeedEntry, SessionError> {
    let unreadable = || StoreError::Internal("a revocation is not as written".to_owned());
    let min_pv = min_pv.unwrap_or_default();
    let revoked = match kind.as_str() {
        "session" => Revoked::Session {
            id: name.parse().map_err(|_| unreadable())?,
        },
        "user" => Revoked::User {
            id: name.parse().map_err(|_| unreadable())?,
            min_pv,
        },
        "key" => Revoked::Key { kid: name },
        _ => Revoked::Role { name, min_pv },
    };
    Ok(FeedEntry {
        position: position(seq),
        revocation: RevokedUntil { revoked, until },
    })
}

fn position(seq: i64) -> FeedPosition {
    FeedPosition(seq.unsigned_abs(), 0)
}

/// Where the list ends, deleted entries included: SQLite keeps the last number it gave.
pub(super) fn last_position(conn: &mut DbConn) -> Result<FeedPosition, SessionError> {
    #[derive(QueryableByName)]
    struct Last {
        #[diesel(sql_type = Nullable<BigInt>)]
        seq: Option<i64>,
    }
    let last =
        diesel::sql_query("SELECT max(seq) AS seq FROM sqlite_sequence WHERE name = 'revocations'")
            .get_result::<Last>(conn)
            .map_err(StoreError::from)?;
    Ok(position(last.seq.unwrap_or_default()))
}

/// Whether the store is behind what was seen of it. One that has not begun is empty, not behind.
pub(super) fn has_gone_back(conn: &mut DbConn, seen: &Seen) -> Result<bool, SessionError> {
    let Some(incarnation) = incarnation(conn)? else {
        return Ok(false);
    };
    let here = Seen {
        incarnation,
        position: last_position(conn)?,
    };
    Ok(seen.is_beyond(&here))
}

/// Ends every session and starts a new incarnation if the store is behind `seen`; whether it was. `now` is the store's own
/// clock.
///
/// # Errors
/// [`SessionError::StoreBehind`] if the last one began less than [`RENEW_EVERY`] ago, by the store's row or by memory.
pub(super) fn renew_if_behind(
    conn: &mut DbConn,
    seen: &Seen,
    memory: &Memory,
    now: Timestamp,
) -> Result<bool, SessionError> {
    if !has_gone_back(conn, seen)? {
        return Ok(false);
    }
    let by_row = store::table
        .select(store::renewed_at)
        .first::<Option<Timestamp>>(conn)
        .map_err(StoreError::from)?
        // What lies ahead of the clock is not waited for.
        .filter(|at| *at <= now)
        .map(|at| now.since(at));
    let is_recent = |ago: Option<std::time::Duration>| ago.is_some_and(|ago| ago < RENEW_EVERY);
    if is_recent(by_row) || is_recent(memory.renewed_ago(now)) {
        return Err(SessionError::StoreBehind);
    }
    let incarnation = memory.next_incarnation(now).to_string();
    let run = |conn: &mut DbConn| -> QueryResult<()> {
        diesel::delete(sessions::table).execute(conn)?;
        diesel::delete(revocations::table).execute(conn)?;
        diesel::update(store::table)
            .set((
                store::incarnation.eq(incarnation),
                store::renewed_at.eq(Some(Bind(now))),
            ))
            .execute(conn)?;
        Ok(())
    };
    run(conn).map_err(StoreError::from)?;
    Ok(true)
}

/// Whether tokens of this signing key are refused.
pub(super) fn is_revoked_key(conn: &mut DbConn, kid: &str) -> Result<bool, SessionError> {
    let entry = revocations::table
        .filter(revocations::kind.eq("key"))
        .filter(revocations::name.eq(kid));
    Ok(diesel::select(diesel::dsl::exists(entry))
        .get_result(conn)
        .map_err(StoreError::from)?)
}

fn incarnation(conn: &mut DbConn) -> Result<Option<String>, SessionError> {
    Ok(store::table
        .select(store::incarnation)
        .first(conn)
        .optional()
        .map_err(StoreError::from)?)
}
