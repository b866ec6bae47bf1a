//! The service on two real sockets, and its clients.

use std::{net::SocketAddr, sync::Arc};

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use testkit::{AUDIENCE, ISSUER, TestDatabase, TestIdentities, TestIssuer};
use tokio::sync::oneshot;
use ud_config::{AppEnv, DatabaseConfig, HttpConfig, PeersConfig, TokenConfig};
use ud_db::Db;
use ud_events::{BATCH_CONTENT_TYPE, EVENTS_PATH};
use ud_http::{Listening, Server, ServiceBinary as _};
use ud_jwt::{revocation::SessionChecker, service::ServiceVerifier};
use ud_kernel::{Clock, Service, UserId};
use ud_service::{Base, Identity};
use ud_telemetry::Metrics;
use user_audit_service::{AuditService, config::AuditConfig, models::record_store::Record};

use crate::world::{START, open, user, whole_log};

pub const AUDITS: &str = "/api/v1/audits";

pub struct Running {
    pub public: SocketAddr,
    pub internal: SocketAddr,
    pub http: reqwest::Client,
    pub issuer: TestIssuer,
    pub identities: TestIdentities,
    pub clock: Clock,
    /// To look at the log from beside the service.
    pub db: Db,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    pub database: TestDatabase,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    /// On a fresh database.
    pub fn start(database: TestDatabase) -> Self {
        let url = database.url.clone();
        Self::start_on(database, &url)
    }

    /// On a fresh database of each kind.
    pub fn each() -> impl Iterator<Item = Self> {
        testkit::databases().map(Self::start)
    }

    /// With `url` for the service's way to `database`.
    pub fn start_on(database: TestDatabase, url: &str) -> Self {
        let clock = Clock::manual(START);
        let issuer = TestIssuer::new(clock.clone());
        let identities = TestIdentities::new(clock.clone());
        let metrics = Metrics::new("audit");
        let verifier = ServiceVerifier::new(Service::Audit, identities.peers(), clock.clone());
        let identity = Identity {
            signer: identities.signer(Service::Audit),
            verifier: Arc::new(verifier),
        };
        let tokens = TokenConfig {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            shared_secret: None,
            jwks_url: None,
        };
        let base = Base::new(
            Service::Audit,
            AppEnv::Development,
            identity,
            PeersConfig::default(),
            tokens,
            clock.clone(),
            &metrics,
        )
        .unwrap();
        let guard = base.guard_with(issuer.key_source(), SessionChecker::unchecked());
        let base = base.with_guard(&guard);
        let listening = Listening::bind(&HttpConfig::default()).unwrap();
        let (public, internal) = (
            listening.public_addr().unwrap(),
            listening.internal_addr().unwrap(),
        );
        let config = AuditConfig {
            database: DatabaseConfig::for_tests(url),
            sealing: testkit::sealing(),
            limits: testkit::no_limits(),
        };
        let (stop, stopped) = oneshot::channel();
        let server_clock = clock.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let mounted = AuditService::build(config, base).await.unwrap();
                let server = Server::new(listening, vec![mounted], server_clock, metrics);
                server.run(async { drop(stopped.await) }).await.unwrap();
            });
        });
        Self {
            public,
            internal,
            http: reqwest::Client::new(),
            issuer,
            identities,
            clock,
            db: open(&database.url),
            stop: Some(stop),
            thread: Some(thread),
            database,
        }
    }

    /// Stops it gracefully and waits for its end.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }

    pub fn token(&self, user: UserId, permissions: &[&str]) -> String {
        self.issuer.token(user, permissions, &[])
    }

    /// A user who may write, and their token.
    pub fn writer(&self) -> (UserId, String) {
        let user = user();
        (user, self.token(user, &["audits:write"]))
    }

    /// A token that may read everything.
    pub fn reader(&self) -> String {
        self.issuer.token_of_stranger(&["audits:read"])
    }

    pub fn call(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("http://{}{path}", self.public));
        if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        Answer::of(self.call(Method::GET, path, token)).await
    }

    pub async fn post(&self, token: &str, body: &Value) -> Answer {
        Answer::of(self.call(Method::POST, AUDITS, token).json(body)).await
    }

    /// With an `Idempotency-Key`.
    pub async fn post_with_key(&self, token: &str, body: &Value, key: &str) -> Answer {
        let request = self.call(Method::POST, AUDITS, token).json(body);
        Answer::of(request.header("idempotency-key", key)).await
    }

    /// Sends a batch to the internal listener.
    pub async fn send(&self, token: &str, batch: impl std::fmt::Display) -> Answer {
        let request = self
            .http
            .post(format!("http://{}{EVENTS_PATH}", self.internal));
        let request = request
            .bearer_auth(token)
            .header("content-type", BATCH_CONTENT_TYPE)
            .body(batch.to_string());
        Answer::of(request).await
    }

    pub async fn log(&self) -> Vec<Record> {
        whole_log(&self.db).await
    }

    /// The records of `action`, as soon as `enough` says they are all there.
    pub async fn log_of(&self, action: &str, enough: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        let found = async {
            loop {
                let mut log = self.log().await;
                log.retain(|r| r.action == action);
                if enough(&log) {
                    return log;
                }
                tokio::task::yield_now().await;
            }
        };
        let patience = std::time::Duration::from_secs(30);
        tokio::time::timeout(patience, found)
            .await
            .unwrap_or_else(|_| panic!("{action} is not in the log"))
    }
}

/// A body that is taken.
pub fn body() -> Value {
    json!({
        "action": "order_placed",
        "target_type": "order",
        "target_id": "o-1",
        "outcome": "success",
    })
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        Self::read(request.send().await.unwrap()).await
    }

    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            status,
            headers,
            body,
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Asserts that this is the problem `code`, whole as docs/ARCHITECTURE.md has it.
    #[track_caller]
    pub fn is(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, &self.body["code"]),
            (status, &json!(code)),
            "{:?}",
            self.body
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(
            self.body["type"],
            format!("urn:user-domain:problem:{code}").as_str()
        );
        for member in ["title", "instance", "request_id"] {
            assert!(self.body[member].is_string(), "{member}");
        }
    }

    /// Ids of a page.
    pub fn ids(&self) -> Vec<&str> {
        let items = self.body["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["id"].as_str().unwrap())
            .collect()
    }
}
