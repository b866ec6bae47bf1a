//! Background work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::MissedTickBehavior;
use ud_idempotency::ServerKey;
use ud_service::{StopSignal, Task};

use crate::models::{Bootstrap, BootstrapFlow, Standings, Sweeper};

/// Between two rounds of the sweeper.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Between two rounds that tell role of changes of status.
const SWEEP_STANDINGS_EVERY: Duration = Duration::from_secs(10);

/// Opens the key under Idempotency-Keys where the start could not.
pub(crate) fn open_server_key(key: ServerKey) -> Task {
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move { key.keep_opening(stop.stopped()).await })
    })
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

/// Finishes changes of status that role has not confirmed; at the start it tells role again who cannot log in.
pub(crate) fn sweep_standings(standings: Standings) -> Task {
    let recalled = Arc::new(AtomicBool::new(false));
    Box::new(move |stop| {
        Box::pin(every(SWEEP_STANDINGS_EVERY, stop, move || {
            let (standings, recalled) = (standings.clone(), Arc::clone(&recalled));
            async move {
                if !recalled.load(Ordering::Relaxed) {
                    match standings.recall().await {
                        Ok(_) => recalled.store(true, Ordering::Relaxed),
                        Err(error) => log::debug!("standings were not recalled: {error}"),
                    }
                }
                if let Err(error) = standings.sweep().await {
                    log::warn!("role was not told of all changes of status: {error}");
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
