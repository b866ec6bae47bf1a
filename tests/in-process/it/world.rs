//! Auth and session over stores that outlive them.

use std::time::Duration;

use auth_service::AuthService;
use end_to_end::Ports;
use reqwest::Method;
use serde_json::{Value, json};
use session_service::{SessionConfig, SessionService};
use testkit::{new_key_ring, service::Served};
use ud_http::ServiceBinary as _;
use ud_kernel::{
    Clock, Service, Timestamp, UserId,
    models::{SessionState, SessionStateResponse},
};
use ud_service::TokenGuard;

use crate::{
    ground::{Ground, Store},
    role::{RealRole, Role},
    seen::{Seen, Tokens, decided, see},
    service::{Own, START, auth_config},
};

/// Good enough for the policy.
pub const PASSWORD: &str = "tr4vel quilt zebra 9";

/// One of auth's instances, or of session's.
pub struct Replica {
    pub own: Own,
    running: Option<Served>,
    guard: Option<TokenGuard>,
}

pub struct World {
    pub ground: Ground,
    pub role: Role,
    /// The role service itself, instead.
    pub real_role: Option<RealRole>,
    pub auths: Vec<Replica>,
    pub sessions: Vec<Replica>,
    ports: Ports,
    /// `REFRESH_TOKEN_KEYS`, for auth's next lives.
    pub ring: String,
    /// The time it is; the clock of a test's own calls.
    pub clock: Clock,
    pub http: reqwest::Client,
}

/// How far the clocks of the replicas are from the time it is: `auths`, `sessions`. In milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Skews {
    pub auths: [i64; 2],
    pub sessions: [i64; 2],
    pub role: i64,
    /// Whether calls between services are signed and judged by the same clocks; otherwise by the time it is.
    pub in_calls: bool,
}

pub fn off(time: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(time.as_millis() + millis)
}

impl World {
    pub async fn start(store: Store) -> Self {
        Self::start_with(store, Skews::default()).await
    }

