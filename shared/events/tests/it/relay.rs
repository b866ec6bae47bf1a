//! The relay as it runs in a service.

use std::{sync::atomic::Ordering, time::Duration};

use rstest::rstest;
use testkit::Backend;
use ud_db::StoreError;
use ud_events::{Destination, LEASE, OutboxHandle, Relay, SqlOutbox, Step};
use ud_kernel::{Clock, Service};
use ud_telemetry::Metrics;

use crate::{
    running::{Running, has_all, relay, replica},
    servers::Fresh,
    wire::Wire,
    world::{PATIENCE, Receiver, Sender},
};

const AUDIT: Destination = Destination::Service(Service::Audit);

#[rstest]
#[tokio::test]
async fn what_is_committed_arrives_at_every_destination(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let receiver = Receiver::new(backend, &sender.clock).await;
    let wire = Wire::to(Some(&receiver));
    // Some of it before the relay starts: what an earlier process left.
    let mut ids = vec![sender.write(sender.deleted(1, 1)).await];
    let running = Running::start(relay(&sender, &wire));
    for n in 2..=20 {
        ids.push(sender.write(sender.deleted(n, 1)).await);
    }
    for to in [AUDIT, Service::Auth.into(), Service::Role.into()] {
        has_all(&wire, to, &ids).await;
    }
    running.stop().await;
    receiver.has_exactly(&ids).await;
    assert_eq!(sender.rows().await, (0, 0));
    wire.look(|t| assert!(t.sent.values().all(|n| *n == 1), "sent twice without need"));
}

/// What is no service of ours, a broker say: in its own order and at its own pace, as the services.
#[rstest]
#[tokio::test]
async fn a_destination_outside_gets_what_is_written_for_it_and_holds_up_nobody(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let broker = Destination::External("broker");
    let sender = Sender::new(backend).await;
    let wire = Wire::to(None);
    wire.set_down(broker, true);
    let running = Running::start(relay(&sender, &wire).and_to(broker));
    let first = sender.write_also(sender.deleted(1, 1), &[broker]).await;
    let second = sender.write_also(sender.deleted(1, 2), &[broker]).await;
    let not_for_it = sender.write(sender.deleted(2, 1)).await;
    has_all(&wire, AUDIT, &[first, second, not_for_it]).await;
    wire.until(|t| t.refused.get(&broker).is_some_and(|n| *n >= 2))
        .await;
    wire.look(|t| assert!(!t.accepted.contains_key(&broker)));
    wire.set_down(broker, false);
    has_all(&wire, broker, &[first, second]).await;
    running.stop().await;
    wire.look(|t| assert!(!t.accepted[&broker].contains(&not_for_it)));
    assert_eq!(sender.rows().await, (0, 0));
}

#[rstest]
#[tokio::test]
async fn a_destination_that_was_down_gets_everything_and_held_up_nobody(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let receiver = Receiver::new(backend, &sender.clock).await;
    let wire = Wire::to(Some(&receiver));
    wire.set_down(AUDIT, true);
    wire.set_silent(Service::Role.into());
    let running = Running::start(relay(&sender, &wire));
    let mut ids = Vec::new();
    for n in 1..=10 {
        for sequence in 1..=2 {
            ids.push(sender.write(sender.deleted(n, sequence)).await);
        }
    }
    has_all(&wire, Service::Auth.into(), &ids).await;
    wire.until(|t| t.refused.get(&AUDIT).is_some_and(|n| *n >= 2))
        .await;
    receiver.has_exactly(&[]).await;

    wire.set_down(AUDIT, false);
    has_all(&wire, AUDIT, &ids).await;
    receiver.has_exactly(&ids).await;
    running.task.abort();
    assert!(running.task.await.unwrap_err().is_cancelled());
}

/// The receiver's own store fails for a while, after it began to apply.
#[rstest]
#[tokio::test]
async fn a_destination_that_cannot_store_now_is_asked_again(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let receiver = Receiver::new(backend, &sender.clock).await;
    let wire = Wire::to(Some(&receiver));
    receiver.store_down.store(true, Ordering::SeqCst);
    let ids = [
        sender.write(sender.updated(1, 1)).await,
        sender.write(sender.updated(1, 2)).await,
    ];
    let relay = relay(&sender, &wire);
    assert_eq!(relay.step(AUDIT, 100).await, Step::Failed);
    // Given back, so nobody has to wait for the lease.
    assert_eq!(relay.step(AUDIT, 100).await, Step::Failed);
    receiver.store_down.store(false, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(
            relay.step(AUDIT, 100).await,
            Step::Sent {
                accepted: 1,
                parked: 0
            }
        );
    }
    assert_eq!(relay.step(AUDIT, 100).await, Step::Idle);
    receiver.has_exactly(&ids).await;
}

