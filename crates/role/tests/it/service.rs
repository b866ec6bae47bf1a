//! The whole service on its sockets, with stand-ins for auth and session.

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use role_service::RoleService;
use serde_json::{Value, json};
use testkit::{AUDIENCE, Backend, ISSUER, TestIdentities, TestIssuer};
use tokio::{sync::oneshot, task::JoinHandle};
use ud_config::{AppEnv, HttpConfig, PeersConfig, TokenConfig};
use ud_http::{Listening, Server, ServiceBinary as _};
use ud_jwt::{
    KeySet, KeySource, SigningKey, Verifier, revocation::SessionChecker, service::IdentityKey,
};
use ud_kernel::{Service, StartError, UserId};
use ud_service::{Base, Identity, TokenGuard};
use ud_telemetry::Metrics;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path_regex},
};

use crate::support::{Fixture, config};

pub struct App {
    pub f: Fixture,
    pub auth: MockServer,
    pub session: MockServer,
    pub public: String,
    pub internal: String,
    issuer: TestIssuer,
    identities: TestIdentities,
    client: Client,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), StartError>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        Self {
            status,
            headers,
            body,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and `code`, after looking whether it is a problem document at all.
    #[track_caller]
    pub fn problem(&self) -> (u16, &str) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        assert!(self.body["request_id"].is_string(), "{self:?}");
        (self.status.as_u16(), self.body["code"].as_str().unwrap())
    }

    /// Pointers of the wrong members.
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        errors
            .iter()
            .map(|e| e["pointer"].as_str().unwrap())
            .collect()
    }
}

impl App {
    /// With an administrator; auth knows every user, session takes every mark.
    pub async fn start(backend: Backend) -> Self {
        let f = Fixture::new(backend).await;
        let url = f.database.url.clone();
        Self::start_on(f, &url).await
    }

    /// The same, with `keys` published beside the issuer's own.
    pub async fn start_beside(backend: Backend, keys: Vec<SigningKey>) -> Self {
        let f = Fixture::new(backend).await;
        let url = f.database.url.clone();
        Self::start_publishing(f, &url, keys).await
    }

    /// The same, with the service reaching its database by `url`.
    pub async fn start_on(f: Fixture, url: &str) -> Self {
        Self::start_publishing(f, url, Vec::new()).await
    }

    async fn start_publishing(f: Fixture, url: &str, keys: Vec<SigningKey>) -> Self {
        let (auth, session) = (MockServer::start().await, MockServer::start().await);
        Mock::given(method("GET"))
            .and(path_regex("^/internal/v1/credentials/"))
            .respond_with(|request: &wiremock::Request| {
                let user = request.url.path().rsplit('/').next().unwrap();
                ResponseTemplate::new(200).set_body_json(credential(user, "active"))
            })
            .mount(&auth)
            .await;
        Mock::given(method("POST"))
            .and(path_regex("^/internal/v1/marks$"))
            .respond_with(ResponseTemplate::new(204))
            .mount(&session)
            .await;

        let identities = TestIdentities::new(f.clock.clone());
        let issuer = TestIssuer::new(f.clock.clone());
        let folder = tempfile::tempdir().unwrap();
        identities.write_to(folder.path());
        let key = std::fs::read(TestIdentities::key_file(folder.path(), Service::Role)).unwrap();
        let key = IdentityKey::from_private_jwk(Service::Role, &key).unwrap();
        let identity = Identity::new(key, identities.peers(), &f.clock).unwrap();
        let mut peers = PeersConfig::default();
        peers.set(Service::Auth, auth.uri().parse().unwrap());
        peers.set(Service::Session, session.uri().parse().unwrap());
        let tokens = TokenConfig {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            shared_secret: None,
            jwks_url: None,
        };
        let metrics = Metrics::new("role");
        let base = Base::new(
            Service::Role,
            AppEnv::Development,
            identity,
            peers,
            tokens,
            f.clock.clone(),
            &metrics,
        )
        .unwrap();
        let keys = KeySet::from_signing_keys(keys.iter().chain([issuer.key()])).unwrap();
        let keys = KeySource::fixed(keys);
        let verifier = Verifier::new(ISSUER, AUDIENCE, keys, f.clock.clone());
        let guard = TokenGuard::new(verifier, SessionChecker::unchecked());
        let base = base.with_guard(&guard);
        let mounted = RoleService::build(config(url), base).await.unwrap();
        let listening = Listening::bind(&HttpConfig::default()).unwrap();
        let public = format!("http://{}", listening.public_addr().unwrap());
        let internal = format!("http://{}", listening.internal_addr().unwrap());
        let server = Server::new(listening, vec![mounted], f.clock.clone(), metrics);
        let (stop, stopped) = oneshot::channel();
        let server = actix_web::rt::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        Self {
            f,
            auth,
            session,
            public,
            internal,
            issuer,
            identities,
            client: Client::builder().no_proxy().build().unwrap(),
            stop,
            server,
        }
    }

    /// A request as `user`, whose token says what role says of them now.
    pub async fn request_as(&self, user: UserId, verb: Method, path: &str) -> RequestBuilder {
        let access = self.f.access(user).await;
        let texts = |all: &[String]| all.to_vec();
        let (permissions, roles) = (texts(&access.permissions), texts(&access.roles));
        let permissions: Vec<&str> = permissions.iter().map(String::as_str).collect();
        let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
        self.anonymous(verb, path)
            .bearer_auth(self.issuer.token(user, &permissions, &roles))
    }

    pub fn anonymous(&self, verb: Method, path: &str) -> RequestBuilder {
        self.client.request(verb, format!("{}{path}", self.public))
    }

    /// A request with a token that carries `permissions`, whatever role thinks.
    pub fn with_token(
        &self,
        user: UserId,
        permissions: &[&str],
        verb: Method,
        path: &str,
    ) -> RequestBuilder {
        self.anonymous(verb, path)
            .bearer_auth(self.issuer.token(user, permissions, &[]))
    }

    /// A request to the internal listener by `caller`.
    pub fn internal_as(&self, caller: Service, verb: Method, path: &str) -> RequestBuilder {
        let token = self.identities.token(caller, Service::Role);
        self.client
            .request(verb, format!("{}{path}", self.internal))
            .bearer_auth(token)
    }

    pub async fn get(&self, user: UserId, path: &str) -> Answer {
        send(self.request_as(user, Method::GET, path).await).await
    }

    pub async fn delete(&self, user: UserId, path: &str) -> Answer {
        send(self.request_as(user, Method::DELETE, path).await).await
    }

    pub async fn post(&self, user: UserId, path: &str, body: Value) -> Answer {
        send(self.request_as(user, Method::POST, path).await.json(&body)).await
    }

    pub async fn patch(&self, user: UserId, path: &str, body: Value) -> Answer {
        send(self.request_as(user, Method::PATCH, path).await.json(&body)).await
    }

    /// Stops as SIGTERM does. What was stored remains.
    pub async fn stop(self) -> Fixture {
        self.stop.send(()).unwrap();
        self.server.await.unwrap().unwrap();
        self.f
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

pub fn credential(user: &str, status: &str) -> Value {
    json!({
        "user_id": user,
        "email": "a@example.org",
        "username": null,
        "status": status,
        "epoch": 1,
        "created_at": "2026-01-01T00:00:00.000Z",
    })
}
