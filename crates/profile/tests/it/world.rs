//! A running profile service with everything a test needs to talk to it and to look behind it.

use std::net::SocketAddr;

use diesel::prelude::*;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use testkit::{AUDIENCE, Gates, ISSUER, Proxy, TestDatabase, TestIdentities, TestIssuer};
use tokio::sync::oneshot;
use ud_config::{
    AppEnv, DatabaseConfig, HttpConfig, LimitsConfig, PeersConfig, SealingConfig, TokenConfig,
};
use ud_db::{Db, StoreError};
use ud_events::{Event, schema::outbox};
use ud_http::{Listening, Server, ServiceBinary as _};
use ud_idempotency::ServerKey;
use ud_jwt::{
    revocation::SessionChecker,
    service::{IdentityKey, ServiceVerifier},
};
use ud_kernel::{Clock, Service, Timestamp, UserId};
use ud_seal::Sealer;
use ud_service::{Base, Identity};
use ud_telemetry::Metrics;
use user_profile_service::{
    ALL_MIGRATIONS, Bootstrap, BootstrapReport, ProfileConfig, ProfileService,
    models::{AccountFlow, RegistrationFlow, Rights, Standings, Sweeper, user::User, user_store},
};

use crate::peers::{FakeAuth, FakeRole};

pub const START: Timestamp = Timestamp::from_secs(1_780_000_000);
pub const PASSWORD: &str = "correct horse battery staple";

