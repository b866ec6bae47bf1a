//! Background work of this service, beside that of its events.

use std::time::Duration;

use tokio::time::sleep;
use ud_service::{StopSignal, Task};

use crate::state::RoleState;

/// How often assignments that have ended are removed.
const REMOVE_EVERY: Duration = Duration::from_secs(60);

/// How often reservations without an outcome are counted.
const WATCH_EVERY: Duration = Duration::from_secs(30);

/// Removes assignments that have ended.
#[must_use]
pub fn remove_ended(state: &RoleState) -> Task {
    let assignments = state.assignments.clone();
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move {
            loop {
                if let Err(error) = assignments.remove_ended().await {
                    log::debug!("assignments that have ended are not removed: {error}");
                }
                tokio::select! {
                    () = sleep(REMOVE_EVERY) => {}
                    () = stop.stopped() => return,
                }
            }
        })
    })
}

/// Watches for reservations that nobody finishes.
#[must_use]
pub fn watch_reservations(state: &RoleState) -> Task {
    let standings = state.standings.clone();
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move {
            loop {
                if let Err(error) = standings.watch().await {
                    log::debug!("reservations were not counted: {error}");
                }
                tokio::select! {
                    () = sleep(WATCH_EVERY) => {}
                    () = stop.stopped() => return,
                }
            }
        })
    })
}
