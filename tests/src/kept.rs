//! What standalone has on its disk, row by row.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Text},
};
use ud_kernel::{Clock, Service};

use crate::{Platform, eventually};

/// Every event has been delivered by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long events are held at most. A delivery that is due much later counts as one of a clock that was wrong, and goes.
const HELD: Duration = Duration::from_secs(10);

const DAY: Duration = Duration::from_hours(24);

/// Bytes of the values of each row, by `service.table` and key. Values count as their text or bytes, without what the file
/// format, its indexes and its log add.
#[derive(Debug, Clone, Default)]
pub struct Rows(BTreeMap<(String, String), i64>);

/// Rows that came, and how many bytes they and those that grew have more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// New rows of each table (`auth.devices`).
    pub rows: BTreeMap<String, u32>,
    /// Bytes of the new ones, and what others have grown by.
    pub bytes: i64,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    pk: i64,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl Rows {
    /// What is in these rows and was not in those of `before`. Rows that went count for nothing.
    #[must_use]
    pub fn since(&self, before: &Self) -> Kept {
        let mut kept = Kept::default();
        for (place, bytes) in &self.0 {
            match before.0.get(place) {
                Some(earlier) => kept.bytes += (bytes - earlier).max(0),
                None => {
                    *kept.rows.entry(place.0.clone()).or_default() += 1;
                    kept.bytes += bytes;
                }
            }
        }
        kept
    }

    /// Tables and keys of the rows that are not in those of `later`.
    #[must_use]
    pub fn lost_in(&self, later: &Self) -> Vec<String> {
        let lost = self.0.keys().filter(|place| !later.0.contains_key(*place));
        lost.map(|(table, key)| format!("{table} {key}")).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The same without these tables, each of one service (`audit.records`) or of all (`outbox`).
    #[must_use]
    pub fn without(mut self, tables: &[&str]) -> Self {
        self.0.retain(|(name, _), _| {
            let of_all = name.split_once('.').map_or("", |(_, table)| table);
            !tables.contains(&name.as_str()) && !tables.contains(&of_all)
        });
        self
    }
}

impl Kept {
    /// Adds what `other` has.
    pub fn add(&mut self, other: &Self) {
        for (table, rows) in &other.rows {
            *self.rows.entry(table.clone()).or_default() += rows;
        }
        self.bytes += other.bytes;
    }
}

impl Platform {
    /// Every row that standalone keeps.
    ///
    /// # Panics
    /// If a database cannot be read.
    #[must_use]
    pub fn rows(&self) -> Rows {
        let mut rows = BTreeMap::new();
        for service in Service::ALL {
            let mut conn = self.open_database(service);
            for table in tables(&mut conn) {
                let name = format!("{service}.{table}");
                let found = read(&mut conn, &table).into_iter();
                rows.extend(found.map(|row| ((name.clone(), row.key), row.bytes)));
            }
        }
        Rows(rows)
    }

    /// The audit records of each request, by its id.
    ///
    /// # Panics
    /// If the database cannot be read.
    #[must_use]
    pub fn audit_records(&self) -> BTreeMap<String, Kept> {
        let mut conn = self.open_database(Service::Audit);
        let sizes = sum_of_lengths(&columns(&mut conn, "records"));
        let sql = format!(
            "SELECT coalesce(json_extract(record, '$.data.request_id'), '') AS key, {sizes} AS bytes FROM records"
        );
        let rows: Vec<Row> = sql_query(sql).load(&mut conn).expect("audit records");
        let mut records: BTreeMap<String, Kept> = BTreeMap::new();
        for row in rows {
            let kept = records.entry(row.key).or_default();
            *kept.rows.entry("audit.records".to_owned()).or_default() += 1;
            kept.bytes += row.bytes;
        }
        records
    }

    /// Waits until standalone has no event left to deliver.
    ///
    /// # Panics
    /// If it still has one after a while.
    pub async fn until_delivered(&self) {
        eventually(PATIENCE, "every event is delivered", || async {
            // The audit service tells nobody anything.
            let senders = Service::ALL.into_iter().filter(|s| *s != Service::Audit);
            let waiting = senders.map(|service| {
                let mut conn = self.open_database(service);
                let sql = "SELECT count(*) AS number FROM outbox_deliveries";
                let found = sql_query(sql).get_result::<Number>(&mut conn);
                found.expect("deliveries").number
            });
            (waiting.sum::<i64>() == 0).then_some(())
        })
        .await;
    }

    /// Has standalone's events wait, but for those to the audit log, until [`Platform::let_events_go`]: a request that
    /// tells another service something is not overtaken by the event that says the same.
    ///
    /// # Panics
    /// If a database cannot be written.
    pub fn hold_events(&self) {
        let held = format!(
            "CREATE TRIGGER held AFTER INSERT ON outbox_deliveries WHEN NEW.destination <> 'audit' BEGIN \
             UPDATE outbox_deliveries SET next_at = '{}' \
             WHERE destination = NEW.destination AND event_id = NEW.event_id; END",
            Clock::system().now().plus(HELD)
        );
        self.at_every_sender(&held);
    }

    /// Has the events go that [`Platform::hold_events`] has kept waiting.
    ///
    /// # Panics
    /// If a database cannot be written, or its events are not held.
    pub fn let_events_go(&self) {
        let go =
            "DROP TRIGGER held; UPDATE outbox_deliveries SET next_at = '1970-01-01T00:00:00.000Z'";
        self.at_every_sender(go);
    }

    /// Has standalone's session service know of tokens that end later than any of this day's. The first one in a minute
    /// to end later than all before would write that down, and which request that is depends on the second.
    ///
    /// # Panics
    /// If nobody has logged in yet.
    pub fn know_of_later_tokens(&self) {
        let mut conn = open(&self.database_file(Service::Session), "rw");
        let later = Clock::system().now().plus(DAY);
        let changed = sql_query(format!("UPDATE store SET latest_expiry = '{later}'"));
        assert_eq!(changed.execute(&mut conn), Ok(1), "nobody has logged in");
    }

    fn at_every_sender(&self, sql: &str) {
        for service in Service::ALL.into_iter().filter(|s| *s != Service::Audit) {
            let mut conn = open(&self.database_file(service), "rw");
            conn.batch_execute(sql).expect("events that wait, or go");
        }
    }

    fn database_file(&self, service: Service) -> PathBuf {
        self.folder().join(format!("data/{service}.db"))
    }

    fn open_database(&self, service: Service) -> SqliteConnection {
        open(&self.database_file(service), "ro")
    }
}

fn open(file: &Path, mode: &str) -> SqliteConnection {
    let url = format!("file:{}?mode={mode}", file.display());
    let mut conn = SqliteConnection::establish(&url).expect("a database of standalone");
    conn.batch_execute("PRAGMA busy_timeout = 5000")
        .expect("a timeout");
    conn
}

fn tables(conn: &mut SqliteConnection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
        AND name NOT LIKE '\\_\\_%' ESCAPE '\\'";
    let names: Vec<Name> = sql_query(sql).load(conn).expect("tables");
    names.into_iter().map(|table| table.name).collect()
}

fn columns(conn: &mut SqliteConnection, table: &str) -> Vec<Column> {
    let sql = format!("SELECT name, pk FROM pragma_table_info('{table}')");
    sql_query(sql).load(conn).expect("columns")
}

fn read(conn: &mut SqliteConnection, table: &str) -> Vec<Row> {
    let columns = columns(conn, table);
    let keys = columns.iter().filter(|column| column.pk > 0);
    let key = keys.map(|column| format!("quote({})", column.name));
    let key = key.collect::<Vec<_>>().join(" || ");
    assert!(!key.is_empty(), "{table} has no primary key");
    let sizes = sum_of_lengths(&columns);
    let sql = format!("SELECT {key} AS key, {sizes} AS bytes FROM {table}");
    sql_query(sql).load(conn).expect("rows")
}

fn sum_of_lengths(columns: &[Column]) -> String {
    let length = |column: &Column| format!("coalesce(length(CAST({} AS BLOB)), 0)", column.name);
    columns.iter().map(length).collect::<Vec<_>>().join(" + ")
}
