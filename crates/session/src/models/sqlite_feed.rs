//! The list of revocations in SQLite, each function inside the caller's transaction. A position is the row's number.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable},
};
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{
    EventId, Timestamp,
    models::{FeedEntry, FeedKnown, FeedPosition, Revocation, Revoked},
};

use super::{
    error::SessionError,
    schema::{revocations, sessions, store},
    session::CLOCKS_APART,
    session_store::{FEED_PAGE, FeedRead},
};

/// Adds to the list verifiers follow, unless no token it concerns can be alive by any clock.
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
    known: Option<&FeedKnown>,
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
        revocation: Revocation { revoked, until },
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

/// Whether the list is shorter than somebody has seen it.
pub(super) fn has_gone_back(conn: &mut DbConn, known: &FeedKnown) -> Result<bool, SessionError> {
    let same = incarnation(conn)?.is_some_and(|incarnation| incarnation == known.incarnation);
    Ok(same && last_position(conn)? < known.position)
}

/// Ends every session and starts a new incarnation.
pub(super) fn renew(conn: &mut DbConn, now: Timestamp) -> Result<(), SessionError> {
    let run = |conn: &mut DbConn| -> QueryResult<()> {
        diesel::delete(sessions::table).execute(conn)?;
        diesel::delete(revocations::table).execute(conn)?;
        diesel::update(store::table)
            .set(store::incarnation.eq(EventId::new(now).to_string()))
            .execute(conn)?;
        Ok(())
    };
    Ok(run(conn).map_err(StoreError::from)?)
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
