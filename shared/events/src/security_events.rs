//! Security events on their way into the outbox: they tell of no state change, so no flow writes them.

use std::{future::Future, time::Duration};

use serde_json::json;
use tokio::time::{interval, sleep};
use ud_kernel::Service;
use ud_service::{NotedEvent, SecurityEvents, SecurityLog, StopSignal};

use crate::{EventType, NewEvent, OutboxError};

/// Most security events written in one transaction.
const AT_ONCE: usize = 100;
/// How often what was only counted is asked for.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// Pause after the store failed; meanwhile the queue fills, and then drops and counts.
const RETRY: Duration = Duration::from_secs(1);

/// Writes what comes out of `queue`, the receiving end of `log`, as events of `service`, by `write`, which
/// stores a handful in one transaction and wakes the relay. Runs until `stop`, then writes what is left, once.
pub async fn record_security_events<F, Fut>(
    service: Service,
    log: SecurityLog,
    mut queue: SecurityEvents,
    write: F,
    mut stop: StopSignal,
) where
    F: Fn(Vec<NewEvent>) -> Fut,
    Fut: Future<Output = Result<(), OutboxError>>,
{
    let mut flush = interval(FLUSH_EVERY);
    let mut security_events = Vec::new();
    // Not written yet. While the store fails the queue is not read.
    let mut events: Vec<NewEvent> = Vec::new();
    let mut stopping = false;
    while !stopping {
        tokio::select! {
            () = queue.recv_many(&mut security_events, AT_ONCE), if events.is_empty() => {}
            _ = flush.tick(), if events.is_empty() => log.flush(),
            () = sleep(RETRY), if !events.is_empty() => {}
            () = stop.stopped() => {
                stopping = true;
                log.finish();
                while let Some(event) = queue.try_recv() {
                    security_events.push(event);
                }
            }
        }
        let noted = security_events.drain(..);
        events.extend(noted.filter_map(|event| event_of(service, event)));
        if events.is_empty() {
            continue;
        }
        match write(events.clone()).await {
            Ok(()) => events.clear(),
            Err(error) => log::warn!("{} security events not written: {error}", events.len()),
        }
    }
}

/// Returns nothing for what this service may not write: a defect, and no reason to lose the others.
fn event_of(service: Service, noted: NotedEvent) -> Option<NewEvent> {
    let NotedEvent { event, at, count } = noted;
    let kind = event.kind;
    let mut new = NewEvent::alone(service, kind, at, &event.origin);
    if !event.target_id.is_empty() {
        new = new.target_named(event.target_type, &event.target_id);
    }
    if count > 1 {
        new = new.details(json!({"count": count}));
    }
    if kind != EventType::ADMIN_READ {
        new = new.failed();
    }
    match new.clone().finish() {
        Ok(_) => Some(new),
        Err(error) => {
            log::error!("a security event of {kind} that cannot be written: {error}");
            None
        }
    }
}
