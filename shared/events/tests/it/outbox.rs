//! The SQL outbox by itself.

use std::{collections::HashMap, time::Duration};

use diesel::prelude::*;
use rstest::rstest;
use testkit::Backend;
use ud_db::{StoreError, sql::Bind};
use ud_events::{
    Claimed, Destination, EventType, LEASE, NewEvent, Outbox as _, Postponed, SqlOutbox,
    schema::outbox_deliveries,
};
use ud_kernel::{EventId, Service, models::Provenance};

use crate::world::{START, Sender};

const AUDIT: Destination = Destination::Service(Service::Audit);

/// In the order of the subjects: events of one millisecond come in any order.
fn ids(claimed: &[Claimed]) -> Vec<EventId> {
    let event = |c: &Claimed| ud_events::Event::from_json(c.body.as_bytes()).unwrap();
    let mut events: Vec<_> = claimed.iter().map(event).collect();
    events.sort_by_key(|event| event.subject);
    events.into_iter().map(|event| event.id).collect()
}

#[rstest]
#[tokio::test]
async fn an_event_is_claimed_once_and_gone_when_delivered(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let outbox = sender.outbox();
    assert!(outbox.claim(AUDIT, 100).await.unwrap().is_empty());

    let id = sender.write(sender.updated(1, 1)).await;
    let claimed = outbox.claim(AUDIT, 100).await.unwrap();
    assert_eq!(ids(&claimed), [id]);
    assert_eq!(
        (claimed[0].kind.as_str(), claimed[0].attempts),
        ("user_updated", 1)
    );
    let event = ud_events::Event::from_json(claimed[0].body.as_bytes()).unwrap();
    assert_eq!(
        (event.id, event.sequence, event.source),
        (id, 1, Service::Profile)
    );
    assert!(
        outbox.claim(AUDIT, 100).await.unwrap().is_empty(),
        "claimed twice"
    );

    outbox.delivered(AUDIT, &claimed).await.unwrap();
    assert_eq!(sender.rows().await, (0, 0));
    outbox.delivered(AUDIT, &claimed).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn each_destination_has_its_own_delivery(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let outbox = sender.outbox();
    sender.write(sender.deleted(1, 1)).await;
    assert_eq!(sender.rows().await, (1, 3));
    for (destination, left) in [
        (Service::Auth.into(), (1, 2)),
        (Service::Role.into(), (1, 1)),
        (AUDIT, (0, 0)),
    ] {
        let claimed = outbox.claim(destination, 100).await.unwrap();
        outbox.delivered(destination, &claimed).await.unwrap();
        assert_eq!(sender.rows().await, left, "{destination}");
    }
    assert!(
        outbox
            .claim(Service::Session.into(), 100)
            .await
            .unwrap()
            .is_empty()
    );
}

#[rstest]
#[tokio::test]
async fn an_undone_change_says_nothing(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let new = sender.updated(1, 1);
    let result = sender.db.tx(move |conn| {
        ud_events::outbox::write(conn, new.clone())?;
        Err::<(), _>(StoreError::NotFound)
    });
    assert_eq!(result.await, Err(StoreError::NotFound));
    assert_eq!(sender.rows().await, (0, 0));
}

#[rstest]
#[tokio::test]
async fn defects_of_the_writer_undo_its_change(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    sender.write(sender.updated(1, 1)).await;
    let again = sender.updated(1, 1);
    let result = sender
        .db
        .tx(move |conn| ud_events::outbox::write(conn, again.clone()))
        .await;
    assert!(
        result
            .clone()
            .unwrap_err()
            .is_unique("uq_outbox_subject_sequence"),
        "{result:?}"
    );

    let foreign = NewEvent::alone(
        Service::Profile,
        EventType::PASSWORD_CHANGED,
        START,
        &Provenance::default(),
    );
    let result = sender
        .db
        .tx(move |conn| ud_events::outbox::write(conn, foreign.clone()))
        .await;
    assert!(matches!(result, Err(StoreError::Internal(_))), "{result:?}");
    assert_eq!(sender.rows().await, (1, 1));
}

#[rstest]
#[tokio::test]
async fn subjects_keep_their_order_and_do_not_wait_for_each_other(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let outbox = sender.outbox();
    // A writer whose clock went back: order is that of the sequence, not of ids or times.
    let second = sender.write(sender.updated(1, 2)).await;
    sender.clock.set(START.minus(Duration::from_secs(300)));
    let third = sender.write(sender.updated(1, 3)).await;
    sender.clock.set(START);
    let other = sender.write(sender.updated(2, 7)).await;

    let claimed = outbox.claim(AUDIT, 100).await.unwrap();
    assert_eq!(ids(&claimed), [second, other]);
    let (first, rest): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|c| c.id == second);
    outbox.delivered(AUDIT, &rest).await.unwrap();
    assert!(outbox.claim(AUDIT, 100).await.unwrap().is_empty());
    outbox.delivered(AUDIT, &first).await.unwrap();
    assert_eq!(ids(&outbox.claim(AUDIT, 100).await.unwrap()), [third]);
}

