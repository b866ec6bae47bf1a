//! Background work of this service.

use std::{future::Future, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use ud_db::{Db, StoreError};
use ud_events::{EventType, HttpTransport, NewEvent, OutboxHandle, Relay, SqlOutbox, outbox};
use ud_http::{Base, SecurityLog, SecurityNotice, StopSignal, Task};
use ud_kernel::{Clock, Service};

use crate::state::RoleState;

/// How often assignments that have ended are removed.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// How often events received long ago are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// How often counted security notices are asked for.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// Security notices written in one transaction.
const NOTICES_AT_ONCE: usize = 100;
/// Pause after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Sends this service's events to the others.
pub fn relay_events(base: &Base, db: &Db, handle: &OutboxHandle) -> Task {
    let relay = Relay::new(
        Service::Role,
        SqlOutbox::new(db.clone(), base.clock.clone()),
        HttpTransport::new(&base.peers),
        handle.clone(),
        base.clock.clone(),
        &base.metrics,
    );
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move { relay.run(async move { stop.stopped().await }).await })
    })
}

/// Removes assignments that have ended, and forgets old events.
pub fn tidy(state: &RoleState) -> Vec<Task> {
    let (assignments, inbox) = (state.assignments.clone(), state.inbox.clone());
    let ended = move || {
        let assignments = assignments.clone();
        async move { assignments.remove_ended().await }
    };
    let forgotten = move || {
        let inbox = inbox.clone();
        async move { inbox.forget_old().await.map(drop) }
    };
    vec![
        every(TIDY_EVERY, "assignments", ended),
        every(FORGET_EVERY, "inbox", forgotten),
    ]
}

/// Does `work` at the start and then every `period`.
fn every<F, Fut>(period: Duration, what: &'static str, work: F) -> Task
where
    F: Fn() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move {
            loop {
                if let Err(error) = work().await {
                    log::warn!("tidying {what}: {error}");
                }
                tokio::select! {
                    () = stop.stopped() => return,
                    () = sleep(period) => {}
                }
            }
        })
    })
}

/// Writes what the security log holds into the outbox.
pub fn write_notices(
    base: &Base,
    db: &Db,
    handle: &OutboxHandle,
    mut notices: mpsc::Receiver<SecurityNotice>,
) -> Task {
    let (log, clock) = (base.security_log.clone(), base.clock.clone());
    let (db, handle) = (db.clone(), handle.clone());
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move {
            loop {
                tokio::select! {
                    () = stop.stopped() => break,
                    () = flush(&log) => {}
                    batch = receive(&mut notices) => {
                        while let Err(error) = write(&db, &clock, &batch).await {
                            log::warn!("security notices: {error}");
                            tokio::select! {
                                () = stop.stopped() => return,
                                () = sleep(RETRY_AFTER) => {}
                            }
                        }
                        handle.wake();
                    }
                }
            }
            log.flush();
            let mut rest = Vec::new();
            while let Ok(notice) = notices.try_recv() {
                rest.push(notice);
            }
            if let Err(error) = write(&db, &clock, &rest).await {
                log::warn!(
                    "{} security notices are lost at the stop: {error}",
                    rest.len()
                );
            }
        })
    })
}

async fn flush(log: &SecurityLog) {
    sleep(FLUSH_EVERY).await;
    log.flush();
}

async fn receive(notices: &mut mpsc::Receiver<SecurityNotice>) -> Vec<SecurityNotice> {
    let mut batch = Vec::new();
    if notices.recv_many(&mut batch, NOTICES_AT_ONCE).await == 0 {
        // Nobody can send any more.
        std::future::pending::<()>().await;
    }
    batch
}

async fn write(db: &Db, clock: &Clock, notices: &[SecurityNotice]) -> Result<(), StoreError> {
    let now = clock.now();
    let events: Vec<NewEvent> = notices
        .iter()
        .filter_map(|notice| {
            let kind = EventType::from_name(notice.event)?;
            let event = NewEvent::alone(Service::Role, kind, now, &notice.origin)
                .target_named(notice.target_type, &notice.target_id)
                .details(serde_json::json!({"count": notice.count}));
            Some(if kind == EventType::AdminRead {
                event
            } else {
                event.failed()
            })
        })
        .collect();
    if events.is_empty() {
        return Ok(());
    }
    db.tx(move |conn| {
        for event in &events {
            outbox::write(conn, event.clone())?;
        }
        Ok(())
    })
    .await
}
