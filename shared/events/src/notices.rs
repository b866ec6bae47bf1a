//! Security notices become events: they tell of no state change, so no flow writes them.

use std::{future::Future, time::Duration};

use serde_json::json;
use tokio::time::{interval, sleep};
use ud_kernel::Service;
use ud_service::{NotedNotice, Notices, SecurityLog, StopSignal};

use crate::{EventType, NewEvent, OutboxError};

/// Most notices written in one transaction.
const AT_ONCE: usize = 100;
/// How often what was only counted is asked for.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// Pause after the store failed; meanwhile the queue fills, and then drops and counts.
const RETRY: Duration = Duration::from_secs(1);

/// Writes what comes out of `queue`, the receiving end of `log`, as events of `service`, by `write`, which
/// stores a handful in one transaction and wakes the relay. Runs until `stop`, then writes what is left, once.
pub async fn record_notices<F, Fut>(
    service: Service,
    log: SecurityLog,
    mut queue: Notices,
    write: F,
    mut stop: StopSignal,
) where
    F: Fn(Vec<NewEvent>) -> Fut,
    Fut: Future<Output = Result<(), OutboxError>>,
{
    let mut flush = interval(FLUSH_EVERY);
    let mut notices = Vec::new();
    // Not written yet. While the store fails the queue is not read.
    let mut events: Vec<NewEvent> = Vec::new();
    let mut stopping = false;
    while !stopping {
        tokio::select! {
            () = queue.recv_many(&mut notices, AT_ONCE), if events.is_empty() => {}
            _ = flush.tick(), if events.is_empty() => log.flush(),
            () = sleep(RETRY), if !events.is_empty() => {}
            () = stop.stopped() => {
                stopping = true;
                log.finish();
                while let Some(notice) = queue.try_recv() {
                    notices.push(notice);
                }
            }
        }
        let noted = notices.drain(..);
        events.extend(noted.filter_map(|notice| event_of(service, notice)));
        if events.is_empty() {
            continue;
        }
        match write(events.clone()).await {
            Ok(()) => events.clear(),
            Err(error) => log::warn!("{} security notices not written: {error}", events.len()),
        }
    }
}

/// Returns nothing for what this service may not write: a defect, and no reason to lose the others.
fn event_of(service: Service, noted: NotedNotice) -> Option<NewEvent> {
    let NotedNotice { notice, at, count } = noted;
    let kind = notice.event;
    let mut new = NewEvent::alone(service, kind, at, &notice.origin);
    if !notice.target_id.is_empty() {
        new = new.target_named(notice.target_type, &notice.target_id);
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
            log::error!("a notice of {kind} that cannot be written: {error}");
            None
        }
    }
}