pub struct World {
    pub auth: FakeAuth,
    pub role: FakeRole,
    pub db: Db,
    pub clock: Clock,
    pub gates: Gates,
    pub issuer: TestIssuer,
    pub identities: TestIdentities,
    pub report: BootstrapReport,
    pub base: Base,
    pub public: SocketAddr,
    pub internal: SocketAddr,
    pub proxy: Option<Proxy>,
    sealing: SealingConfig,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    _database: TestDatabase,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What differs from the ordinary.
#[derive(Default)]
pub struct Options {
    pub limits: Option<LimitsConfig>,
    pub bootstrap: Option<Bootstrap>,
    /// Not the stand-in, but nobody.
    pub no_auth: bool,
    /// Between the service and its database server.
    pub proxy: Option<Proxy>,
}

/// Runs `test` on each of the three databases.
pub async fn on_each_database<F: Future<Output = ()>>(test: impl Fn(World) -> F) {
    for database in testkit::databases() {
        test(World::start(database, Options::default()).await).await;
    }
}

impl World {
    pub async fn start(database: TestDatabase, options: Options) -> Self {
        let (auth, role) = (FakeAuth::start().await, FakeRole::start().await);
        let clock = Clock::manual(START);
        let metrics = Metrics::new("profile");
        let identities = TestIdentities::new(clock.clone());
        let issuer = TestIssuer::new(clock.clone());
        let mut peers = PeersConfig::default();
        if !options.no_auth {
            peers.set(Service::Auth, auth.server.uri().parse().unwrap());
        }
        peers.set(Service::Role, role.server.uri().parse().unwrap());
        let tokens = TokenConfig {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            shared_secret: None,
            jwks_url: None,
        };
        let identity = Identity {
            signer: identities.signer(Service::Profile),
            verifier: ServiceVerifier::new(Service::Profile, identities.peers(), clock.clone())
                .into(),
        };
        let env = AppEnv::Development;
        let base = Base::new(
            Service::Profile,
            env,
            identity,
            peers,
            tokens,
            clock.clone(),
            &metrics,
        )
        .unwrap();
        let guard = base.guard_with(issuer.key_source(), SessionChecker::unchecked());
        let mut base = base.with_guard(&guard);
        let gates = Gates::new();
        base.steps = gates.steps();
        let report = BootstrapReport::default();
        let through = |proxy: &Proxy| proxy.instead_of(&database.url);
        let url = options
            .proxy
            .as_ref()
            .map_or_else(|| database.url.clone(), through);
        let sealing = testkit::sealing();
        let config = ProfileConfig {
            database: DatabaseConfig::for_tests(&url),
            sealing: sealing.clone(),
            limits: options.limits.unwrap_or_else(testkit::no_limits),
            redis: None,
            bootstrap: options.bootstrap,
            bootstrap_report: report.clone(),
        };
        let direct = DatabaseConfig::for_tests(&database.url);
        let db = Db::open(&direct, Service::Profile).unwrap();
        let listening = Listening::bind(&HttpConfig::default()).unwrap();
        let (public, internal) = (
            listening.public_addr().unwrap(),
            listening.internal_addr().unwrap(),
        );
        let mounted = ProfileService::build(config, base.clone()).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let server_clock = clock.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = Server::new(listening, vec![mounted], server_clock, metrics);
                server.run(async { drop(stopped.await) }).await.unwrap();
            });
        });
        Self {
            auth,
            role,
            db,
            clock,
            gates,
            issuer,
            identities,
            report,
            base,
            public,
            internal,
            proxy: options.proxy,
            sealing,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
            _database: database,
        }
    }

    /// A request to the public listener, without a token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.public))
    }

    /// A request as `user` with `permissions` in the token and at role.
    pub fn as_user(
        &self,
        user: UserId,
        permissions: &[&str],
        method: Method,
        path: &str,
    ) -> RequestBuilder {
        if !permissions.is_empty() {
            self.role.grant(user, &[], permissions);
        }
        self.request(method, path)
            .bearer_auth(self.issuer.token(user, permissions, &[]))
    }

    pub fn registration(&self, email: &str) -> RequestBuilder {
        self.request(Method::POST, "/api/v1/users")
            .json(&json!({"email": email, "password": PASSWORD}))
    }

    /// Registers somebody and gives their id.
    pub async fn register(&self, body: &Value) -> UserId {
        let answer = self
            .request(Method::POST, "/api/v1/users")
            .json(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        id_of(&answer.json().await.unwrap())
    }

    pub async fn register_email(&self, email: &str) -> UserId {
        self.register(&json!({"email": email, "password": PASSWORD}))
            .await
    }

    /// A user nobody registered, to act on others.
    pub fn stranger(&self) -> UserId {
        UserId::new(self.clock.now())
    }

    pub async fn stored(&self, id: UserId) -> Option<User> {
        self.db
            .read(move |conn| user_store::find(conn, id))
            .await
            .unwrap()
    }

    /// Every stored user, pending and deleted ones too.
    pub async fn stored_ids(&self) -> Vec<UserId> {
        use user_profile_service::models::schema::users;
        self.db
            .read(|conn| {
                users::table
                    .select(users::id)
                    .load(conn)
                    .map_err(StoreError::from)
            })
            .await
            .unwrap()
    }

    /// Stops the service gracefully and waits for its end.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Every event written so far about `subject`, in order.
    pub async fn events_about(&self, subject: UserId) -> Vec<Event> {
        let mut events = self.events().await;
        events.retain(|event| event.subject == *subject.as_uuid());
        events.sort_by_key(|event| event.sequence);
        events
    }

    /// Every event written so far and not delivered.
    pub async fn events(&self) -> Vec<Event> {
        let bodies: Vec<String> = self
            .db
            .read(|conn| {
                outbox::table
                    .select(outbox::body)
                    .load(conn)
                    .map_err(StoreError::from)
            })
            .await
            .unwrap();
        let parse = |body: &String| Event::from_json(body.as_bytes()).unwrap();
        bodies.iter().map(parse).collect()
    }

    pub fn server_key(&self) -> ServerKey {
        let sealer = Sealer::from_config(&self.sealing, Service::Profile).unwrap();
        ServerKey::new(self.db.clone(), sealer, self.clock.clone())
    }

    pub fn registration_flow(&self) -> RegistrationFlow {
        RegistrationFlow::new(
            self.db.clone(),
            self.server_key(),
            self.base.peers.client(Service::Auth),
            ud_events::OutboxHandle::new(),
            self.clock.clone(),
            self.gates.steps(),
        )
    }

    pub fn account_flow(&self) -> AccountFlow {
        let (auth, role) = (
            self.base.peers.client(Service::Auth),
            self.base.peers.client(Service::Role),
        );
        let (db, clock, steps) = (self.db.clone(), self.clock.clone(), self.gates.steps());
        let standings = Standings::new(db.clone(), role.clone(), clock.clone(), steps.clone());
        let outbox = ud_events::OutboxHandle::new();
        AccountFlow::new(db, auth, Rights::new(role), standings, outbox, clock, steps)
    }

    pub fn sweeper(&self) -> Sweeper {
        let auth = self.base.peers.client(Service::Auth);
        Sweeper::new(
            self.db.clone(),
            auth,
            self.registration_flow(),
            self.clock.clone(),
        )
    }

    /// Sends `events` as `caller` to the internal listener.
    pub async fn deliver(&self, caller: Service, events: &[Event]) -> Response {
        let batch: Vec<String> = events.iter().map(|e| e.to_json().unwrap()).collect();
        self.http
            .post(format!("http://{}/internal/v1/events", self.internal))
            .bearer_auth(self.identities.token(caller, Service::Profile))
            .header("content-type", "application/cloudevents-batch+json")
            .body(format!("[{}]", batch.join(",")))
            .send()
            .await
            .unwrap()
    }
}

pub fn id_of(user: &Value) -> UserId {
    user["id"].as_str().unwrap().parse().unwrap()
}

/// The problem document of `answer`, after checking that it is one.
pub async fn problem(answer: Response) -> Value {
    let status = answer.status();
    assert_eq!(
        answer.headers()["content-type"],
        "application/problem+json",
        "{status}"
    );
    let document: Value = answer.json().await.unwrap();
    assert_eq!(document["status"], status.as_u16());
    document
}

pub async fn expect_problem(answer: Response, status: u16, code: &str) -> Value {
    let actual = answer.status().as_u16();
    let document = problem(answer).await;
    assert_eq!(
        (actual, document["code"].as_str().unwrap()),
        (status, code),
        "{document}"
    );
    document
}

/// All migrations on a database that has none.
pub async fn migrated(database: &TestDatabase) -> Db {
    let config = DatabaseConfig::for_tests(&database.url);
    let db = Db::open(&config, Service::Profile).unwrap();
    db.migrate(&ALL_MIGRATIONS).await.unwrap();
    db
}

/// An identity that profile does not know.
pub fn foreign_identity() -> IdentityKey {
    IdentityKey::generate(Service::Auth).unwrap()
}
