//! Auth on two sockets and a database of its own.

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
    time::Duration,
};

use auth_service::{
    ALL_MIGRATIONS, AuthConfig, AuthLimits, AuthService, AuthState,
    models::{
        password::hash_pool::HashPoolSize, token::introspection_clients::IntrospectionClients,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{
    Backend, Gates, TestDatabase, TestIdentities, new_key_ring,
    service::{Receiver, Served, Surroundings},
};
use ud_config::{
    Algorithm, BreachedPasswords, HttpConfig, Limit, PasswordConfig, PeersConfig, SealingConfig,
    SigningConfig, TokenConfig,
};
use ud_db::Db;
use ud_events::Event;
use ud_kernel::{Clock, Service, Timestamp, UserId};
use ud_telemetry::Metrics;
use wiremock::MockServer;

use crate::peers::{PeerServers, Peers};

/// When tests begin: 2027-01-15.
pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);
/// Good enough for the policy.
pub const PASSWORD: &str = "tr4vel quilt zebra 9";
pub const OTHER_PASSWORD: &str = "m00nlit anvil orchard 5";

pub struct World {
    served: Served,
    pub clock: Clock,
    pub gates: Gates,
    pub identities: TestIdentities,
    pub peers: Peers,
    /// Takes what is told to others than session and role.
    receiver: Receiver,
    pub db: Db,
    config: AuthConfig,
    around: Surroundings,
    _database: TestDatabase,
    _servers: (PeerServers, MockServer),
    _folder: TempDir,
}

pub fn limit(count: u32, seconds: u64) -> Limit {
    Limit {
        count,
        per: Duration::from_secs(seconds),
    }
}

pub fn config(database: &TestDatabase, keys_dir: PathBuf) -> AuthConfig {
    AuthConfig {
        database: testkit::database_config(&database.url),
        signing: SigningConfig {
            algorithm: Algorithm::EdDsa,
            access_ttl: Duration::from_secs(900),
            key_rotation: None,
            refresh_tokens: Some(new_key_ring("r1").parse().unwrap()),
        },
        password: PasswordConfig {
            min_length: 15,
            bcrypt_cost: 4,
            breached: BreachedPasswords::Off,
        },
        redis: None,
        limits: AuthLimits {
            operations: testkit::no_limits(),
            throttle: crate::attempts::throttle_limits(),
        },
        introspection_clients: IntrospectionClients::default(),
        // Busy machines are not what these tests are about.
        hash_pool: HashPoolSize {
            threads: 2,
            memory: 256 * 1024 * 1024,
            queue: 1000,
            max_wait: Duration::from_secs(60),
        },
        min_response_time: None,
        sealing: SealingConfig {
            keys_dir,
            ..testkit::sealing()
        },
    }
}

impl World {
    pub async fn start(backend: Backend) -> Self {
        Self::start_with(backend, |_, _| {}).await
    }

    pub async fn start_with(
        backend: Backend,
        change: impl FnOnce(&mut AuthConfig, &mut TokenConfig),
    ) -> Self {
        // The client's address is what a test says it is.
        Self::start_behind(&["127.0.0.0/8"], backend, change).await
    }

    /// With these proxies trusted.
    pub async fn start_behind(
        proxies: &[&str],
        backend: Backend,
        change: impl FnOnce(&mut AuthConfig, &mut TokenConfig),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::create(backend);
        let mut config = config(&database, folder.path().join("keys"));
        let mut tokens = testkit::service::tokens();
        change(&mut config, &mut tokens);
        let clock = Clock::manual(START);
        let (peers, servers) = Peers::start().await;
        let (receiver, audit) = Receiver::start().await;
        let mut around = Surroundings::new(Service::Auth, &clock);
        around.tokens = tokens;
        around.put(Service::Role, &servers.role.uri());
        around.put(Service::Session, &servers.session.uri());
        around.put_others(&audit.uri());
        let http = HttpConfig {
            trusted_proxies: proxies.iter().map(|p| p.parse().unwrap()).collect(),
            ..HttpConfig::default()
        };
        let base = around.base();
        let mut served =
            Served::start_at::<AuthService>(&around, base, config.clone(), &http).await;
        let db = Db::open(&config.database, Service::Auth).unwrap();
        served.delivers_all_of(&db);
        Self {
            served,
            clock,
            gates: around.gates.clone(),
            identities: around.identities.clone(),
            peers,
            receiver,
            db,
            config,
            around,
            _database: database,
            _servers: (servers, audit),
            _folder: folder,
        }
    }

    /// The state of another process on the same database, such as a subcommand is.
    pub fn other_process(&self) -> AuthState {
        self.other_process_with(|_| {})
    }

    /// The same, with another configuration.
    pub fn other_process_with(&self, change: impl FnOnce(&mut AuthConfig)) -> AuthState {
        let mut config = self.config.clone();
        change(&mut config);
        let alone = Surroundings {
            peers: PeersConfig::default(),
            tokens: testkit::service::tokens(),
            metrics: Metrics::new("auth"),
            ..self.around.clone()
        };
        AuthState::new(&config, &alone.base(), self.db.clone()).unwrap()
    }

    /// A request to the public listener.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.served.request(method, path)
    }

    /// `POST` of JSON to the public listener.
    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.ask(Method::POST, path).json(body)
    }

    /// A new user's id.
    pub fn new_user(&self) -> UserId {
        UserId::new(self.clock.now())
    }

    /// Puts a credential.
    pub async fn put(&self, user: UserId, body: &Value) -> Response {
        let path = format!("/internal/v1/credentials/{user}");
        self.call(Service::Profile, Method::PUT, &path)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    /// A user with [`PASSWORD`].
    pub async fn register(&self, email: &str) -> UserId {
        let user = self.new_user();
        let answer = self.put(user, &registration(email, None, PASSWORD)).await;
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        user
    }

    /// Tries to log in.
    pub async fn try_login(&self, identifier: &str, password: &str) -> (u16, Value) {
        let body = json!({"identifier": identifier, "password": password});
        read(self.post("/api/v1/auth/login", &body)).await
    }

    /// Logs in.
    pub async fn login(&self, identifier: &str, password: &str) -> Value {
        let (status, body) = self.try_login(identifier, password).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Tries to refresh.
    pub async fn refresh(&self, token: &Value) -> (u16, Value) {
        read(self.post("/api/v1/auth/refresh", &json!({"refresh_token": token}))).await
    }

    /// A change of password by the session of `tokens`.
    pub fn change_password(&self, tokens: &Value, current: &str, new: &str) -> RequestBuilder {
        let body = json!({
            "current_password": current,
            "new_password": new,
            "refresh_token": tokens["refresh_token"],
        });
        self.post("/api/v1/auth/password/change", &body)
            .bearer_auth(text(&tokens["access_token"]))
    }

    /// The password again, in the session of `tokens`.
    pub fn reauthenticate(&self, tokens: &Value, password: &str) -> RequestBuilder {
        let body = json!({"password": password, "refresh_token": tokens["refresh_token"]});
        self.post("/api/v1/auth/reauthenticate", &body)
            .bearer_auth(text(&tokens["access_token"]))
    }

    /// Status of `GET validate` for an access token.
    pub async fn validate(&self, token: &Value) -> u16 {
        let request = self
            .ask(Method::GET, "/api/v1/auth/validate")
            .bearer_auth(text(token));
        request.send().await.unwrap().status().as_u16()
    }

    /// All events, oldest first.
    pub async fn events(&self) -> Vec<Event> {
        self.receiver.all(&self.db).await
    }

    /// Names of the events about `user`, in their order.
    pub async fn events_about(&self, user: UserId) -> Vec<String> {
        let mut events = self.events().await;
        events.retain(|e| e.subject == *user.as_uuid());
        events.sort_by_key(|e| e.sequence);
        events.iter().map(|e| e.kind.to_string()).collect()
    }

    /// Waits until `done` gives something; a test that waits for ever has failed.
    pub async fn until<T>(&self, done: impl AsyncFn() -> Option<T>) -> T {
        let waiting = async {
            loop {
                if let Some(found) = done().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting)
            .await
            .expect("it happens in time")
    }

    /// How many passwords were compared with a hash so far.
    pub async fn hashes(&self) -> u64 {
        let done = "job=\"verify\",outcome=\"done\"";
        self.metric("password_jobs_total", done).await
    }

    /// The sum of a counter over all lines with these labels.
    pub async fn metric(&self, name: &str, labels: &str) -> u64 {
        let metrics = self.served.metrics().await;
        metrics
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(labels))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    /// How many migrations are not applied.
    pub async fn pending(&self) -> usize {
        self.db.pending(&ALL_MIGRATIONS).await.unwrap().len()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.peers.with(|peers| peers.deaf) {
            self.served.leaves_events();
        }
    }
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

pub fn registration(email: &str, username: Option<&str>, password: &str) -> Value {
    let mut body = json!({
        "email": email,
        "password": password,
        "origin": {"request_id": "r-1", "ip": "192.0.2.7"},
    });
    if let Some(username) = username {
        body["username"] = username.into();
    }
    body
}

/// Status and body of the answer; null where there is no JSON.
pub async fn read(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

/// Status and code of a problem.
pub async fn outcome(request: RequestBuilder) -> (u16, String) {
    let (status, body) = read(request).await;
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

/// Claim `auth_time` of the access token in `tokens`, which is not verified.
pub fn auth_time(tokens: &Value) -> i64 {
    let payload = text(&tokens["access_token"]).split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["auth_time"].as_i64().unwrap()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
