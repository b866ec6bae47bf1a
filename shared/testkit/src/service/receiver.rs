//! Takes events as a service would, and finds those that none has.

use std::sync::{Arc, Mutex, MutexGuard};

use diesel::prelude::*;
use serde_json::{Value, json};
use ud_db::{Db, StoreError};
use ud_events::{
    EVENTS_PATH, Event,
    schema::{outbox, outbox_deliveries},
};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::path};

/// A stand-in for whoever is told of events. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Receiver(Arc<Mutex<Received>>);

#[derive(Debug, Default)]
struct Received {
    events: Vec<Event>,
    is_deaf: bool,
}

impl Receiver {
    /// Takes events at [`EVENTS_PATH`] of `server`.
    pub async fn mount(&self, server: &MockServer) {
        let own = self.clone();
        let route = Mock::given(path(EVENTS_PATH));
        let respond = move |request: &Request| own.take(&request.body);
        route.respond_with(respond).mount(server).await;
    }

    /// Starts a server that takes events and has nothing else.
    pub async fn start() -> (Self, MockServer) {
        let (own, server) = (Self::default(), MockServer::start().await);
        own.mount(&server).await;
        (own, server)
    }

    /// Takes a batch.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn take(&self, body: &[u8]) -> ResponseTemplate {
        let batch: Vec<Value> = serde_json::from_slice(body).expect("a batch");
        let mut received = self.received();
        if received.is_deaf {
            return ResponseTemplate::new(503);
        }
        let events = batch.iter().map(|event| {
            let event = Event::from_json(event.to_string().as_bytes());
            event.expect("an event")
        });
        let events: Vec<Event> = events.collect();
        let accepted: Vec<_> = events.iter().map(|event| event.id).collect();
        received.events.extend(events);
        ResponseTemplate::new(200).set_body_json(json!({"accepted": accepted, "parked": []}))
    }

    /// From now on refuses events, or takes them again.
    pub fn set_deaf(&self, is_deaf: bool) {
        self.received().is_deaf = is_deaf;
    }

    /// Returns what it has taken.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.received().events.clone()
    }

    /// Returns every event that the service of `db` has written: those it took and those still in the outbox, in the order
    /// in which they were written.
    pub async fn all(&self, db: &Db) -> Vec<Event> {
        // In this order: what leaves the outbox meanwhile has been taken before.
        let mut all = undelivered(db).await;
        for event in self.events() {
            if !all.iter().any(|known| known.id == event.id) {
                all.push(event);
            }
        }
        all.sort_by_key(|event| (event.time, event.sequence, event.id));
        all
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.0.lock().expect("no panic under this lock")
    }
}

/// Returns the events that not everybody has who is to be told.
///
/// # Panics
/// If the database fails.
pub async fn undelivered(db: &Db) -> Vec<Event> {
    let bodies = db.read(|conn| {
        let waits = outbox_deliveries::table.filter(outbox_deliveries::event_id.eq(outbox::id));
        outbox::table
            .filter(diesel::dsl::exists(waits))
            .order(outbox::id)
            .select(outbox::body)
            .load::<String>(conn)
            .map_err(StoreError::from)
    });
    let bodies = bodies.await.expect("a database with an outbox");
    let event = |body: &String| Event::from_json(body.as_bytes()).expect("an event");
    bodies.iter().map(event).collect()
}
