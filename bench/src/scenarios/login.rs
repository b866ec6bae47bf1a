//! Logins and registrations, which cost one password hash each, and what they leave of the machine to others.

use std::time::Duration;

use end_to_end::Person;
use ud_kernel::Service;

use super::validate;
use crate::{
    drive::{Background, Client, Until, closed, paced},
    limits::{Bare, hashing::hashes},
    pace::{Pace, cores},
    report::{Pairs, Row, Target, time},
    stats::Figure,
    wire::{Wire, get_request, json_request},
    world::{World, login_request},
};

/// Clients that log in at once, for each core: as many as hash, and as many that wait.
const CLIENTS_PER_CORE: usize = 2;
/// Validations a second while logins saturate.
const VALIDATIONS: f64 = 1_000.0;
/// Connections they come over.
const CONNECTIONS: usize = 8;
/// What 99 of 100 of them may take.
const BOUND: Duration = Duration::from_millis(10);

/// Logs the same person in, again and again.
pub struct LoggingIn {
    wire: Wire,
    request: Vec<u8>,
}

impl LoggingIn {
    /// Over `wire`.
    #[must_use]
    pub fn new(wire: Wire, person: &Person) -> Self {
        let request = login_request(person);
        Self { wire, request }
    }
}

impl Client for LoggingIn {
    async fn call(&mut self) -> Result<(), String> {
        let reply = self.wire.send(&self.request).await?.must(200)?;
        match reply.text("access_token") {
            Some(_) => Ok(()),
            None => Err("no token".to_owned()),
        }
    }
}

/// Registers somebody new, again and again.
struct Registering(Wire);

impl Client for Registering {
    async fn call(&mut self) -> Result<(), String> {
        let body = Person::new().registration().to_string();
        let request = json_request("POST", "/api/v1/users", body.as_bytes());
        self.0.send(&request).await?.must(201)?;
        Ok(())
    }
}

/// Asks what the same token stands for, again and again.
struct Validating {
    wire: Wire,
    request: Vec<u8>,
}

impl Client for Validating {
    async fn call(&mut self) -> Result<(), String> {
        self.wire.send(&self.request).await?.must(200)?;
        Ok(())
    }
}

async fn logging_in(world: &World) -> Vec<LoggingIn> {
    let wires = world.wires(Service::Auth, CLIENTS_PER_CORE * cores()).await;
    let people = world.people.iter().cycle();
    let pairs = wires.into_iter().zip(people);
    pairs
        .map(|(wire, person)| LoggingIn::new(wire, person))
        .collect()
}

/// Logins, against the hashes alone.
pub async fn log_in(world: &World, pace: Pace) -> Row {
    let count = pace.hashes * cores();
    let mut pairs = Pairs::default();
    for _ in 0..pace.rounds {
        pairs.limit.push(hashes(count).await);
        let clients = logging_in(world).await;
        pairs.own.push(closed(clients, Until::Count(count)).await.0);
    }
    pairs.row("login", "/s", "bcrypt on all cores", Target::Ratio(0.95))
}

/// Registrations, against the hashes alone.
pub async fn register(world: &World, pace: Pace) -> Row {
    let count = pace.hashes * cores();
    let mut pairs = Pairs::default();
    for _ in 0..pace.rounds {
        pairs.limit.push(hashes(count).await);
        let wires = world.wires(Service::Profile, CLIENTS_PER_CORE * cores());
        let clients = wires.await.into_iter().map(Registering).collect();
        pairs.own.push(closed(clients, Until::Count(count)).await.0);
    }
    pairs.row("registration", "/s", "bcrypt on all cores", Target::None)
}

/// Validation at a fixed rate while logins take all the processor they get, against the bare handler meanwhile; and
/// those logins.
pub async fn validate_meanwhile(world: &World, pace: Pace) -> Vec<Row> {
    let (token, canned) = validate::model(world).await;
    let bare = Bare::answering(&canned).await;
    let background = Background::start(logging_in(world).await);
    let (mut own, mut limit) = (Vec::new(), Vec::new());
    for _ in 0..pace.rounds {
        limit.push(at_rate(bare.port, &token, pace.span).await);
        own.push(at_rate(world.port(Service::Auth), &token, pace.span).await);
    }
    let logins = background.stop().await;
    let (own, limit) = (Figure::median(&own), Figure::median(&limit));
    let row = Row::of("validate while logins saturate", &own, "/s offered")
        .limit(format!("p99 {} bare handler", time(limit.p99)))
        .complaint(own.complaint().or_else(|| limit.complaint()));
    let ratio = own.p99.as_secs_f64() / limit.p99.as_secs_f64().max(f64::MIN_POSITIVE);
    vec![
        row.judged(Target::P99(BOUND), ratio, own.p99),
        Row::of("the logins meanwhile", &logins, "/s"),
    ]
}

async fn at_rate(port: u16, token: &str, span: Duration) -> Figure {
    let wires = Wire::open_all(port, CONNECTIONS).await;
    let client = |wire| Validating {
        wire,
        request: get_request(validate::PATH, token),
    };
    let clients = wires.expect("it listens").into_iter().map(client).collect();
    paced(clients, VALIDATIONS, span).await.0
}
