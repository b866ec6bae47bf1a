//! `POST /internal/v1/events` at audit: what every other service sends it.

use std::sync::{Arc, Mutex};

use serde_json::json;
use ud_events::{BATCH_CONTENT_TYPE, EVENTS_PATH, Event, EventType, MAX_BATCH, NewEvent, Receipt};
use ud_kernel::{Clock, Service, UserId, models::Provenance};

use crate::{
    drive::{Client, Until, closed},
    limits::inserts::{self, Way},
    pace::Pace,
    report::{Pairs, Row, Target},
    stats::Figure,
    wire::{Wire, request},
    world::World,
};

/// Batches at once: the other four services have a relay each.
const CONNECTIONS: usize = 4;

/// Sends batches until there is none left.
struct Relay {
    wire: Wire,
    bearer: String,
    batches: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Client for Relay {
    async fn call(&mut self) -> Result<(), String> {
        let batch = self.batches.lock().map_err(|e| e.to_string())?.pop();
        let batch = batch.ok_or("no batch is left")?;
        let headers = [
            ("Authorization", self.bearer.as_str()),
            ("Content-Type", BATCH_CONTENT_TYPE),
        ];
        let request = request("POST", EVENTS_PATH, &headers, &batch);
        let reply = self.wire.send(&request).await?.must(200)?;
        let receipt: Receipt = serde_json::from_slice(&reply.body).map_err(|e| e.to_string())?;
        match receipt.accepted.len() {
            MAX_BATCH => Ok(()),
            count => Err(format!("{count} of {MAX_BATCH} events accepted")),
        }
    }
}

/// Ingestion of events, in the largest batches there are, against bare inserts of the same, and against bare copying.
pub async fn ingest(world: &World, pace: Pace) -> Vec<Row> {
    let database = world.platform.database(Service::Audit);
    let (mut inserted, mut copied) = (Pairs::default(), Pairs::default());
    for _ in 0..pace.rounds {
        let new = || batches(pace.batches);
        let insert = inserts::insert(database, new(), CONNECTIONS, Way::Insert);
        inserted.limit.push(insert.await);
        let copy = inserts::insert(database, new(), CONNECTIONS, Way::Copy);
        copied.limit.push(copy.await);
        let own = send(world, new()).await;
        inserted.own.push(own.clone());
        copied.own.push(own);
    }
    let name = "audit ingestion";
    vec![
        inserted.row(name, " events/s", "bare inserts", Target::Ratio(0.5)),
        copied.row(
            &format!("{name} (the same)"),
            " events/s",
            "bare COPY",
            Target::None,
        ),
    ]
}

async fn send(world: &World, batches: Vec<Vec<Event>>) -> Figure {
    let count = batches.len();
    let bodies = batches
        .iter()
        .map(|batch| serde_json::to_vec(batch).expect("JSON"));
    let bodies = Arc::new(Mutex::new(bodies.collect::<Vec<_>>()));
    let identities = world.platform.identities();
    let token = identities.token(Service::Profile, Service::Audit);
    let port = world.platform.directory.internal_port(Service::Audit);
    let wires = Wire::open_all(port, CONNECTIONS).await.expect("it listens");
    let relay = |wire| Relay {
        wire,
        bearer: format!("Bearer {token}"),
        batches: Arc::clone(&bodies),
    };
    let relays = wires.into_iter().map(relay).collect();
    let (figure, _) = closed(relays, Until::Count(count)).await;
    Figure {
        rate: figure.rate * MAX_BATCH as f64,
        ..figure
    }
}

/// Events nobody has seen.
fn batches(count: usize) -> Vec<Vec<Event>> {
    let clock = Clock::system();
    let origin = Provenance {
        request_id: "01a20173-c962-74eb-84a6-9bfac1788e3f".to_owned(),
        ip: Some("192.0.2.7".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".to_owned()),
        ..Provenance::default()
    };
    let event = || {
        let now = clock.now();
        let user = UserId::new(now);
        NewEvent::about(
            Service::Profile,
            EventType::USER_UPDATED,
            user,
            1,
            now,
            &origin,
        )
        .before(json!({"locale": "en-GB"}))
        .after(json!({"locale": "de-AT"}))
        .finish()
        .expect("an event")
    };
    let batch = || (0..MAX_BATCH).map(|_| event()).collect();
    (0..count).map(|_| batch()).collect()
}
