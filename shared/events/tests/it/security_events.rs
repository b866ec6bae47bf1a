//! Security events on their way into the outbox.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::watch;
use ud_events::{Event, EventType, NewEvent, OutboxError, Outcome, record_security_events};
use ud_kernel::{Clock, Service, models::Provenance};
use ud_service::{SecurityEvent, SecurityLog, StopSignal};
use ud_telemetry::Metrics;

use crate::world::START;

fn event(kind: EventType, target_id: &str) -> SecurityEvent {
    let origin = Provenance {
        request_id: "r".into(),
        ip: Some("192.0.2.1".into()),
        ..Provenance::default()
    };
    SecurityEvent {
        kind,
        origin,
        target_type: "operation",
        target_id: target_id.into(),
    }
}

/// A store that fails so often, and what it got.
#[derive(Clone, Default)]
struct Store {
    failures: Arc<Mutex<u32>>,
    written: watch::Sender<Vec<Event>>,
}

impl Store {
    async fn write(&self, events: Vec<NewEvent>) -> Result<(), OutboxError> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(OutboxError("away".into()));
        }
        let events = events.into_iter().map(|new| new.finish().unwrap());
        self.written.send_modify(|written| written.extend(events));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn security_events_are_written_even_if_the_store_is_away_for_a_while() {
    let clock = Clock::manual(START);
    let (log, queue) = SecurityLog::new(clock.clone(), 100, &Metrics::new("auth"));
    let (stop, stopped) = StopSignal::pair();
    let store = Store::default();
    *store.failures.lock().unwrap() = 3;
    let writer = store.clone();
    let write = move |events| {
        let writer = writer.clone();
        async move { writer.write(events).await }
    };
    let task = tokio::spawn(record_security_events(
        Service::Role,
        log.clone(),
        queue,
        write,
        stopped,
    ));

    log.note(event(EventType::PERMISSION_DENIED, "GET /api/v1/roles"));
    log.note(event(EventType::USER_DELETED, "not role's to write"));
    store
        .written
        .subscribe()
        .wait_for(|w| !w.is_empty())
        .await
        .unwrap();
    clock.advance(Duration::from_secs(5));
    log.note(event(
        EventType::SERVICE_TOKEN_REFUSED,
        "POST /internal/v1/not-before",
    ));
    log.note(event(EventType::ADMIN_READ, "GET /api/v1/role-assignments"));
    for _ in 0..500 {
        log.note(event(EventType::RATE_LIMITED, ""));
    }
    clock.advance(Duration::from_secs(5));
    stop.send_replace(true);
    task.await.unwrap();

    let written = store.written.borrow().clone();
    let mut told: Vec<_> = written
        .iter()
        .map(|e| (e.kind.as_str(), e.data.outcome))
        .collect();
    // What has a queue of its own goes first, in whatever order.
    told[..3].sort_unstable_by_key(|(kind, _)| *kind);
    let (single, limited) = told.split_at(3);
    assert_eq!(
        single,
        [
            ("admin_read", Outcome::Success),
            ("permission_denied", Outcome::Failure),
            ("service_token_refused", Outcome::Failure),
        ]
    );
    assert_eq!(limited, [("rate_limited", Outcome::Failure); 21]);
    assert_eq!(written[0].source, Service::Role);
    assert_eq!(written[0].data.target_id, "GET /api/v1/roles");
    assert_eq!(written[0].data.ip, Some("192.0.2.1".parse().unwrap()));
    let times: Vec<_> = written.iter().map(|e| e.time.since(START)).collect();
    assert_eq!(times[0], Duration::ZERO);
    assert!(times[1..].iter().all(|t| *t == Duration::from_secs(5)));
    // Counted within the minute that the stop cut short.
    assert_eq!(written.last().unwrap().data.details["count"], 480);
}

/// A stop while the store fails: what waits in the queue is written with what was tried before.
#[tokio::test(start_paused = true)]
async fn a_stop_while_the_store_is_away_loses_nothing_if_it_is_back() {
    let clock = Clock::manual(START);
    let (log, queue) = SecurityLog::new(clock.clone(), 100, &Metrics::new("role"));
    let (stop, stopped) = StopSignal::pair();
    let store = Store::default();
    *store.failures.lock().unwrap() = 1;
    let (failed, mut fails) = tokio::sync::mpsc::unbounded_channel();
    let writer = store.clone();
    let write = move |events| {
        let (writer, failed) = (writer.clone(), failed.clone());
        async move {
            let outcome = writer.write(events).await;
            failed.send(outcome.is_err()).unwrap();
            outcome
        }
    };
    let task = tokio::spawn(record_security_events(
        Service::Role,
        log.clone(),
        queue,
        write,
        stopped,
    ));
    log.note(event(EventType::PERMISSION_DENIED, "first"));
    assert_eq!(fails.recv().await, Some(true));
    log.note(event(EventType::ADMIN_READ, "waits in the queue"));
    for _ in 0..500 {
        log.note(event(EventType::RATE_LIMITED, ""));
    }
    stop.send_replace(true);
    task.await.unwrap();

    let written = store.written.borrow().clone();
    let told = |kind: &str| {
        let events = written.iter().filter(|e| e.kind.as_str() == kind);
        events.count()
    };
    assert_eq!(told("permission_denied"), 1);
    assert_eq!(told("admin_read"), 1);
    let counted: u64 = written
        .iter()
        .filter(|e| e.kind.as_str() == "rate_limited")
        .map(|e| {
            e.data
                .details
                .get("count")
                .and_then(|n| n.as_u64())
                .unwrap_or(1)
        })
        .sum();
    assert_eq!(counted, 500);
}
