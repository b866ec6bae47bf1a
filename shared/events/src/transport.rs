//! The way from one service's outbox to another's inbox.

use std::{collections::BTreeMap, future::Future};

use serde::{Deserialize, Serialize};
use ud_kernel::{
    EventId, Service,
    operation::{Method, Operation},
};
use ud_peer::{Peers, ServiceClient};

use crate::{Claimed, Destination};

/// Most events in one batch.
pub const MAX_BATCH: usize = 100;
/// Media type of a batch (CloudEvents JSON batch format).
pub const BATCH_CONTENT_TYPE: &str = "application/cloudevents-batch+json";
/// Where each service takes events, on its internal listener.
pub const EVENTS_PATH: &str = "/internal/v1/events";

/// What the receiver of a batch says. An event in neither list was not looked at, because an earlier one of
/// its subject is parked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Stored with their effects, now or earlier: never to be sent again.
    pub accepted: Vec<EventId>,
    /// Refused: the sender keeps them, tries again later, and holds back what follows on the same subject.
    pub parked: Vec<EventId>,
}

/// The batch may or may not have arrived; sending it again is harmless.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// Carries batches. HTTP here; a message broker can take its place.
pub trait Transport: Send + Sync + 'static {
    /// Sends `batch`, at most [`MAX_BATCH`] events, and waits for the answer.
    fn send(
        &self,
        destination: Destination,
        batch: &[Claimed],
    ) -> impl Future<Output = Result<Receipt, TransportError>> + Send;
}

/// Delivers a batch: the bodies of its events as one JSON array. 200 [`Receipt`].
#[derive(Debug)]
pub enum DeliverEvents {}

impl Operation for DeliverEvents {
    const METHOD: Method = Method::Post;
    const ROUTE: &'static str = EVENTS_PATH;
    type Key = ();
    type Body = Vec<u8>;
    type Output = Receipt;
}

/// Delivers batches to the other services.
pub struct PeerTransport {
    clients: BTreeMap<Service, ServiceClient>,
}

impl PeerTransport {
    /// To the services that `peers` knows. A destination without an address keeps its events waiting.
    #[must_use]
    pub fn new(peers: &Peers) -> Self {
        let clients = Service::ALL.into_iter().map(|s| (s, peers.client(s)));
        Self {
            clients: clients.collect(),
        }
    }
}

impl Transport for PeerTransport {
    async fn send(
        &self,
        destination: Destination,
        batch: &[Claimed],
    ) -> Result<Receipt, TransportError> {
        let client = match destination {
            Destination::Service(service) => self.clients.get(&service),
            Destination::External(_) => None,
        };
        let client =
            client.ok_or_else(|| TransportError(format!("no client for {destination}")))?;
        client
            .deliver::<DeliverEvents>(BATCH_CONTENT_TYPE, batch_json(batch))
            .await
            .map_err(|e| TransportError(e.to_string()))
    }
}

/// The stored events as one JSON array, byte for byte as they were written.
fn batch_json(batch: &[Claimed]) -> Vec<u8> {
    let bodies: Vec<&str> = batch.iter().map(|claimed| claimed.body.as_str()).collect();
    format!("[{}]", bodies.join(",")).into_bytes()
}
