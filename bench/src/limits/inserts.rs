//! The same records, put into a copy of the audit log's table by nothing but `INSERT`s of many rows.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use diesel::{
    Connection as _, PgConnection, RunQueryDsl as _, sql_query,
    sql_types::{Array, BigInt, Text, Uuid as SqlUuid},
};
use testkit::TestDatabase;
use ud_events::Event;
use uuid::Uuid;

use crate::stats::Figure;

const TABLE: &str =
    "DROP TABLE IF EXISTS bench_records; CREATE TABLE bench_records (LIKE records INCLUDING ALL)";
const INSERT: &str = "INSERT INTO bench_records (seq, id, recorded_at, occurred_at, action, actor_id, target_type, \
    target_id, outcome, reported_by, record) \
    SELECT seq, id, now(), now(), action, NULL, 'user', target_id, 'success', 'profile', record \
    FROM unnest($1, $2, $3, $4, $5) AS new (seq, id, action, target_id, record)";

/// The columns of one batch.
struct Rows {
    seqs: Vec<i64>,
    ids: Vec<Uuid>,
    actions: Vec<String>,
    targets: Vec<String>,
    records: Vec<String>,
}

/// Inserts `batches`, each by one prepared statement that commits by itself, over `connections` at once; events a second.
///
/// # Panics
/// If the database refuses.
pub async fn insert(
    database: &TestDatabase,
    batches: Vec<Vec<Event>>,
    connections: usize,
) -> Figure {
    database.execute(TABLE);
    let url = database.url.clone();
    let inserting = tokio::task::spawn_blocking(move || {
        let events: usize = batches.iter().map(Vec::len).sum();
        let mut last = 0;
        let rows = batches.iter().map(|batch| rows_of(batch, &mut last));
        let rows = Arc::new(Mutex::new(rows.collect::<Vec<_>>()));
        let open = || PgConnection::establish(&url).expect("a connection");
        let open: Vec<_> = (0..connections).map(|_| open()).collect();
        let begun = Instant::now();
        let threads = open.into_iter().map(|mut connection| {
            let rows = Arc::clone(&rows);
            thread::spawn(move || {
                let mut times = Vec::new();
                while let Some(batch) = take(&rows) {
                    let begun = Instant::now();
                    insert_one(&mut connection, &batch);
                    times.push(begun.elapsed());
                }
                times
            })
        });
        let threads: Vec<_> = threads.collect();
        let times = threads
            .into_iter()
            .flat_map(|t| t.join().expect("inserted"));
        let times: Vec<_> = times.collect();
        Figure::new(events as f64 / begun.elapsed().as_secs_f64(), times)
    });
    inserting.await.expect("inserted")
}

fn take(rows: &Mutex<Vec<Rows>>) -> Option<Rows> {
    rows.lock().expect("no panic under this lock").pop()
}

fn rows_of(batch: &[Event], last: &mut i64) -> Rows {
    let begin = *last;
    *last += i64::try_from(batch.len()).expect("a small number");
    let text = |of: fn(&Event) -> String| batch.iter().map(of).collect();
    Rows {
        seqs: (begin + 1..=*last).collect(),
        ids: batch.iter().map(|event| *event.id.as_uuid()).collect(),
        actions: text(|event| event.kind.to_string()),
        targets: text(|event| event.data.target_id.clone()),
        records: text(|event| event.to_json().expect("an event is JSON")),
    }
}

fn insert_one(connection: &mut PgConnection, rows: &Rows) {
    let insert = sql_query(INSERT)
        .bind::<Array<BigInt>, _>(&rows.seqs)
        .bind::<Array<SqlUuid>, _>(&rows.ids)
        .bind::<Array<Text>, _>(&rows.actions)
        .bind::<Array<Text>, _>(&rows.targets)
        .bind::<Array<Text>, _>(&rows.records);
    let count = insert.execute(connection).expect("inserted");
    assert_eq!(count, rows.ids.len(), "rows inserted");
}