#[rstest]
#[tokio::test]
async fn a_bad_event_is_parked_and_goes_on_when_the_receiver_is_mended(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let receiver = Receiver::new(backend, &sender.clock).await;
    let wire = Wire::to(Some(&receiver));
    let relay = relay(&sender, &wire);
    let bad = sender.write(sender.bad(1, 1)).await;
    let behind = sender.write(sender.updated(1, 2)).await;
    let other = sender.write(sender.updated(2, 1)).await;
    assert_eq!(
        relay.step(AUDIT, 100).await,
        Step::Sent {
            accepted: 1,
            parked: 1
        }
    );
    assert_eq!(relay.step(AUDIT, 100).await, Step::Idle);
    receiver.has_exactly(&[other]).await;
    wire.look(|t| assert!(t.parked.contains(&bad)));

    // Refused again, and waiting longer each time, but never for ever.
    for _ in 0..12 {
        sender.clock.advance(Duration::from_secs(300));
        assert_eq!(
            relay.step(AUDIT, 100).await,
            Step::Sent {
                accepted: 0,
                parked: 1
            }
        );
        assert_eq!(relay.step(AUDIT, 100).await, Step::Idle);
    }
    receiver.mended.store(true, Ordering::SeqCst);
    sender.clock.advance(Duration::from_secs(300));
    assert_eq!(
        relay.step(AUDIT, 100).await,
        Step::Sent {
            accepted: 1,
            parked: 0
        }
    );
    assert_eq!(
        relay.step(AUDIT, 100).await,
        Step::Sent {
            accepted: 1,
            parked: 0
        }
    );
    receiver.has_exactly(&[bad, behind, other]).await;
}

/// Somebody damaged a row: the receiver cannot even tell the id.
#[rstest]
#[tokio::test]
async fn a_damaged_event_stops_nobody_else(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    use diesel::prelude::*;
    use ud_events::schema::outbox;

    let sender = Sender::new(backend).await;
    let receiver = Receiver::new(backend, &sender.clock).await;
    let wire = Wire::to(Some(&receiver));
    sender.write(sender.updated(1, 1)).await;
    sender
        .db
        .tx(|conn| {
            diesel::update(outbox::table)
                .set(outbox::body.eq("{\"id\": 1}"))
                .execute(conn)
                .map_err(StoreError::from)
        })
        .await
        .unwrap();
    let good = sender.write(sender.updated(2, 1)).await;
    let relay = relay(&sender, &wire);
    assert_eq!(
        relay.step(AUDIT, 100).await,
        Step::Sent {
            accepted: 1,
            parked: 1
        }
    );
    receiver.has_exactly(&[good]).await;
    assert_eq!(sender.rows().await, (1, 1));
}

/// Two replicas, each with its own pool and relay, while others write: nothing is lost, doubled, or out of
/// order, and the leases keep both from sending the same.
#[rstest]
#[tokio::test]
async fn two_relays_at_once_share_the_work(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    const SUBJECTS: u128 = 12;
    const EACH: i64 = 8;
    let sender = Sender::new(backend).await;
    let receiver = Receiver::new(backend, &sender.clock).await;
    let wire = Wire::to(Some(&receiver));
    let other_db = sender.fresh.db();
    let other = SqlOutbox::new(other_db.clone(), sender.clock.clone());
    let running = [
        Running::start(replica(&sender, &wire, sender.outbox(), &sender.handle)),
        Running::start(replica(&sender, &wire, other, &sender.handle)),
    ];
    let writers: Vec<_> = (1..=SUBJECTS)
        .map(|subject| {
            let db = if subject % 2 == 0 {
                sender.db.clone()
            } else {
                other_db.clone()
            };
            let events: Vec<_> = (1..=EACH).map(|n| sender.updated(subject, n)).collect();
            let handle = sender.handle.clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for new in events {
                    ids.push(new.id());
                    db.tx(move |conn| ud_events::outbox::write(conn, new.clone()))
                        .await
                        .unwrap();
                    handle.wake();
                }
                ids
            })
        })
        .collect();
    let mut ids = Vec::new();
    for writer in writers {
        ids.extend(writer.await.unwrap());
    }
    has_all(&wire, AUDIT, &ids).await;
    for running in running {
        running.stop().await;
    }
    receiver.has_exactly(&ids).await;
    assert_eq!(sender.rows().await, (0, 0));
    wire.look(|t| assert!(t.sent.values().all(|n| *n == 1), "sent by both"));
}

