//! A transport without a network, whose far ends can be down, and which can stop a sender for good at a
//! named point, as a kill would.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use tokio::sync::watch;
use ud_events::{
    Claimed, Destination, Event, Outbox, OutboxError, Postponed, Receipt, Transport,
    TransportError, parse_batch,
};
use ud_kernel::{EventId, Failpoints, Service, Timestamp};

use crate::world::{PATIENCE, Receiver};

/// What went over the wire so far.
#[derive(Default)]
pub struct Traffic {
    /// Accepted events, by destination.
    pub accepted: HashMap<Destination, HashSet<EventId>>,
    /// How often each event was sent, by destination.
    pub sent: HashMap<(Destination, EventId), usize>,
    /// Sends that found the destination down.
    pub refused: HashMap<Destination, usize>,
    /// Events parked by the receiver.
    pub parked: HashSet<EventId>,
}

/// Goes to the receiver for audit; other destinations accept everything and forget it.
#[derive(Clone)]
pub struct Wire {
    receiver: Option<Receiver>,
    down: Arc<Mutex<HashSet<Destination>>>,
    silent: Arc<Mutex<HashSet<Destination>>>,
    traffic: watch::Sender<Traffic>,
    pub failpoints: Failpoints,
}

impl Wire {
    pub fn to(receiver: Option<&Receiver>) -> Self {
        Self {
            receiver: receiver.cloned(),
            down: Arc::default(),
            silent: Arc::default(),
            traffic: watch::Sender::new(Traffic::default()),
            failpoints: Failpoints::none(),
        }
    }

    pub fn with_steps(&self, failpoints: &Failpoints) -> Self {
        Self {
            failpoints: failpoints.clone(),
            ..self.clone()
        }
    }

    /// Refuses connections from now on.
    pub fn set_down(&self, service: Destination, down: bool) {
        let mut all = self.down.lock().unwrap();
        if down {
            all.insert(service)
        } else {
            all.remove(&service)
        };
    }

    /// Takes connections and never answers.
    pub fn set_silent(&self, service: Destination) {
        self.silent.lock().unwrap().insert(service);
    }

    /// Returns once `reached` holds.
    pub async fn until(&self, reached: impl FnMut(&Traffic) -> bool) {
        let mut traffic = self.traffic.subscribe();
        let waiting = traffic.wait_for(reached);
        let _ = tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("never happened")
            .unwrap();
    }

    pub fn look<T>(&self, f: impl FnOnce(&Traffic) -> T) -> T {
        f(&self.traffic.borrow())
    }

    async fn carry(&self, to: Destination, batch: &[Claimed]) -> Result<Receipt, TransportError> {
        let bodies: Vec<_> = batch.iter().map(|claimed| claimed.body.clone()).collect();
        if let (Destination::Service(Service::Audit), Some(receiver)) = (to, &self.receiver) {
            let body = format!("[{}]", bodies.join(","));
            let batch = parse_batch(Service::Profile, body.as_bytes()).unwrap();
            return receiver
                .take(batch)
                .await
                .map_err(|e| TransportError(e.to_string()));
        }
        let ids = bodies
            .iter()
            .map(|body| Event::from_json(body.as_bytes()).unwrap().id);
        Ok(Receipt {
            accepted: ids.collect(),
            parked: vec![],
        })
    }
}

impl Transport for Wire {
    async fn send(&self, to: Destination, batch: &[Claimed]) -> Result<Receipt, TransportError> {
        self.failpoints.at("send.before").await;
        if self.silent.lock().unwrap().contains(&to) {
            std::future::pending::<()>().await;
        }
        if self.down.lock().unwrap().contains(&to) {
            self.traffic
                .send_modify(|t| *t.refused.entry(to).or_default() += 1);
            return Err(TransportError("down".into()));
        }
        let result = self.carry(to, batch).await;
        self.traffic.send_modify(|t| {
            for claimed in batch {
                *t.sent.entry((to, claimed.id)).or_default() += 1;
            }
            match &result {
                Ok(receipt) => {
                    t.accepted.entry(to).or_default().extend(&receipt.accepted);
                    t.parked.extend(&receipt.parked);
                }
                Err(_) => *t.refused.entry(to).or_default() += 1,
            }
        });
        self.failpoints.at("send.after").await;
        result
    }
}

/// An outbox with points at which a test can stop its user.
pub struct Stepped<O>(pub O, pub Failpoints);

impl<O: Outbox> Outbox for Stepped<O> {
    async fn claim(&self, to: Destination, max: usize) -> Result<Vec<Claimed>, OutboxError> {
        self.1.at("claim.before").await;
        let claimed = self.0.claim(to, max).await;
        self.1.at("claim.after").await;
        claimed
    }

    async fn delivered(&self, to: Destination, claimed: &[Claimed]) -> Result<(), OutboxError> {
        self.1.at("delivered.before").await;
        let result = self.0.delivered(to, claimed).await;
        self.1.at("delivered.after").await;
        result
    }

    async fn postpone(
        &self,
        to: Destination,
        claimed: &[Claimed],
        until: Timestamp,
        why: Postponed,
    ) -> Result<(), OutboxError> {
        self.0.postpone(to, claimed, until, why).await
    }

    async fn oldest(&self, to: Destination) -> Result<Option<Timestamp>, OutboxError> {
        self.0.oldest(to).await
    }

    async fn tidy(&self) -> Result<(), OutboxError> {
        self.0.tidy().await
    }
}
