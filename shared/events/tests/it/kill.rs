//! The sender is killed at every point, and started again: nothing is lost, nothing takes effect twice.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rstest::rstest;
use testkit::Backend;
use tokio::sync::watch;
use ud_events::{LEASE, Outbox, Relay, Step, Transport};
use ud_kernel::{Failpoints, Service};
use ud_telemetry::Metrics;

use crate::{
    wire::{Stepped, Wire},
    world::{PATIENCE, Receiver, Sender},
};

const POINTS: [&str; 6] = [
    "claim.before",
    "claim.after",
    "send.before",
    "send.after",
    "delivered.before",
    "delivered.after",
];

/// Failpoints that stop for good the `nth` time they pass `point`, and the news that they have.
fn stop_at(point: &'static str, nth: usize) -> (Failpoints, watch::Receiver<bool>) {
    let (sender, reached) = watch::channel(false);
    let passes = Arc::new(AtomicUsize::new(0));
    let failpoints = Failpoints::with_hook(move |name| {
        let (sender, passes) = (sender.clone(), Arc::clone(&passes));
        async move {
            if name == point && passes.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                sender.send_replace(true);
                std::future::pending::<()>().await;
            }
        }
    });
    (failpoints, reached)
}

async fn drain<O: Outbox, T: Transport>(relay: &Relay<O, T>) {
    // Small batches, so that there is a second and a third time for each point.
    while relay.step(Service::Audit.into(), 2).await != Step::Idle {}
}

#[rstest]
#[tokio::test]
async fn nothing_is_lost_or_doubled_wherever_the_sender_dies(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let sender = Sender::new(backend).await;
    let receiver = Receiver::new(backend, &sender.clock).await;
    let wire = Wire::to(Some(&receiver));
    let metrics = Metrics::new("profile");
    let relay = |failpoints: &Failpoints| {
        Relay::new(
            Service::Profile,
            Stepped(sender.outbox(), failpoints.clone()),
            wire.with_steps(failpoints),
            sender.handle.clone(),
            sender.clock.clone(),
            &metrics,
        )
    };
    let mut written = Vec::new();
    let schedules = POINTS
        .into_iter()
        .flat_map(|point| (1..=3).map(move |nth| (point, nth)));
    for (n, (point, nth)) in schedules.enumerate() {
        let subject = n as u128 * 10;
        for i in 0..2 {
            for sequence in 1..=3 {
                written.push(
                    sender
                        .write(sender.updated(subject + i + 1, sequence))
                        .await,
                );
            }
        }
        let (failpoints, mut reached) = stop_at(point, nth);
        let doomed = relay(&failpoints);
        let task = tokio::spawn(async move { drain(&doomed).await });
        let waiting = reached.wait_for(|reached| *reached);
        let _ = tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("point not reached")
            .unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());

        let heir = relay(&Failpoints::none());
        drain(&heir).await;
        sender.clock.advance(LEASE);
        drain(&heir).await;
        receiver.has_exactly(&written).await;
        assert_eq!(sender.rows().await, (0, 0), "{point} {nth}");
    }
}