/// Both replicas send the same event, because one believes the other's lease has ended: one effect.
#[rstest]
#[tokio::test]
async fn replicas_with_different_clocks_do_no_harm(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let receiver = Receiver::new(backend, &sender.clock).await;
    let wire = Wire::to(Some(&receiver));
    let ahead = Clock::manual(sender.clock.now().plus(LEASE * 30));
    let other = SqlOutbox::new(sender.db.clone(), ahead);
    let mut ids = Vec::new();
    for sequence in 1..=4 {
        ids.push(sender.write(sender.updated(1, sequence)).await);
    }
    let replicas = [
        relay(&sender, &wire),
        replica(&sender, &wire, other, &OutboxHandle::new()),
    ];
    let drained = futures_util::future::join_all(
        replicas
            .iter()
            .map(|relay| async { while relay.step(AUDIT, 100).await != Step::Idle {} }),
    );
    drained.await;
    // The slow one may have found everything claimed far into its future.
    while replicas[1].step(AUDIT, 100).await != Step::Idle {}
    sender.clock.advance(LEASE * 31);
    while replicas[0].step(AUDIT, 100).await != Step::Idle {}
    receiver.has_exactly(&ids).await;
    assert_eq!(sender.rows().await, (0, 0));
}

#[tokio::test]
async fn a_store_that_is_away_is_a_failure_and_not_the_end() {
    let sender = Sender::new(Backend::Sqlite).await;
    let wire = Wire::to(None);
    let unmigrated = Fresh::new(Backend::Sqlite);
    let outbox = SqlOutbox::new(unmigrated.db(), sender.clock.clone());
    let relay = replica(&sender, &wire, outbox, &sender.handle);
    assert_eq!(relay.step(AUDIT, 100).await, Step::Failed);
}

#[tokio::test]
async fn a_relay_that_stops_sends_what_is_there_first() {
    let sender = Sender::new(Backend::Sqlite).await;
    let receiver = Receiver::new(Backend::Sqlite, &sender.clock).await;
    let wire = Wire::to(Some(&receiver));
    let mut ids = Vec::new();
    for sequence in 1..=5 {
        ids.push(sender.write(sender.updated(1, sequence)).await);
    }
    // Told to stop before it ran at all.
    let running = relay(&sender, &wire).run(std::future::ready(()));
    tokio::time::timeout(PATIENCE, running).await.unwrap();
    receiver.has_exactly(&ids).await;
}

#[tokio::test]
async fn the_metrics_tell_lag_and_outcomes() {
    let sender = Sender::new(Backend::Sqlite).await;
    let receiver = Receiver::new(Backend::Sqlite, &sender.clock).await;
    let wire = Wire::to(Some(&receiver));
    let metrics = Metrics::new("profile");
    let relay = Relay::new(
        Service::Profile,
        sender.outbox(),
        wire.clone(),
        sender.handle.clone(),
        sender.clock.clone(),
        &metrics,
    );
    sender.write(sender.bad(1, 1)).await;
    let good = sender.write(sender.updated(2, 1)).await;
    sender.clock.advance(Duration::from_secs(7));
    let running = Running::start(relay);
    has_all(&wire, AUDIT, &[good]).await;
    running.stop().await;
    let text = metrics.render();
    for line in [
        r#"event_outbox_sent_total{destination="audit",outcome="accepted",service="profile"} 1"#,
        r#"event_outbox_sent_total{destination="audit",outcome="parked",service="profile"} 1"#,
        r#"event_outbox_oldest_seconds{destination="audit",service="profile"} 7"#,
    ] {
        assert!(text.contains(line), "{line} not in\n{text}");
    }
}
