//! The service on two sockets, with an invented auth in front and an invented role behind it.

use std::{path::PathBuf, sync::LazyLock, time::Duration};
use ud_peer::LocalOperations;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use session_service::{
    SessionService,
    config::{SessionConfig, StoreConfig},
    models::redis::store::RedisSettings,
};
use tempfile::TempDir;
use testkit::{AUDIENCE, ISSUER, TestIdentities};
use tokio::sync::{mpsc, oneshot};
use ud_config::{
    AppEnv, DatabaseConfig, Durability, HttpConfig, KeyRing, PeersConfig, TokenConfig,
};
use ud_http::{Listening, Mounted, Server, ServiceBinary as _};
use ud_jwt::{AccessClaims, SigningKey, new_jti, service::ServiceVerifier};
use ud_kernel::{
    Clock, Service, SessionId, StartError, UserId,
    models::{Access, SessionGrant},
};
use ud_service::{Base, Identity};
use ud_telemetry::Metrics;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use crate::support::{Backend, START, create, redis_settings};

pub struct App {
    /// Session's operations for callers in this process.
    pub operations: LocalOperations,
    pub public: String,
    pub internal: String,
    pub clock: Clock,
    pub identities: TestIdentities,
    pub role: MockServer,
    /// What audit receives, as it comes.
    audited: mpsc::UnboundedReceiver<Value>,
    _audit: MockServer,
    http: reqwest::Client,
    key: SigningKey,
    stop: Option<oneshot::Sender<()>>,
    running: Option<actix_web::rt::task::JoinHandle<Result<(), StartError>>>,
    _folder: TempDir,
}

/// Signs access tokens.
pub const SECRET: &str = "a secret of thirty-two bytes, or more";

/// The common ground of a session service.
pub fn base(
    clock: &Clock,
    identities: &TestIdentities,
    peers: PeersConfig,
    env: AppEnv,
    metrics: &Metrics,
) -> Base {
    let tokens = TokenConfig {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        shared_secret: Some(SECRET.into()),
        jwks_url: None,
    };
    let verifier = ServiceVerifier::new(Service::Session, identities.peers(), clock.clone());
    let identity = Identity {
        signer: identities.signer(Service::Session),
        verifier: verifier.into(),
    };
    Base::new(
        Service::Session,
        env,
        identity,
        peers,
        tokens,
        clock.clone(),
        metrics,
    )
    .unwrap()
}

/// Whether a service with that store starts, in production; its exit code if not.
pub async fn try_start(store: StoreConfig) -> Result<Mounted, u8> {
    let clock = Clock::manual(START);
    let identities = TestIdentities::new(clock.clone());
    let metrics = Metrics::new("session");
    let base = base(
        &clock,
        &identities,
        PeersConfig::default(),
        AppEnv::Production,
        &metrics,
    );
    let built = SessionService::build(config(store, feed_ring()), base).await;
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
                let store = StoreConfig::Sqlite(DatabaseConfig::for_tests(&url));
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
        let role = MockServer::start().await;
        let mut peers = PeersConfig::default();
        peers.set(Service::Role, role.uri().parse().unwrap());
        let audit = MockServer::start().await;
        let (sender, audited) = mpsc::unbounded_channel();
        Mock::given(matchers::path("/internal/v1/events"))
            .respond_with(Audit(sender))
            .mount(&audit)
            .await;
        peers.set(Service::Audit, audit.uri().parse().unwrap());
        let metrics = Metrics::new("session");
        let base = base(&clock, &identities, peers, AppEnv::Development, &metrics);
        let mounted = SessionService::build(config(store, ring), base)
            .await
            .unwrap();
        let operations = LocalOperations::new(&Metrics::new("standalone"));
        mounted
            .internal
            .offer_locally(Service::Session, &operations);
        let key = SigningKey::from_secret(SECRET.as_bytes()).unwrap();
        let listening = Listening::bind(&HttpConfig::default()).unwrap();
        let public = format!("http://{}", listening.public_addr().unwrap());
        let internal = format!("http://{}", listening.internal_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(listening, vec![mounted], clock.clone(), metrics);
        let running = actix_web::rt::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let stop = Some(stop);
        Self {
            public,
            internal,
            operations,
            clock,
            identities,
            role,
            audited,
            _audit: audit,
            http,
            key,
            stop,
            running: Some(running),
            _folder: folder,
        }
    }

    /// What it tells Prometheus.
    pub async fn metrics(&self) -> String {
        let request = self.http.get(format!("{}/metrics", self.internal));
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Stops it gracefully and waits for its end.
    pub async fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(running) = self.running.take() {
            running.await.unwrap().unwrap();
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
        self.http
            .request(method, format!("{}{path}", self.public))
            .bearer_auth(token)
    }

    /// A request to the public listener without a token.
    pub fn ask_anonymously(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.public))
    }

    /// A request to the internal listener by `caller`.
    pub fn call(&self, caller: Service, method: Method, path: &str) -> RequestBuilder {
        let token = self.identities.token(caller, Service::Session);
        self.call_with(method, path, &token)
    }

    /// A request to the internal listener with any token.
    pub fn call_with(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.internal))
            .bearer_auth(token)
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

impl Drop for App {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// Status and code of a problem; `""` where there is none.
pub async fn outcome(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_else(|_| json!({}));
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}
