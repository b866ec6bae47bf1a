//! A relay between a sender and a wire, made and run.

use std::future::Future;

use tokio::{sync::oneshot, task::JoinHandle};
use ud_events::{Destination, OutboxHandle, Relay, SqlOutbox};
use ud_kernel::{EventId, Service};
use ud_telemetry::Metrics;

use crate::{
    wire::Wire,
    world::{PATIENCE, Sender},
};

/// A relay that runs in a task, and the way to stop it.
pub struct Running {
    stop: oneshot::Sender<()>,
    pub task: JoinHandle<()>,
}

impl Running {
    pub fn start(relay: Relay<SqlOutbox, Wire>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
        };
        Self {
            stop,
            task: tokio::spawn(relay.run(stopped)),
        }
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("does not stop")
            .unwrap();
    }
}

pub fn relay(sender: &Sender, wire: &Wire) -> Relay<SqlOutbox, Wire> {
    replica(sender, wire, sender.outbox(), &sender.handle)
}

pub fn replica(
    sender: &Sender,
    wire: &Wire,
    outbox: SqlOutbox,
    handle: &OutboxHandle,
) -> Relay<SqlOutbox, Wire> {
    let metrics = Metrics::new("profile");
    Relay::new(
        Service::Profile,
        outbox,
        wire.clone(),
        handle.clone(),
        sender.clock.clone(),
        &metrics,
    )
}

pub fn has_all(wire: &Wire, to: Destination, ids: &[EventId]) -> impl Future<Output = ()> {
    let (wire, ids) = (wire.clone(), ids.to_vec());
    async move {
        wire.until(|t| {
            t.accepted
                .get(&to)
                .is_some_and(|a| ids.iter().all(|id| a.contains(id)))
        })
        .await;
    }
}
