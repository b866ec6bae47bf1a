//! Security notices on their way into the outbox.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use ud_events::{Event, NewEvent, OutboxError, Outcome, record_notices};
use ud_http::{SecurityLog, SecurityNotice, StopSignal};
use ud_kernel::{Clock, Service, models::Origin};

use crate::world::START;

fn notice(event: &'static str, target_id: &str, count: u64) -> SecurityNotice {
    let origin = Origin {
        request_id: "r".into(),
        ip: Some("192.0.2.1".into()),
        ..Origin::default()
    };
    SecurityNotice {
        event,
        origin,
        target_type: "operation",
        target_id: target_id.into(),
        count,
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
async fn notices_become_events_even_if_the_store_is_away_for_a_while() {
    let clock = Clock::manual(START);
    let (log, queue) = SecurityLog::new(clock.clone(), 100);
    let (stop, stopped) = StopSignal::pair();
    let store = Store::default();
    *store.failures.lock().unwrap() = 3;
    let writer = store.clone();
    let write = move |events| {
        let writer = writer.clone();
        async move { writer.write(events).await }
    };
    let task = tokio::spawn(record_notices(
        Service::Role,
        clock,
        log.clone(),
        queue,
        write,
        stopped,
    ));

    log.note(notice("permission_denied", "GET /api/v1/roles", 1));
    log.note(notice("no_such_event", "x", 1));
    log.note(notice("user_deleted", "not role's to write", 1));
    log.note(notice("rate_limited", "", 480));
    store
        .written
        .subscribe()
        .wait_for(|w| w.len() >= 2)
        .await
        .unwrap();
    log.note(notice(
        "service_token_refused",
        "POST /internal/v1/marks",
        1,
    ));
    log.note(notice("admin_read", "GET /api/v1/role-assignments", 1));
    stop.send_replace(true);
    task.await.unwrap();

    let written = store.written.borrow().clone();
    let told: Vec<_> = written
        .iter()
        .map(|e| (e.kind.as_str(), e.data.outcome))
        .collect();
    assert_eq!(
        told,
        [
            ("permission_denied", Outcome::Failure),
            ("rate_limited", Outcome::Failure),
            ("service_token_refused", Outcome::Failure),
            ("admin_read", Outcome::Success),
        ]
    );
    assert_eq!(written[0].source, Service::Role);
    assert_eq!(written[0].data.target_id, "GET /api/v1/roles");
    assert_eq!(written[0].data.ip, Some("192.0.2.1".parse().unwrap()));
    assert_eq!(written[1].data.details["count"], 480);
}
