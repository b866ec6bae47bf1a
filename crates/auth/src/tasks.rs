//! Background work of this service.

use std::time::Duration;

use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep},
};
use ud_db::StoreError;
use ud_events::{EventType, HttpTransport, NewEvent, Relay, SqlOutbox, outbox};
use ud_http::{Base, SecurityLog, SecurityNotice, StopSignal, Task};
use ud_kernel::Service;

use crate::{
    models::{error::AuthError, identifier_store, login_failure_store},
    state::AuthState,
};

/// How often keys made by other replicas are looked for.
const FOLLOW_KEYS: Duration = Duration::from_secs(60);
/// How often loading is tried while there are no keys yet.
const FIRST_KEYS: Duration = Duration::from_secs(1);
/// How often old rows are removed.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How often counted security notices are asked for.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// Security notices written in one transaction.
const NOTICES_AT_ONCE: usize = 100;
/// Pause after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Sends this service's events to the others.
pub fn relay_events(base: &Base, state: &AuthState) -> Task {
    let relay = Relay::new(
        Service::Auth,
        SqlOutbox::new(state.db.clone(), base.clock.clone()),
        HttpTransport::new(&base.peers),
        state.outbox.clone(),
        base.clock.clone(),
        &base.metrics,
    );
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move { relay.run(async move { stop.stopped().await }).await })
    })
}

/// Loads the signing keys until that succeeds once, then follows what is in the database.
pub fn follow_keys(state: &AuthState) -> Task {
    let keys = state.keys.clone();
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move {
            let mut told = false;
            loop {
                let pause = if keys.get().is_ok() {
                    FOLLOW_KEYS
                } else {
                    FIRST_KEYS
                };
                tokio::select! {
                    () = sleep(pause) => {}
                    () = stop.stopped() => return,
                }
                match keys.load(keys.get().is_err()).await {
                    Ok(()) => told = false,
                    Err(error) if told => log::debug!("signing keys not loaded: {error}"),
                    Err(error) => {
                        log::warn!("signing keys not loaded, trying again: {error}");
                        told = true;
                    }
                }
            }
        })
    })
}

/// Removes failures that count no more, names whose hold has run out, and notes of events received long ago.
pub fn forget_old(state: &AuthState) -> Task {
    let state = state.clone();
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move {
            loop {
                tokio::select! {
                    () = sleep(FORGET_EVERY) => {}
                    () = stop.stopped() => return,
                }
                if let Err(error) = forget_once(&state).await {
                    log::warn!("old rows not removed: {error}");
                }
            }
        })
    })
}

/// One round of [`forget_old`].
///
/// # Errors
/// [`AuthError::Store`].
pub async fn forget_once(state: &AuthState) -> Result<(), AuthError> {
    let now = state.clock.now();
    let horizon = state.guesses.horizon(now);
    loop {
        let removed = state
            .db
            .tx(move |conn| {
                let failures = login_failure_store::forget_before(conn, horizon)?;
                let names = identifier_store::forget_released(conn, now)?;
                Ok::<_, StoreError>(failures + names)
            })
            .await?;
        if removed == 0 {
            break;
        }
    }
    state.inbox.forget_old().await?;
    Ok(())
}

/// Writes what the security log takes into the outbox.
pub fn write_notices(state: &AuthState, mut queue: mpsc::Receiver<SecurityNotice>) -> Task {
    let state = state.clone();
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move {
            let mut flush = interval(FLUSH_EVERY);
            flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut batch = Vec::new();
            loop {
                tokio::select! {
                    () = stop.stopped() => break,
                    _ = flush.tick() => state.security_log.flush(),
                    _ = queue.recv_many(&mut batch, NOTICES_AT_ONCE), if batch.is_empty() => {}
                }
                if batch.is_empty() {
                    continue;
                }
                match write(&state, &batch).await {
                    Ok(()) => batch.clear(),
                    Err(error) => {
                        log::warn!("security notices wait: {error}");
                        tokio::select! {
                            () = stop.stopped() => break,
                            () = sleep(RETRY_AFTER) => {}
                        }
                    }
                }
            }
            write_rest(&state, &state.security_log, queue, batch).await;
        })
    })
}

async fn write_rest(
    state: &AuthState,
    log: &SecurityLog,
    mut queue: mpsc::Receiver<SecurityNotice>,
    mut rest: Vec<SecurityNotice>,
) {
    log.flush();
    while let Ok(notice) = queue.try_recv() {
        rest.push(notice);
    }
    if let Err(error) = write(state, &rest).await {
        log::warn!(
            "{} security notices are lost at the stop: {error}",
            rest.len()
        );
    }
}

async fn write(state: &AuthState, notices: &[SecurityNotice]) -> Result<(), StoreError> {
    let now = state.clock.now();
    let events: Vec<NewEvent> = notices
        .iter()
        .filter_map(|notice| {
            let kind = EventType::from_name(notice.event)?;
            let event = NewEvent::alone(Service::Auth, kind, now, &notice.origin)
                .target_named(notice.target_type, &notice.target_id)
                .details(json!({ "count": notice.count }));
            Some(event.failed())
        })
        .collect();
    if events.is_empty() {
        return Ok(());
    }
    state
        .db
        .tx(move |conn| {
            events
                .iter()
                .try_for_each(|event| outbox::write(conn, event.clone()))
        })
        .await?;
    state.outbox.wake();
    Ok(())
}