#[rstest]
#[tokio::test]
async fn a_claim_ends_with_its_lease(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let outbox = sender.outbox();
    let id = sender.write(sender.updated(1, 1)).await;
    let stale = outbox.claim(AUDIT, 100).await.unwrap();
    sender.clock.advance(LEASE - Duration::from_millis(1));
    assert!(outbox.claim(AUDIT, 100).await.unwrap().is_empty());
    sender.clock.advance(Duration::from_millis(1));
    let fresh = outbox.claim(AUDIT, 100).await.unwrap();
    assert_eq!((ids(&fresh), fresh[0].attempts), (vec![id], 2));

    // Who lost the lease cannot give it away.
    let now = sender.clock.now();
    outbox
        .postpone(AUDIT, &stale, now, Postponed::Unreachable)
        .await
        .unwrap();
    assert!(outbox.claim(AUDIT, 100).await.unwrap().is_empty());
    // But that the event arrived is true whoever says it.
    outbox.delivered(AUDIT, &stale).await.unwrap();
    assert_eq!(sender.rows().await, (0, 0));
}

#[rstest]
#[tokio::test]
async fn a_parked_event_waits_and_holds_back_only_its_subject(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let outbox = sender.outbox();
    let bad = sender.write(sender.updated(1, 1)).await;
    sender.write(sender.updated(1, 2)).await;
    let claimed = outbox.claim(AUDIT, 100).await.unwrap();
    let until = sender.clock.now().plus(Duration::from_secs(60));
    outbox
        .postpone(AUDIT, &claimed, until, Postponed::Parked)
        .await
        .unwrap();
    let state = |conn: &mut ud_db::DbConn| {
        outbox_deliveries::table
            .order(outbox_deliveries::sequence)
            .select(outbox_deliveries::state)
            .load::<String>(conn)
            .map_err(StoreError::from)
    };
    assert_eq!(sender.db.read(state).await.unwrap(), ["parked", "pending"]);

    let other = sender.write(sender.updated(2, 1)).await;
    assert_eq!(ids(&outbox.claim(AUDIT, 100).await.unwrap()), [other]);
    sender.clock.advance(Duration::from_secs(60));
    assert_eq!(ids(&outbox.claim(AUDIT, 100).await.unwrap()), [bad, other]);
}

#[rstest]
#[tokio::test]
async fn a_writer_whose_clock_is_ahead_delays_nobody(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    sender.clock.advance(Duration::from_secs(300));
    let id = sender.write(sender.updated(1, 1)).await;
    sender.clock.set(START);
    assert_eq!(ids(&sender.outbox().claim(AUDIT, 100).await.unwrap()), [id]);
}

/// A process whose clock was a month, or five minutes, ahead claimed and was killed, or was refused: nothing waits for that.
#[rstest]
#[tokio::test]
async fn a_wait_further_ahead_than_any_may_be_is_due(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
    #[values(30 * 86_400, 310)] ahead: u64,
) {
    let sender = Sender::new(backend).await;
    let outbox = sender.outbox();
    let id = sender.write(sender.updated(1, 1)).await;
    let ahead = Duration::from_secs(ahead);
    sender.clock.advance(ahead);
    let lost = outbox.claim(AUDIT, 100).await.unwrap();
    assert_eq!(ids(&lost), [id]);
    sender.clock.set(START);
    let claimed = outbox.claim(AUDIT, 100).await.unwrap();
    assert_eq!(ids(&claimed), [id], "the lease");
    assert!(
        outbox.claim(AUDIT, 100).await.unwrap().is_empty(),
        "this one holds"
    );
    let until = START.plus(ahead);
    let postpone = outbox.postpone(AUDIT, &claimed, until, Postponed::Parked);
    postpone.await.unwrap();
    let claimed = outbox.claim(AUDIT, 100).await.unwrap();
    assert_eq!(ids(&claimed), [id], "the wait");
    // The longest that is legal holds to its end.
    let until = START.plus(Duration::from_secs(300));
    let postpone = outbox.postpone(AUDIT, &claimed, until, Postponed::Parked);
    postpone.await.unwrap();
    for at in [START, until.minus(Duration::from_millis(1))] {
        sender.clock.set(at);
        assert!(outbox.claim(AUDIT, 100).await.unwrap().is_empty(), "{at}");
    }
    sender.clock.set(until);
    assert_eq!(ids(&outbox.claim(AUDIT, 100).await.unwrap()), [id]);
}

