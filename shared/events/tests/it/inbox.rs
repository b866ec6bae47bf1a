//! The inbox by itself.

use std::{sync::atomic::Ordering, time::Duration};

use rstest::rstest;
use testkit::Backend;
use ud_db::StoreError;
use ud_events::{Batch, Event, EventType, NewEvent, Receipt};
use ud_kernel::{Clock, EventId, Service, models::Provenance};

use crate::world::{Receiver, START, user};

fn event(subject: u128, sequence: i64, details: &serde_json::Value) -> Event {
    NewEvent::about(
        Service::Profile,
        EventType::USER_UPDATED,
        user(subject),
        sequence,
        START,
        &Provenance::default(),
    )
    .details(details)
    .finish()
    .unwrap()
}

fn good(subject: u128, sequence: i64) -> Event {
    event(subject, sequence, &serde_json::json!({}))
}

fn bad(subject: u128, sequence: i64) -> Event {
    event(subject, sequence, &serde_json::json!({"bad": true}))
}

fn batch(events: &[&Event]) -> Batch {
    Batch {
        events: events.iter().copied().cloned().collect(),
        parked: vec![],
    }
}

fn ids(events: &[&Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

#[rstest]
#[tokio::test]
async fn an_event_takes_effect_once_however_often_it_comes(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let receiver = Receiver::new(backend, &Clock::manual(START)).await;
    let (a, b, c) = (good(1, 1), good(1, 2), good(2, 1));
    let all = ids(&[&a, &b, &c]);
    for _ in 0..3 {
        let receipt = receiver.take(batch(&[&a, &b, &c])).await.unwrap();
        assert_eq!(
            receipt,
            Receipt {
                accepted: all.clone(),
                parked: vec![]
            }
        );
    }
    receiver.has_exactly(&all).await;
}

#[rstest]
#[tokio::test]
async fn the_same_batch_many_times_at_once_takes_effect_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let receiver = Receiver::new(backend, &Clock::manual(START)).await;
    for round in 0..5 {
        let events: Vec<Event> = (1..=10).map(|n| good(round * 100 + n, 1)).collect();
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (receiver, events) = (receiver.clone(), events.clone());
                tokio::spawn(async move {
                    receiver
                        .take(Batch {
                            events,
                            parked: vec![],
                        })
                        .await
                })
            })
            .collect();
        for task in tasks {
            // One that lost too many races says so, and its sender comes again.
            match task.await.unwrap() {
                Ok(receipt) => assert_eq!(receipt.accepted.len(), 10),
                Err(error) => assert!(error.is_temporary(), "{error}"),
            }
        }
        let counts = receiver.effects().await;
        assert!(
            events.iter().all(|event| counts.get(&event.id) == Some(&1)),
            "round {round}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_bad_event_leaves_no_trace_and_holds_back_only_its_subject(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let receiver = Receiver::new(backend, &Clock::manual(START)).await;
    let (a, b, b2, c) = (good(1, 1), bad(2, 1), good(2, 2), good(3, 1));
    let receipt = receiver.take(batch(&[&a, &b, &c, &b2])).await.unwrap();
    assert_eq!(
        receipt,
        Receipt {
            accepted: ids(&[&a, &c]),
            parked: ids(&[&b])
        }
    );
    receiver.has_exactly(&ids(&[&a, &c])).await;

    receiver.mended.store(true, Ordering::SeqCst);
    let receipt = receiver.take(batch(&[&b, &b2])).await.unwrap();
    assert_eq!(receipt.accepted, ids(&[&b, &b2]));
    receiver.has_exactly(&ids(&[&a, &b, &b2, &c])).await;
}

#[rstest]
#[tokio::test]
async fn a_store_that_fails_takes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let receiver = Receiver::new(backend, &Clock::manual(START)).await;
    let (a, b) = (good(1, 1), good(2, 1));
    receiver.store_down.store(true, Ordering::SeqCst);
    let result = receiver.take(batch(&[&a, &b])).await;
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "{result:?}"
    );
    receiver.has_exactly(&[]).await;
    assert_eq!(receiver.remembered().await, 0);

    receiver.store_down.store(false, Ordering::SeqCst);
    receiver.take(batch(&[&a, &b])).await.unwrap();
    receiver.has_exactly(&ids(&[&a, &b])).await;
}

