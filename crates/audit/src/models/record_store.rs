//! All queries of the audit log. There is none that updates or deletes a record.

use std::collections::HashSet;

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{RecordId, Timestamp, UserId};

use super::{
    record::NewRecord,
    schema::{record_counter, records},
};

/// Rows of one statement: far below what SQLite and MySQL bind at once.
const ROWS_AT_ONCE: usize = 500;

/// A record as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = records)]
pub struct Record {
    /// Place in the log: the order of commits.
    pub seq: i64,
    /// Its id.
    pub id: RecordId,
    /// When it was stored.
    pub recorded_at: Timestamp,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// What happened.
    pub action: String,
    /// Who did it.
    pub actor_id: Option<UserId>,
    /// Noun of what it was done to.
    pub target_type: String,
    /// Which one.
    pub target_id: String,
    /// `success` or `failure`.
    pub outcome: String,
    /// Who says so.
    pub reported_by: String,
    /// Canonical JSON.
    pub record: String,
}

// NULL is bound as it is: for a column's default SQLite would be sent one INSERT for each row.
#[derive(Insertable)]
#[diesel(table_name = records, treat_none_as_default_value = false)]
struct Row<'a> {
    seq: i64,
    id: Bind<RecordId>,
    recorded_at: Bind<Timestamp>,
    occurred_at: Bind<Timestamp>,
    action: &'a str,
    actor_id: Option<Bind<UserId>>,
    target_type: &'a str,
    target_id: &'a str,
    outcome: &'a str,
    reported_by: &'a str,
    record: &'a str,
}

/// What a reader asks for.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter {
    /// Only what this user did.
    pub actor_id: Option<UserId>,
    /// Only what was done to this.
    pub target_id: Option<String>,
    /// Only this action.
    pub action: Option<String>,
    /// Only from this instant on.
    pub from: Option<Timestamp>,
    /// Only before this instant.
    pub to: Option<Timestamp>,
    /// Only records before this place.
    pub before: Option<i64>,
}

/// Whether some of the records may be there already. False at first, and for most batches to the end: looking for a
/// hundred ids costs as much as storing a hundred records. Kept between the runs of one transaction.
#[derive(Debug, Clone, Copy, Default)]
pub struct Repeats(bool);

/// Adds those of `new` that are not there yet, in the order given; gives how many were.
///
/// # Errors
/// [`StoreError`]; a record that is there already makes the transaction run again, which then looks first.
pub fn append(
    conn: &mut DbConn,
    new: &[NewRecord],
    recorded_at: Timestamp,
    repeats: &mut Repeats,
) -> Result<usize, StoreError> {
    let mut known: HashSet<RecordId> = if repeats.0 {
        let ids = new.iter().map(|r| Bind(r.id));
        let known = records::table.filter(records::id.eq_any(ids));
        known.select(records::id).load(conn)?.into_iter().collect()
    } else {
        HashSet::new()
    };
    let fresh: Vec<&NewRecord> = new.iter().filter(|r| known.insert(r.id)).collect();
    if fresh.is_empty() {
        return Ok(0);
    }
    let count = i64::try_from(fresh.len()).unwrap_or(i64::MAX);
    let last = take_places(conn, count)?;
    let rows: Vec<Row<'_>> = (last - count + 1..)
        .zip(&fresh)
        .map(|(seq, record)| Row {
            seq,
            id: Bind(record.id),
            recorded_at: Bind(recorded_at),
            occurred_at: Bind(record.occurred_at),
            action: &record.action,
            actor_id: record.actor_id.map(Bind),
            target_type: &record.target_type,
            target_id: &record.target_id,
            outcome: record.outcome.as_str(),
            reported_by: &record.reported_by,
            record: &record.record,
        })
        .collect();
    for rows in rows.chunks(ROWS_AT_ONCE) {
        insert(conn, rows).map_err(|e| {
            let error = StoreError::from(e);
            repeats.0 |= matches!(error, StoreError::Unique(_));
            error.or_again()
        })?;
    }
    Ok(fresh.len())
}

/// Takes `count` places and gives the last of them. The row's lock is held until the commit: places are given out in the
/// order of commits.
fn take_places(conn: &mut DbConn, count: i64) -> QueryResult<i64> {
    let taken = diesel::update(record_counter::table.find(1))
        .set(record_counter::seq.eq(record_counter::seq + count));
    #[cfg(feature = "postgres")]
    if let DbConn::Postgres(conn) = conn {
        return taken.returning(record_counter::seq).get_result(conn);
    }
    taken.execute(conn)?;
    record_counter::table
        .find(1)
        .select(record_counter::seq)
        .first(conn)
}

/// All rows by one statement, which is not to be had for all three backends at once. PostgreSQL plans an INSERT of a
/// hundred rows for longer than it takes to COPY them.
fn insert(conn: &mut DbConn, rows: &[Row<'_>]) -> QueryResult<usize> {
    match conn {
        #[cfg(feature = "sqlite")]
        DbConn::Sqlite(conn) => diesel::insert_into(records::table)
            .values(rows)
            .execute(conn),
        #[cfg(feature = "postgres")]
        DbConn::Postgres(conn) => diesel::copy_from(records::table)
            .from_insertable(rows)
            .execute(conn),
        #[cfg(feature = "mysql")]
        DbConn::Mysql(conn) => diesel::insert_into(records::table)
            .values(rows)
            .execute(conn),
    }
}

/// The record of that id.
///
/// # Errors
/// [`StoreError`].
pub fn find(conn: &mut DbConn, id: RecordId) -> Result<Option<Record>, StoreError> {
    let query = records::table.filter(records::id.eq(Bind(id)));
    Ok(query.select(Record::as_select()).first(conn).optional()?)
}

/// At most `limit` records, newest first.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    conn: &mut DbConn,
    filter: &RecordFilter,
    limit: i64,
) -> Result<Vec<Record>, StoreError> {
    let mut query = records::table
        .order(records::seq.desc())
        .limit(limit)
        .select(Record::as_select())
        .into_boxed();
    if let Some(actor) = filter.actor_id {
        query = query.filter(records::actor_id.eq(Some(Bind(actor))));
    }
    if let Some(target) = &filter.target_id {
        query = query.filter(records::target_id.eq(target));
    }
    if let Some(action) = &filter.action {
        query = query.filter(records::action.eq(action));
    }
    if let Some(from) = filter.from {
        query = query.filter(records::occurred_at.ge(Bind(from)));
    }
    if let Some(to) = filter.to {
        query = query.filter(records::occurred_at.lt(Bind(to)));
    }
    if let Some(before) = filter.before {
        query = query.filter(records::seq.lt(before));
    }
    Ok(query.load(conn)?)
}