/// Clocks of replicas are never quite the same: a claim of one that is a little ahead holds.
#[rstest]
#[tokio::test]
async fn a_claim_by_a_clock_that_is_a_little_ahead_holds(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let outbox = sender.outbox();
    sender.write(sender.updated(1, 1)).await;
    sender.clock.advance(Duration::from_secs(5));
    assert_eq!(outbox.claim(AUDIT, 100).await.unwrap().len(), 1);
    sender.clock.set(START);
    assert!(outbox.claim(AUDIT, 100).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn the_oldest_event_tells_the_lag(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let outbox = sender.outbox();
    assert_eq!(outbox.oldest(AUDIT).await.unwrap(), None);
    sender.write(sender.updated(1, 1)).await;
    sender.clock.advance(Duration::from_secs(5));
    sender.write(sender.deleted(2, 1)).await;
    assert_eq!(outbox.oldest(AUDIT).await.unwrap(), Some(START));
    let later = START.plus(Duration::from_secs(5));
    assert_eq!(
        outbox.oldest(Service::Auth.into()).await.unwrap(),
        Some(later)
    );
}

/// Eight claimers over two pools: no delivery is given to two of them.
#[rstest]
#[tokio::test]
async fn claims_are_exclusive(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    const EVENTS: usize = 60;
    let sender = Sender::new(backend).await;
    for n in 0..EVENTS {
        sender.write(sender.updated(n as u128 + 1, 1)).await;
    }
    let pools = [sender.db.clone(), sender.fresh.db()];
    let claimers: Vec<_> = (0..8)
        .map(|n| {
            let outbox = SqlOutbox::new(pools[n % 2].clone(), sender.clock.clone());
            tokio::spawn(async move {
                let mut got = Vec::new();
                for _ in 0..10 {
                    got.extend(ids(&outbox.claim(AUDIT, 7).await.unwrap()));
                }
                got
            })
        })
        .collect();
    let mut counts: HashMap<EventId, usize> = HashMap::new();
    for claimer in claimers {
        for id in claimer.await.unwrap() {
            *counts.entry(id).or_default() += 1;
        }
    }
    assert!(counts.values().all(|n| *n == 1), "claimed twice");
    assert_eq!(counts.len(), EVENTS);
}

/// The last deliveries of one event, noted at the same moment, still remove it.
#[rstest]
#[tokio::test]
async fn the_last_deliveries_at_once_leave_nothing(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    for n in 1..=15 {
        sender.write(sender.deleted(n, 1)).await;
        let noting: Vec<_> = [AUDIT, Service::Auth.into(), Service::Role.into()]
            .into_iter()
            .map(|destination| {
                let outbox = sender.outbox();
                tokio::spawn(async move {
                    let claimed = outbox.claim(destination, 100).await.unwrap();
                    outbox.delivered(destination, &claimed).await.unwrap();
                })
            })
            .collect();
        for task in noting {
            task.await.unwrap();
        }
        assert_eq!(sender.rows().await, (0, 0), "round {n}");
    }
}

#[rstest]
#[tokio::test]
async fn what_a_kill_left_is_tidied_and_nothing_else(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let gone = sender.write(sender.updated(1, 1)).await;
    sender.write(sender.updated(2, 1)).await;
    let kill = move |conn: &mut ud_db::DbConn| {
        diesel::delete(outbox_deliveries::table.filter(outbox_deliveries::event_id.eq(Bind(gone))))
            .execute(conn)
            .map_err(StoreError::from)
    };
    sender.db.tx(kill).await.unwrap();
    assert_eq!(sender.rows().await, (2, 1));
    sender.outbox().tidy().await.unwrap();
    assert_eq!(sender.rows().await, (1, 1));
}