    pub async fn start_with(store: Store, skews: Skews) -> Self {
        let clock = Clock::manual(START);
        let ports = Ports::reserve();
        let replica = |(number, skew): (u16, i64)| {
            let own = Clock::manual(off(START, skew));
            let calls = if skews.in_calls { &own } else { &clock };
            Replica::new(Own::new(own.clone(), calls.clone(), &ports, number))
        };
        let sessions = match store {
            Store::Redis => &skews.sessions[..],
            Store::Sqlite => &skews.sessions[..1],
        };
        let mut world = Self {
            real_role: None,
            ground: Ground::new(store, &clock),
            role: Role::invented().await,
            auths: (0..).zip(skews.auths).map(replica).collect(),
            sessions: (2..).zip(sessions.iter().copied()).map(replica).collect(),
            ring: new_key_ring("r1"),
            ports,
            clock,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        world.start_all().await;
        world
    }

    /// With role as it is, too.
    pub async fn start_with_role(store: Store, skews: Skews) -> Self {
        let mut world = Self::start_with(store, skews).await;
        let clock = Clock::manual(off(START, skews.role));
        let own = Own::new(clock, world.clock.clone(), &world.ports, 4);
        world.real_role = Some(RealRole::new(world.ground.database.backend, own));
        for i in 0..world.auths.len() {
            world.restart_auth(i).await;
        }
        let guard = world.auths[0].guard.clone().unwrap();
        let peers = [
            (Service::Auth, world.auths[0].own.internal()),
            (Service::Session, world.sessions[0].own.internal()),
        ];
        let role = world.real_role.as_mut().unwrap();
        role.start(&world.ground.identities, &guard, &peers).await;
        world
    }

    async fn start_all(&mut self) {
        for session in &mut self.sessions {
            session.start_session(&self.ground).await;
        }
        for i in 0..self.auths.len() {
            self.start_auth(i).await;
        }
    }

    async fn start_auth(&mut self, i: usize) {
        let session = self.sessions[i % self.sessions.len()].own.internal();
        let role = self.real_role.as_ref().map(|role| role.own.internal());
        let peers = [
            (Service::Role, role.unwrap_or_else(|| self.role.url())),
            (Service::Session, session),
        ];
        let auth = &mut self.auths[i];
        auth.start_auth(&self.ground, &self.ring, &peers).await;
    }

    /// Ends instance `i` of auth and starts it anew.
    pub async fn restart_auth(&mut self, i: usize) {
        self.auths[i].stop().await;
        self.start_auth(i).await;
    }

    /// Ends instance `i` of session and starts it anew.
    pub async fn restart_session(&mut self, i: usize) {
        self.sessions[i].stop().await;
        self.ground.is_free().await;
        self.sessions[i].start_session(&self.ground).await;
    }

    /// Ends everything.
    pub async fn stop_all(&mut self) {
        for replica in self.auths.iter_mut().chain(&mut self.sessions) {
            replica.stop().await;
        }
        self.ground.is_free().await;
    }

    /// Ends everything, does `meanwhile`, and starts everything anew.
    pub async fn restart_all_after(&mut self, meanwhile: impl FnOnce(&Ground)) {
        self.stop_all().await;
        meanwhile(&self.ground);
        self.start_all().await;
    }

    /// Does something to the store while no session service runs; auth does, and remembers what it knows.
    pub async fn with_session_stopped<T>(&mut self, work: impl FnOnce(&Ground) -> T) -> T {
        for session in &mut self.sessions {
            session.stop().await;
        }
        self.ground.is_free().await;
        let done = work(&self.ground);
        for session in &mut self.sessions {
            session.start_session(&self.ground).await;
        }
        done
    }

    /// Every replica of auth gets that ring of keys, one after the other.
    pub async fn rotate(&mut self, ring: String) {
        self.ring = ring;
        for i in 0..self.auths.len() {
            self.restart_auth(i).await;
        }
    }

    /// Time passes, on every clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        for replica in self.auths.iter().chain(&self.sessions) {
            replica.own.clock.advance(by);
            if replica.own.calls.now() != self.clock.now() {
                replica.own.calls.set(replica.own.clock.now());
            }
        }
    }

    /// A user with [`PASSWORD`].
    pub async fn register(&self, email: &str) -> UserId {
        let user = UserId::new(self.clock.now());
        let body = json!({"email": email, "password": PASSWORD, "origin": {"request_id": "r-1"}});
        let path = format!("/internal/v1/credentials/{user}");
        let call = self.call(Service::Profile, Service::Auth, 0, Method::PUT, &path);
        assert_eq!(see(call.json(&body)).await.status, 201);
        user
    }

    /// A user whose address is the answer.
    pub async fn register_ada(&self) -> &'static str {
        let email = "ada@example.com";
        self.register(email).await;
        email
    }

    pub async fn log_in(&self, i: usize, email: &str) -> Tokens {
        self.try_log_in(i, email).await.tokens()
    }

    pub async fn try_log_in(&self, i: usize, email: &str) -> Seen {
        let body = json!({"identifier": email, "password": PASSWORD});
        self.post(i, "/api/v1/auth/login", &body).await
    }

    /// What profile tells auth of a user's status; of two the one with the larger number counts.
    pub async fn set_status(&self, i: usize, user: UserId, status: &str, number: u64) -> Seen {
        let path = format!("/internal/v1/credentials/{user}/status");
        let call = self.call(Service::Profile, Service::Auth, i, Method::PUT, &path);
        let body = json!({"status": status, "sequence": number, "origin": {"request_id": "r-1"}});
        let answer = see(call.json(&body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// Presents a refresh token to instance `i` of auth.
    pub async fn refresh(&self, i: usize, token: &str) -> Seen {
        self.refresh_from(i, token, "192.0.2.1").await
    }

    pub async fn refresh_from(&self, i: usize, token: &str, address: &str) -> Seen {
        let body = json!({"refresh_token": token});
        let url = format!("{}/api/v1/auth/refresh", self.auths[i].own.public());
        let call = self.http.post(url).header("x-forwarded-for", address);
        see(call.json(&body)).await
    }

    /// `POST` of JSON to instance `i` of auth.
    pub async fn post(&self, i: usize, path: &str, body: &Value) -> Seen {
        let url = format!("{}{path}", self.auths[i].own.public());
        let call = self.http.post(url).header("x-forwarded-for", "192.0.2.1");
        see(call.json(body)).await
    }

    /// The same with an access token.
    pub async fn post_as(&self, i: usize, path: &str, access: &str, body: &Value) -> Seen {
        let url = format!("{}{path}", self.auths[i].own.public());
        decided(self.http.post(url).bearer_auth(access).json(body)).await
    }

    /// Proves again who it is, at instance `i` of auth.
    pub async fn reauthenticate(&self, i: usize, tokens: &Tokens, address: &str) -> Seen {
        let url = format!("{}/api/v1/auth/reauthenticate", self.auths[i].own.public());
        let body = json!({"password": PASSWORD, "refresh_token": tokens.refresh});
        let call = self.http.post(url).header("x-forwarded-for", address);
        decided(call.bearer_auth(&tokens.access).json(&body)).await
    }

    /// What instance `i` of auth says of an access token.
    pub async fn validate(&self, i: usize, access: &str) -> Seen {
        let url = format!("{}/api/v1/auth/validate", self.auths[i].own.public());
        decided(self.http.get(url).bearer_auth(access)).await
    }

    /// Ends the session of a refresh token, at instance `i` of auth.
    pub async fn log_out(&self, i: usize, tokens: &Tokens) -> Seen {
        let body = json!({"refresh_token": tokens.refresh});
        self.post(i, "/api/v1/auth/logout", &body).await
    }

    /// Whether instance `i` of auth judges tokens by its copy of the revocation feed now.
    pub async fn follows(&self, i: usize) -> bool {
        let url = format!("{}/readyz", self.auths[i].own.internal());
        let report = see(self.http.get(url)).await.body;
        report["checks"][0]["revocation"] == "feed"
    }

    /// A call of an internal route of instance `i` of `called`.
    pub fn call(
        &self,
        caller: Service,
        called: Service,
        i: usize,
        method: Method,
        path: &str,
    ) -> reqwest::RequestBuilder {
        let replica = match called {
            Service::Auth => &self.auths[i],
            _ => &self.sessions[i],
        };
        let identities = self.ground.identities.by(&replica.own.calls);
        let token = identities.token(caller, called);
        let url = format!("{}{path}", replica.own.internal());
        self.http.request(method, url).bearer_auth(token)
    }

    /// What instance `i` of session says of the session of these tokens.
    pub async fn state(&self, i: usize, tokens: &Tokens) -> SessionState {
        let claims = tokens.claims();
        let path = format!(
            "/internal/v1/sessions/{}/state?user_id={}&pv={}&inc={}&kid={}&roles=user",
            tokens.session,
            tokens.user,
            claims["pv"],
            claims["inc"].as_str().unwrap(),
            tokens.header()["kid"].as_str().unwrap()
        );
        let call = self.call(Service::Auth, Service::Session, i, Method::GET, &path);
        let answer = call.send().await.unwrap().error_for_status().unwrap();
        answer.json::<SessionStateResponse>().await.unwrap().state
    }
}

impl Replica {
    const fn new(own: Own) -> Self {
        Self {
            own,
            running: None,
            guard: None,
        }
    }

    async fn start_session(&mut self, ground: &Ground) {
        let around = self.own.around(Service::Session, &ground.identities, &[]);
        let mut base = around.guarded();
        base.standalone = true;
        let config = SessionConfig {
            store: ground.sessions.clone(),
            limits: testkit::no_limits(),
            feed_keys: Some(ground.feed_keys.clone()),
            keys_dir: std::path::PathBuf::new(),
        };
        let mounted = SessionService::build(config, base).await;
        self.running = Some(self.own.serve(&around, mounted.unwrap()));
    }

    async fn start_auth(&mut self, ground: &Ground, ring: &str, peers: &[(Service, String)]) {
        let around = self.own.around(Service::Auth, &ground.identities, peers);
        let config = auth_config(&ground.database.url, ring, ground.sealing.clone());
        let mounted = AuthService::build(config, around.base()).await.unwrap();
        self.guard = Some(mounted.guard.clone());
        self.running = Some(self.own.serve(&around, mounted));
    }

    /// Ends it; nothing of it is left when this returns.
    async fn stop(&mut self) {
        self.guard = None;
        if let Some(mut running) = self.running.take() {
            running.end().await;
        }
    }
}