/// A receiver without room: nothing is parked, and the batch is accepted as soon as there is room.
#[rstest]
#[case(
    Backend::Postgres,
    "'53100', MESSAGE = 'could not extend file \"base/1/2\": No space left on device'"
)]
#[case(Backend::Postgres, "'53200', MESSAGE = 'out of memory'")]
#[case(
    Backend::Postgres,
    "'58030', MESSAGE = 'could not write block 7 of temporary file: Input/output error'"
)]
#[case(
    Backend::Mysql,
    "1021, MESSAGE_TEXT = 'Disk full (/tmp/x); waiting for someone to free some space...'"
)]
#[case(Backend::Mysql, "1114, MESSAGE_TEXT = 'The table ''effects'' is full'")]
#[case(
    Backend::Mysql,
    "1030, MESSAGE_TEXT = 'Got error 28 \"No space left on device\" from storage engine InnoDB'"
)]
#[tokio::test]
async fn a_full_disk_parks_nothing(#[case] backend: Backend, #[case] raised: &str) {
    let receiver = Receiver::new(backend, &Clock::manual(START)).await;
    if backend == Backend::Postgres {
        receiver
            .sql(format!(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION USING ERRCODE = {raised}; END $$"
            ))
            .await;
        receiver
            .sql("CREATE TRIGGER full_disk BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION full_disk()".into())
            .await;
    } else {
        receiver
            .sql(format!(
                "CREATE TRIGGER full_disk BEFORE INSERT ON effects FOR EACH ROW \
                 SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {raised}"
            ))
            .await;
    }
    let (a, b) = (good(1, 1), good(2, 1));
    for _ in 0..2 {
        let result = receiver.take(batch(&[&a, &b])).await;
        assert!(
            matches!(result, Err(StoreError::Unavailable(_))),
            "{result:?}"
        );
    }
    receiver.has_exactly(&[]).await;
    let on = if backend == Backend::Postgres {
        " ON effects"
    } else {
        ""
    };
    receiver.sql(format!("DROP TRIGGER full_disk{on}")).await;
    let receipt = receiver.take(batch(&[&a, &b])).await.unwrap();
    assert_eq!(receipt.accepted, ids(&[&a, &b]));
    assert!(receipt.parked.is_empty());
}

/// The same of a file, whose limit is a real one.
#[tokio::test]
async fn a_full_file_parks_nothing() {
    let receiver = Receiver::new(Backend::Sqlite, &Clock::manual(START)).await;
    receiver
        .sql(
            "CREATE TRIGGER grow BEFORE INSERT ON effects BEGIN INSERT INTO effects \
              VALUES (randomblob(16), zeroblob(9000000), 0); END"
                .into(),
        )
        .await;
    receiver.sql("PRAGMA max_page_count = 200".into()).await;
    let a = good(1, 1);
    let result = receiver.take(batch(&[&a])).await;
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "{result:?}"
    );
    receiver.sql("DROP TRIGGER grow".into()).await;
    assert_eq!(
        receiver.take(batch(&[&a])).await.unwrap().accepted,
        ids(&[&a])
    );
    receiver.has_exactly(&ids(&[&a])).await;
}

/// No service can suppress another's event by using its id first.
#[rstest]
#[tokio::test]
async fn ids_are_remembered_by_sender(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let receiver = Receiver::new(backend, &Clock::manual(START)).await;
    let event = good(1, 1);
    let mut impostor = NewEvent::alone(
        Service::Role,
        EventType::PERMISSION_DENIED,
        START,
        &Provenance::default(),
    )
    .finish()
    .unwrap();
    impostor.id = event.id;
    receiver.take(batch(&[&impostor])).await.unwrap();
    receiver.take(batch(&[&event])).await.unwrap();
    assert_eq!(receiver.effects().await[&event.id], 2);
}

#[rstest]
#[tokio::test]
async fn events_are_forgotten_after_thirty_days(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let clock = Clock::manual(START);
    let receiver = Receiver::new(backend, &clock).await;
    let day = Duration::from_secs(24 * 3600);
    receiver.take(batch(&[&good(1, 1)])).await.unwrap();
    clock.advance(day);
    receiver.take(batch(&[&good(2, 1)])).await.unwrap();
    clock.advance(day * 29);
    receiver.inbox.forget_old().await.unwrap();
    assert_eq!(receiver.remembered().await, 2);
    clock.advance(Duration::from_millis(1));
    receiver.inbox.forget_old().await.unwrap();
    assert_eq!(receiver.remembered().await, 1);
}
