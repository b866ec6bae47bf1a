//! `POST /api/v1/auth/refresh`: the one request that goes through three services.

use ud_kernel::{Clock, Service, SessionId, UserId};

use crate::{
    drive::{Client, Until, closed},
    limits::{
        Bare, Canned,
        script::{self, Rotator},
    },
    pace::Pace,
    report::{Pairs, Row, Target},
    wire::{Reply, Wire, json_request},
    world::{PEOPLE, World},
};

/// The operation.
const PATH: &str = "/api/v1/auth/refresh";
/// Clients at once: all users there are.
const CLIENTS: usize = PEOPLE;

/// Follows one chain of refresh tokens.
pub struct Chain {
    wire: Wire,
    token: String,
}

impl Chain {
    /// From `token` on, over `wire`.
    #[must_use]
    pub const fn new(wire: Wire, token: String) -> Self {
        Self { wire, token }
    }

    async fn rotate(&mut self) -> Result<Reply, String> {
        let body = format!("{{\"refresh_token\":\"{}\"}}", self.token);
        let request = json_request("POST", PATH, body.as_bytes());
        let reply = self.wire.send(&request).await?.must(200)?;
        self.token = reply.text("refresh_token").ok_or("no refresh token")?;
        Ok(reply)
    }
}

impl Client for Chain {
    async fn call(&mut self) -> Result<(), String> {
        self.rotate().await.map(drop)
    }
}

/// Refreshes, against the script and the signature alone, and against three bare handlers that call each other.
pub async fn refresh(world: &World, pace: Pace) -> Vec<Row> {
    let logins = world.log_all_in().await;
    let wires = world.wires(Service::Auth, CLIENTS).await;
    let chains = wires.into_iter().zip(logins);
    let chains = chains.map(|(wire, login)| Chain::new(wire, login.refresh));
    let mut chains: Vec<_> = chains.collect();
    let reply = chains[0].rotate().await.expect("new tokens");
    let handlers = Handlers::start(&Canned::of(&reply)).await;
    let redis = world.platform.redis().expect("services have Redis").url();
    let mut rotators = Rotator::open(&redis, CLIENTS).await;
    let mut bare = handlers.clients().await;

    let (mut by_script, mut by_handlers) = (Pairs::default(), Pairs::default());
    let until = Until::Time {
        warm: pace.warm,
        span: pace.span,
    };
    for _ in 0..pace.rounds {
        let (figure, same) = closed(rotators, until).await;
        rotators = same;
        by_script.limit.push(figure);
        let (figure, same) = closed(chains, until).await;
        chains = same;
        by_script.own.push(figure.clone());
        by_handlers.own.push(figure);
        let (figure, same) = closed(bare, until).await;
        bare = same;
        by_handlers.limit.push(figure);
    }
    vec![
        by_script.row(
            "refresh",
            "/s",
            "Redis script and a signature",
            Target::Ratio(0.3),
        ),
        by_handlers.row(
            "refresh (the same)",
            "/s",
            "three bare handlers",
            Target::Ratio(0.7),
        ),
    ]
}

/// Three bare handlers that call each other as auth calls role and session, with bodies like theirs.
struct Handlers {
    first: Bare,
    _role: Bare,
    _session: Bare,
    token: String,
}

impl Handlers {
    async fn start(canned: &Canned) -> Self {
        let now = Clock::system().now();
        let (user, id) = (UserId::new(now), SessionId::new(now));
        let role = Bare::answering(&Canned::json(&script::access())).await;
        let session = Bare::answering(&Canned::json(&script::grant(id, now))).await;
        let rotation = script::rotation(user, id, 1, now);
        let rotation = serde_json::to_string(&rotation).expect("JSON");
        let (get, post) = (
            role.url(&format!("/internal/v1/users/{user}/access")),
            session.url("/internal/v1/sessions/rotate"),
        );
        let body: serde_json::Value = serde_json::from_str(&canned.body).expect("JSON");
        let token = body["refresh_token"].as_str().expect("a token").to_owned();
        Self {
            first: Bare::calling(canned, &get, &post, &rotation).await,
            _role: role,
            _session: session,
            token,
        }
    }

    async fn clients(&self) -> Vec<Chain> {
        let wires = Wire::open_all(self.first.port, CLIENTS).await;
        let chain = |wire| Chain::new(wire, self.token.clone());
        wires.expect("it listens").into_iter().map(chain).collect()
    }
}
