//! Background work.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use ud_events::{Inbox, OutboxHandle, Relay, SqlOutbox, HttpTransport};
use ud_http::{Base, StopSignal, Task};
use ud_kernel::Service;
use ud_db::Db;

use crate::models::{Bootstrap, BootstrapFlow, Notices, Sweeper};

/// Between two rounds of the sweeper.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Between two cleanings of the inbox.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Takes the events in `db` to the other services.
pub(crate) fn relay(base: &Base, db: &Db, outbox: OutboxHandle) -> Task {
    let store = SqlOutbox::new(db.clone(), base.clock.clone());
    let transport = HttpTransport::new(&base.peers);
    let clock = base.clock.clone();
    let relay = Relay::new(Service::Profile, store, transport, outbox, clock, &base.metrics);
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move { relay.run(async move { stop.stopped().await }).await })
    })
}

/// Writes what the security log takes.
pub(crate) async fn notices(base: &Base, db: &Db, outbox: OutboxHandle) -> Option<Task> {
    let queue = base.take_notices().await?;
    let (clock, log) = (base.clock.clone(), base.security_log.clone());
    let notices = Notices::new(db.clone(), outbox, clock, log);
    Some(Box::new(move |stop| Box::pin(notices.run(queue, stop))))
}

/// Finishes or removes registrations left half-done.
pub(crate) fn sweep(sweeper: Sweeper) -> Task {
    Box::new(move |stop| {
        Box::pin(every(SWEEP_EVERY, stop, move || {
            let sweeper = sweeper.clone();
            async move {
                match sweeper.sweep().await {
                    Ok(swept) if swept != crate::models::Swept::default() => log::info!(
                        "registrations left half-done: {} completed, {} removed",
                        swept.completed,
                        swept.removed
                    ),
                    Ok(_) => {}
                    Err(error) => log::warn!("registrations left half-done stay so: {error}"),
                }
            }
        }))
    })
}

/// Forgets old events.
pub(crate) fn forget(inbox: Inbox) -> Task {
    Box::new(move |stop| {
        Box::pin(every(FORGET_EVERY, stop, move || {
            let inbox = inbox.clone();
            async move {
                if let Err(error) = inbox.forget_old().await {
                    log::warn!("old events are not forgotten yet: {error}");
                }
            }
        }))
    })
}

/// Makes the first administrator.
pub(crate) fn bootstrap(flow: BootstrapFlow, bootstrap: Bootstrap) -> Task {
    Box::new(move |stop| Box::pin(flow.run(bootstrap, stop)))
}

/// Does `work` now and every `period` until `stop` says so.
async fn every<F: Future<Output = ()> + Send>(
    period: Duration,
    mut stop: StopSignal,
    work: impl Fn() -> F + Send,
) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => work().await,
            () = stop.stopped() => return,
        }
    }
}
