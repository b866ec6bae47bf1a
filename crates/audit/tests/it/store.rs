//! Appending: in order, each once, without gaps, whoever writes at the same time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use diesel::{
    dsl::{count_star, max},
    prelude::*,
};
use rstest::rstest;
use testkit::Backend;
use testkit::TestDatabase;
use ud_db::{Db, StoreError};
use ud_kernel::RecordId;
use user_audit_service::models::{
    error::AuditError,
    record::NewRecord,
    record_store::{self, Record, Repeats},
    schema::records,
};

use crate::world::{START, World, record, records as some};

#[rstest]
#[tokio::test]
async fn records_are_appended_in_order_and_read_back_whole(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let backend = world.database.backend;
    let new = some(3);
    assert_eq!(world.append(new.clone()).await.unwrap(), 3, "{backend}");
    let later = some(1);
    assert_eq!(world.append(later.clone()).await.unwrap(), 1);
    let log = world.log().await;
    let expected: Vec<_> = (1..)
        .zip(new.into_iter().chain(later))
        .map(|(seq, new)| stored(seq, new))
        .collect();
    assert_eq!(log, expected, "{backend}");
    assert_eq!(world.flow.read(log[2].id).await.unwrap(), log[2]);
    let unknown = world.flow.read(RecordId::new(START)).await;
    assert!(matches!(unknown, Err(AuditError::NotFound)), "{backend}");
}

fn stored(seq: i64, new: NewRecord) -> Record {
    Record {
        seq,
        id: new.id,
        recorded_at: START,
        occurred_at: new.occurred_at,
        action: new.action,
        actor_id: new.actor_id,
        target_type: new.target_type,
        target_id: new.target_id,
        outcome: new.outcome.as_str().to_owned(),
        reported_by: new.reported_by,
        record: new.record,
    }
}

#[rstest]
#[tokio::test]
async fn an_event_is_recorded_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let backend = world.database.backend;
    let [a, b, c] = [record(), record(), record()];
    assert_eq!(world.append(Vec::new()).await.unwrap(), 0);
    assert_eq!(world.append(vec![a.clone()]).await.unwrap(), 1);
    assert_eq!(world.append(vec![a.clone()]).await.unwrap(), 0);
    let mixed = vec![b.clone(), a.clone(), b.clone(), c.clone(), c.clone()];
    assert_eq!(world.append(mixed).await.unwrap(), 2, "{backend}");
    let ids: Vec<_> = world.log().await.iter().map(|r| (r.seq, r.id)).collect();
    assert_eq!(ids, [(1, a.id), (2, b.id), (3, c.id)], "{backend}");

    // The first one stays: who sends an id again cannot change what was written under it.
    let mut forged = a.clone();
    forged.target_id = "another".to_owned();
    assert_eq!(world.append(vec![forged]).await.unwrap(), 0);
    let kept = world.flow.read(a.id).await.unwrap();
    assert_eq!(kept.target_id, a.target_id, "{backend}");
}

#[rstest]
#[tokio::test]
async fn more_rows_than_one_insert_takes(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let new = some(1201);
    assert_eq!(world.append(new.clone()).await.unwrap(), 1201);
    let log = world.log().await;
    let found: Vec<_> = log.iter().map(|r| (r.seq, r.id)).collect();
    let expected: Vec<_> = (1..).zip(new.iter().map(|r| r.id)).collect();
    assert_eq!(found, expected, "{}", world.database.backend);
}

const WRITERS: usize = 8;
const BATCHES: usize = 25;

#[rstest]
#[tokio::test]
async fn places_have_no_gaps_and_follow_the_commits(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let backend = world.database.backend;
    let done = Arc::new(AtomicBool::new(false));
    let watcher = tokio::spawn(watch(reader(&world.database), Arc::clone(&done)));
    let writers: Vec<_> = (0..WRITERS).map(|_| tokio::spawn(write(&world))).collect();
    let mut batches: Vec<Vec<RecordId>> = Vec::new();
    for writer in writers {
        batches.extend(writer.await.unwrap());
    }
    done.store(true, Ordering::SeqCst);
    watcher.await.unwrap();

    let log = world.log().await;
    assert_eq!(batches.len(), WRITERS * BATCHES);
    let total: usize = batches.iter().map(Vec::len).sum();
    let places: Vec<_> = log.iter().map(|r| r.seq).collect();
    let expected: Vec<_> = (1..=i64::try_from(total).unwrap()).collect();
    assert_eq!(places, expected, "{backend}");
    let by_id: BTreeMap<_, _> = log.iter().map(|r| (r.id, r.seq)).collect();
    for batch in batches {
        let places: Vec<_> = batch.iter().map(|id| by_id[id]).collect();
        assert!(
            places.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{backend}: a batch lies together"
        );
    }
}

/// Commits batches of 1 to 4, and gives up as many others half-way.
fn write(world: &World) -> impl Future<Output = Vec<Vec<RecordId>>> + use<> {
    let db = world.db.clone();
    async move {
        let mut written = Vec::new();
        for n in 0..BATCHES {
            let new = some(1 + n % 4);
            let lost = some(2);
            let given_up: Result<(), StoreError> = db
                .tx(move |conn| {
                    record_store::append(conn, &lost, START, &mut Repeats::default())?;
                    Err(StoreError::NotFound)
                })
                .await;
            assert_eq!(given_up, Err(StoreError::NotFound));
            let ids = new.iter().map(|r| r.id).collect();
            let mut repeats = Repeats::default();
            let added: Result<usize, StoreError> = db
                .tx(move |conn| record_store::append(conn, &new, START, &mut repeats))
                .await;
            added.unwrap();
            written.push(ids);
        }
        written
    }
}

/// A place that can be seen has no free place below it, ever.
async fn watch(db: Db, done: Arc<AtomicBool>) {
    let mut looks = 0;
    while !done.load(Ordering::SeqCst) || looks == 0 {
        let seen: Result<(i64, Option<i64>), StoreError> = db
            .read(|conn| {
                let query = records::table.select((count_star(), max(records::seq)));
                Ok(query.first(conn)?)
            })
            .await;
        let (count, last) = seen.unwrap();
        assert_eq!(count, last.unwrap_or(0));
        looks += 1;
        tokio::task::yield_now().await;
    }
}

fn reader(database: &TestDatabase) -> Db {
    crate::world::open(&database.url)
}

#[rstest]
#[tokio::test]
async fn a_batch_sent_by_many_at_once_is_recorded_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let new = some(10);
    let senders: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (db, new) = (world.db.clone(), new.clone());
            let mut repeats = Repeats::default();
            let append = move |conn: &mut _| record_store::append(conn, &new, START, &mut repeats);
            tokio::spawn(async move { db.tx::<_, StoreError, _>(append).await })
        })
        .collect();
    let mut added = 0;
    for sender in senders {
        added += sender.await.unwrap().unwrap();
    }
    let log = world.log().await;
    let ids: BTreeSet<_> = log.iter().map(|r| r.id).collect();
    assert_eq!((added, log.len(), ids.len()), (10, 10, 10));
    assert_eq!(log.last().unwrap().seq, 10, "{}", world.database.backend);
}
