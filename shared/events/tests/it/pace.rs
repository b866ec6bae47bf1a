//! When the relay looks, with a clock that stands still while anything can run.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use ud_events::{
    Claimed, Destination, Outbox, OutboxError, OutboxHandle, Postponed, Receipt, Relay, Transport,
    TransportError,
};
use ud_kernel::{Clock, EventId, Service, Timestamp};
use ud_telemetry::Metrics;

const AUDIT: Destination = Destination::Service(Service::Audit);

/// An outbox and a destination in memory; counts what is asked of them for audit.
#[derive(Clone, Default)]
struct Memory {
    waiting: Arc<Mutex<VecDeque<Claimed>>>,
    silent: Arc<Mutex<HashSet<Destination>>>,
    claims: watch::Sender<usize>,
    sends: watch::Sender<usize>,
}

impl Memory {
    fn put(&self) {
        let id = EventId::new(Timestamp::from_millis(0));
        let (kind, body, lease) = (String::new(), String::new(), String::new());
        let claimed = Claimed {
            id,
            kind,
            body,
            attempts: 1,
            lease,
        };
        self.waiting.lock().unwrap().push_back(claimed);
    }

    fn start(&self, handle: &OutboxHandle) -> tokio::task::JoinHandle<()> {
        let metrics = Metrics::new("profile");
        let (outbox, transport, clock) = (
            self.clone(),
            self.clone(),
            Clock::manual(Timestamp::from_millis(0)),
        );
        let relay = Relay::new(
            Service::Profile,
            outbox,
            transport,
            handle.clone(),
            clock,
            &metrics,
        );
        tokio::spawn(relay.run(std::future::pending()))
    }
}

impl Outbox for Memory {
    async fn claim(&self, to: Destination, _: usize) -> Result<Vec<Claimed>, OutboxError> {
        if to != AUDIT {
            return Ok(vec![]);
        }
        self.claims.send_modify(|n| *n += 1);
        Ok(self.waiting.lock().unwrap().drain(..).collect())
    }

    async fn delivered(&self, _: Destination, _: &[Claimed]) -> Result<(), OutboxError> {
        Ok(())
    }

    async fn postpone(
        &self,
        _: Destination,
        claimed: &[Claimed],
        _: Timestamp,
        _: Postponed,
    ) -> Result<(), OutboxError> {
        self.waiting.lock().unwrap().extend(claimed.iter().cloned());
        Ok(())
    }

    async fn oldest(&self, _: Destination) -> Result<Option<Timestamp>, OutboxError> {
        Ok(None)
    }

    async fn tidy(&self) -> Result<(), OutboxError> {
        Ok(())
    }
}

impl Transport for Memory {
    async fn send(&self, to: Destination, batch: &[Claimed]) -> Result<Receipt, TransportError> {
        self.sends.send_modify(|n| *n += 1);
        if self.silent.lock().unwrap().contains(&to) {
            std::future::pending::<()>().await;
        }
        Ok(Receipt {
            accepted: batch.iter().map(|c| c.id).collect(),
            parked: vec![],
        })
    }
}

async fn reaches(count: &watch::Sender<usize>, n: usize) {
    count
        .subscribe()
        .wait_for(|count| *count >= n)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_sent_at_once() {
    let (memory, handle) = (Memory::default(), OutboxHandle::new());
    let running = memory.start(&handle);
    reaches(&memory.claims, 1).await;
    let before = Instant::now();
    for n in 1..=50 {
        memory.put();
        handle.wake();
        reaches(&memory.sends, n).await;
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_commit_elsewhere_is_found_within_a_second() {
    let (memory, handle) = (Memory::default(), OutboxHandle::new());
    let running = memory.start(&handle);
    reaches(&memory.claims, 1).await;
    let before = Instant::now();
    memory.put();
    reaches(&memory.sends, 1).await;
    assert!(
        before.elapsed() <= Duration::from_millis(1001),
        "{:?}",
        before.elapsed()
    );
    running.abort();
}

/// A destination that takes the connection and never answers: given up after 5 s, tried again after pauses
/// that grow to 5 s, whatever is committed meanwhile.
#[tokio::test(start_paused = true)]
async fn a_dead_destination_is_tried_ever_more_rarely() {
    let (memory, handle) = (Memory::default(), OutboxHandle::new());
    memory.silent.lock().unwrap().insert(AUDIT);
    memory.put();
    let running = memory.start(&handle);
    reaches(&memory.sends, 1).await;
    let mut last = Instant::now();
    for (n, pause) in [
        (2, 200),
        (3, 400),
        (4, 800),
        (5, 1600),
        (6, 3200),
        (7, 5000),
        (8, 5000),
    ] {
        handle.wake();
        reaches(&memory.sends, n).await;
        let taken = last.elapsed().as_millis();
        assert!(
            (5000 + pause / 2..=5000 + pause + 2).contains(&taken),
            "{n}: {taken} ms"
        );
        last = Instant::now();
    }
    running.abort();
}
