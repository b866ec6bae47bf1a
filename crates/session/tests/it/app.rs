//! The service on two sockets, with an invented auth in front and an invented role behind it.

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::LazyLock,
    time::Duration,
};

use reqwest::{Method, RequestBuilder, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use session_service::{
    SessionConfig, SessionService, StoreConfig, models::redis::store::RedisSettings,
};
use tempfile::TempDir;
use testkit::{
    AUDIENCE, ISSUER, TestIdentities,
    service::{Served, Surroundings},
};
use tokio::sync::mpsc;
use ud_config::{AppEnv, Durability, HttpConfig, KeyRing};
use ud_db::Db;
use ud_http::{Mounted, ServiceBinary as _};
use ud_jwt::{AccessClaims, SigningKey, new_jti};
use ud_kernel::{
    Clock, Service, SessionId, UserId,
    models::{Access, SessionGrant},
};
use ud_peer::LocalOperations;
use ud_telemetry::Metrics;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use crate::support::{Backend, START, create, redis_settings};

pub struct App {
    served: Served,
    /// Session's operations for callers in this process.
    pub operations: LocalOperations,
    pub clock: Clock,
    pub identities: TestIdentities,
    pub role: MockServer,
    /// What audit receives, as it comes.
    audited: mpsc::UnboundedReceiver<Value>,
    _audit: MockServer,
    key: SigningKey,
    _folder: TempDir,
}

impl Deref for App {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

impl DerefMut for App {
    fn deref_mut(&mut self) -> &mut Served {
        &mut self.served
    }
}

/// Signs access tokens.
pub const SECRET: &str = "a secret of thirty-two bytes, or more";

/// What a session service finds around it.
fn around(clock: &Clock) -> Surroundings {
    let mut around = Surroundings::new(Service::Session, clock);
    around.tokens.shared_secret = Some(SECRET.into());
    around
}

/// Whether a service with that store starts, in production; its exit code if not.
pub async fn try_start(store: StoreConfig) -> Result<Mounted, u8> {
    let mut around = around(&Clock::manual(START));
    around.env = AppEnv::Production;
    let built = SessionService::build(config(store, feed_ring()), around.base()).await;
    built.map_err(|error| error.exit_code())
}

/// With that store and that ring of the feed's tags.
fn config(store: StoreConfig, ring: KeyRing) -> SessionConfig {
    SessionConfig {
        store,
        limits: testkit::no_limits(),
        feed_keys: Some(ring),
        keys_dir: PathBuf::new(),
    }
}

/// The ring of all replicas.
pub fn feed_ring() -> KeyRing {
    static RING: LazyLock<String> = LazyLock::new(|| testkit::new_key_ring("f1"));
    RING.parse().unwrap()
}

impl App {
    pub async fn start(backend: Backend) -> Self {
        match backend {
            Backend::Redis => {
                Self::start_on(redis_settings(&testkit::redis_url(), Durability::Lossy)).await
            }
            Backend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("session.db");
                let url = format!("sqlite://{}", file.display());
                let store = StoreConfig::Sqlite(testkit::database_config(&url));
                let clock = Clock::manual(START);
                let identities = TestIdentities::new(clock.clone());
                Self::start_with(store, feed_ring(), clock, identities, folder).await
            }
        }
    }

    /// With sessions in that Redis.
    pub async fn start_on(settings: RedisSettings) -> Self {
        let clock = Clock::manual(START);
        let settings = RedisSettings {
            hand: Some(clock.clone()),
            ..settings
        };
        let identities = TestIdentities::new(clock.clone());
        let folder = tempfile::tempdir().unwrap();
        let store = StoreConfig::Redis(settings);
        Self::start_with(store, feed_ring(), clock, identities, folder).await
    }

    /// A replica of `first`, with sessions in that Redis.
    pub async fn start_with_identities(settings: RedisSettings, first: &Self) -> Self {
        Self::start_with_ring(settings, first, feed_ring()).await
    }

    /// The same with another ring of the feed's tags.
    pub async fn start_with_ring(settings: RedisSettings, first: &Self, ring: KeyRing) -> Self {
        let (clock, identities) = (first.clock.clone(), first.identities.clone());
        let settings = RedisSettings {
            hand: Some(clock.clone()),
            ..settings
        };
        let folder = tempfile::tempdir().unwrap();
        let store = StoreConfig::Redis(settings);
        Self::start_with(store, ring, clock, identities, folder).await
    }

    async fn start_with(
        store: StoreConfig,
        ring: KeyRing,
        clock: Clock,
        identities: TestIdentities,
        folder: TempDir,
    ) -> Self {
        let (role, audit) = (MockServer::start().await, MockServer::start().await);
        let (sender, audited) = mpsc::unbounded_channel();
        Mock::given(matchers::path("/internal/v1/events"))
            .respond_with(Audit(sender))
            .mount(&audit)
            .await;
        let mut around = around(&clock);
        around.identities = identities.clone();
        around.put(Service::Role, &role.uri());
        around.put(Service::Audit, &audit.uri());
        let mounted = SessionService::build(config(store.clone(), ring), around.base())
            .await
            .unwrap();
        let operations = LocalOperations::new(&Metrics::new("standalone"));
        mounted
            .internal
            .offer_locally(Service::Session, &operations);
        let mut served = Served::serve(&around, mounted, &HttpConfig::default());
        match store {
            StoreConfig::Redis(settings) => served.delivers_all(move || left_in(&settings)),
            StoreConfig::Sqlite(database) => {
                served.delivers_all_of(&Db::open_unlocked(&database, Service::Session).unwrap());
            }
        }
        Self {
            served,
            operations,
            clock,
            identities,
            role,
            audited,
            _audit: audit,
            key: SigningKey::from_secret(SECRET.as_bytes()).unwrap(),
            _folder: folder,
        }
    }

    /// A session of `user`, made as auth makes it.
    pub async fn log_in(&self, user: UserId) -> SessionGrant {
        let id = SessionId::new(self.clock.now());
        let body = serde_json::to_value(create(user, self.clock.now())).unwrap();
        let path = format!("/internal/v1/sessions/{id}");
        let answer = self
            .call(Service::Auth, Method::PUT, &path)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201);
        answer.json().await.unwrap()
    }

    /// The access token auth would sign for `grant`.
    pub fn token(&self, user: UserId, grant: &SessionGrant, permissions: &[&str]) -> String {
        let claims = AccessClaims {
            iss: ISSUER.to_owned(),
            sub: user,
            sid: grant.session_id,
            aud: AUDIENCE.to_owned(),
            client_id: "user-domain".to_owned(),
            iat: grant.issued_at.as_secs(),
            nbf: grant.issued_at.as_secs(),
            exp: grant.access_expires_at.as_secs(),
            jti: new_jti().unwrap(),
            auth_time: grant.authenticated_at.as_secs(),
            acr: "1".to_owned(),
            amr: grant.amr.clone(),
            roles: vec!["user".to_owned()],
            permissions: permissions.iter().map(ToString::to_string).collect(),
            pv: 1,
            inc: grant.incarnation.clone(),
        };
        self.key.sign(&claims).unwrap()
    }

    /// A request to the public listener.
    pub fn ask(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(token)
    }

    /// A request to the internal listener with any token.
    pub fn call_with(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.internal_request(method, path).bearer_auth(token)
    }

    /// The next event of that type that reaches audit.
    pub async fn audited(&mut self, kind: &str) -> Value {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.audited.recv()).await;
            let event = next
                .unwrap_or_else(|_| panic!("no {kind} reached audit"))
                .unwrap();
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// From now on role says that `user` holds `permissions`.
    pub async fn holds(&self, user: UserId, permissions: &[&str]) {
        let access = Access {
            roles: vec!["user".to_owned()],
            permissions: permissions.iter().map(ToString::to_string).collect(),
            policy_version: 1,
            valid_until: None,
        };
        Mock::given(matchers::method("GET"))
            .and(matchers::path(format!("/internal/v1/users/{user}/access")))
            .respond_with(ResponseTemplate::new(200).set_body_json(access))
            .mount(&self.role)
            .await;
    }
}

/// Accepts every event.
struct Audit(mpsc::UnboundedSender<Value>);

impl Respond for Audit {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let events: Vec<Value> = request.body_json().unwrap();
        let accepted: Vec<_> = events.iter().map(|event| event["id"].clone()).collect();
        for event in events {
            let _ = self.0.send(event);
        }
        ResponseTemplate::new(200).set_body_json(json!({ "accepted": accepted, "parked": [] }))
    }
}

/// Returns what is left in the outbox in Redis.
fn left_in(settings: &RedisSettings) -> Vec<String> {
    let client = redis::Client::open(settings.redis.url.expose_secret()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut range = redis::cmd("XRANGE");
    range.arg(format!("{}:outbox", settings.namespace));
    range.arg("-").arg("+");
    let entries: Vec<redis::Value> = range.query(&mut connection).unwrap();
    entries.iter().map(|entry| format!("{entry:?}")).collect()
}

/// Status and code of a problem; `""` where there is none.
pub async fn outcome(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_else(|_| json!({}));
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}
