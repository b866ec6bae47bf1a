//! A running profile service with everything a test needs to talk to it and to look behind it.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use diesel::prelude::*;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use testkit::{
    Backend, Gates, Proxy, TestDatabase, TestIdentities, TestIssuer,
    service::{Receiver, Served, Surroundings},
};
use ud_config::{LimitsConfig, SealingConfig};
use ud_db::{Db, StoreError};
use ud_events::Event;
use ud_idempotency::ServerKey;
use ud_jwt::service::IdentityKey;
use ud_kernel::{Clock, Service, Timestamp, UserId};
use ud_seal::Sealer;
use ud_service::ServiceContext;
use user_profile_service::{
    ALL_MIGRATIONS, Bootstrap, BootstrapReport, ProfileConfig, ProfileService,
    models::{AccountFlow, RegistrationFlow, Rights, Standings, Sweeper, user::User, user_store},
};
use wiremock::MockServer;

use crate::peers::{FakeAuth, FakeRole};

pub const START: Timestamp = Timestamp::from_secs(1_780_000_000);
pub const PASSWORD: &str = "correct horse battery staple";

pub struct World {
    pub served: Served,
    pub auth: FakeAuth,
    pub role: FakeRole,
    /// Takes what is told to others.
    pub receiver: Receiver,
    pub db: Db,
    pub clock: Clock,
    pub gates: Gates,
    pub issuer: Arc<TestIssuer>,
    pub identities: TestIdentities,
    pub report: BootstrapReport,
    pub base: ServiceContext,
    pub proxy: Option<Proxy>,
    sealing: SealingConfig,
    _audit: MockServer,
    _database: TestDatabase,
}

impl Deref for World {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Served {
        &mut self.served
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

impl World {
    /// Starts it with everything ordinary.
    pub async fn on(backend: Backend) -> Self {
        Self::start(TestDatabase::create(backend), Options::default()).await
    }

    pub async fn start(database: TestDatabase, options: Options) -> Self {
        let (auth, role) = (FakeAuth::start().await, FakeRole::start().await);
        let (receiver, audit) = Receiver::start().await;
        receiver.mount(&auth.server).await;
        receiver.mount(&role.server).await;
        let clock = Clock::manual(START);
        let mut around = Surroundings::new(Service::Profile, &clock);
        if !options.no_auth {
            around.put(Service::Auth, &auth.server.uri());
        }
        around.put(Service::Role, &role.server.uri());
        around.put(Service::Audit, &audit.uri());
        let report = BootstrapReport::default();
        let through = |proxy: &Proxy| proxy.instead_of(&database.url);
        let url = options
            .proxy
            .as_ref()
            .map_or_else(|| database.url.clone(), through);
        let sealing = testkit::sealing();
        let config = ProfileConfig {
            database: testkit::database_config(&url),
            sealing: sealing.clone(),
            limits: options.limits.unwrap_or_else(testkit::no_limits),
            redis: None,
            bootstrap: options.bootstrap,
            bootstrap_report: report.clone(),
        };
        let direct = testkit::database_config(&database.url);
        let db = Db::open(&direct, Service::Profile).unwrap();
        let base = around.guarded();
        let mut served = Served::start::<ProfileService>(&around, base.clone(), config).await;
        served.delivers_all_of(&db);
        if options.no_auth {
            served.leaves_events();
        }
        Self {
            served,
            auth,
            role,
            receiver,
            db,
            clock,
            gates: around.gates,
            issuer: around.issuer,
            identities: around.identities,
            report,
            base,
            proxy: options.proxy,
            sealing,
            _audit: audit,
            _database: database,
        }
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

    /// Every event written so far about `subject`, in order.
    pub async fn events_about(&self, subject: UserId) -> Vec<Event> {
        let mut events = self.events().await;
        events.retain(|event| event.subject == *subject.as_uuid());
        events.sort_by_key(|event| event.sequence);
        events
    }

    /// Every event written so far.
    pub async fn events(&self) -> Vec<Event> {
        self.receiver.all(&self.db).await
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
            self.gates.failpoints(),
        )
    }

    pub fn account_flow(&self) -> AccountFlow {
        let (auth, role) = (
            self.base.peers.client(Service::Auth),
            self.base.peers.client(Service::Role),
        );
        let (db, clock, failpoints) =
            (self.db.clone(), self.clock.clone(), self.gates.failpoints());
        let standings = Standings::new(db.clone(), role.clone(), clock.clone(), failpoints.clone());
        let outbox = ud_events::OutboxHandle::new();
        AccountFlow::new(
            db,
            auth,
            Rights::new(role),
            standings,
            outbox,
            clock,
            failpoints,
        )
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
        self.call(caller, Method::POST, "/internal/v1/events")
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
    let config = testkit::database_config(&database.url);
    let db = Db::open(&config, Service::Profile).unwrap();
    db.migrate(&ALL_MIGRATIONS).await.unwrap();
    db
}

/// An identity that profile does not know.
pub fn foreign_identity() -> IdentityKey {
    IdentityKey::generate(Service::Auth).unwrap()
}
