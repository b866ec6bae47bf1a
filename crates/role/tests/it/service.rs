//! The whole service on its sockets, with stand-ins for auth and session.

use reqwest::{Method, RequestBuilder};
use role_service::RoleService;
use serde_json::{Value, json};
pub use testkit::service::Answer;
use testkit::{
    Backend,
    service::{Receiver, Served, Surroundings},
};
use ud_jwt::{KeySet, KeySource, SigningKey, Verifier, revocation::SessionChecker};
use ud_kernel::{Service, UserId};
use ud_service::TokenGuard;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path_regex},
};

use crate::support::{Fixture, config};

pub struct App {
    pub served: Served,
    pub f: Fixture,
    pub auth: MockServer,
    pub session: MockServer,
    around: Surroundings,
    _audit: MockServer,
}

impl App {
    /// With an administrator; auth knows every user, session takes every not-before.
    pub async fn start(backend: Backend) -> Self {
        Self::start_beside(backend, Vec::new()).await
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
        let audit = MockServer::start().await;
        f.receiver.mount(&audit).await;
        let (auth, session) = (MockServer::start().await, MockServer::start().await);
        Mock::given(method("GET"))
            .and(path_regex("^/internal/v1/credentials/"))
            .respond_with(|request: &wiremock::Request| {
                let user = request.url.path().rsplit('/').next().unwrap();
                ResponseTemplate::new(200).set_body_json(credential(user, "active"))
            })
            .mount(&auth)
            .await;
        take_not_before(&session, &f.receiver).await;
        let mut around = Surroundings::new(Service::Role, &f.clock);
        around.put(Service::Auth, &auth.uri());
        around.put(Service::Session, &session.uri());
        around.put(Service::Audit, &audit.uri());
        let keys = KeySet::from_signing_keys(keys.iter().chain([around.issuer.key()])).unwrap();
        let verifier = Verifier::new(
            testkit::ISSUER,
            testkit::AUDIENCE,
            KeySource::fixed(keys),
            f.clock.clone(),
        );
        let guard = TokenGuard::new(verifier, SessionChecker::unchecked());
        let base = around.base().with_guard(&guard);
        let mut served = Served::start::<RoleService>(&around, base, config(url)).await;
        served.delivers_all_of(&f.db);
        Self {
            served,
            f,
            auth,
            session,
            around,
            _audit: audit,
        }
    }

    /// Stops as SIGTERM does. What was stored remains.
    pub async fn stop(self) -> Fixture {
        let Self { served, f, .. } = self;
        drop(served);
        f
    }

    /// A request as `user`, whose token says what role says of them now.
    pub async fn request_as(&self, user: UserId, verb: Method, path: &str) -> RequestBuilder {
        let access = self.f.access(user).await;
        let permissions: Vec<&str> = access.permissions.iter().map(String::as_str).collect();
        let roles: Vec<&str> = access.roles.iter().map(String::as_str).collect();
        let token = self.around.issuer.token(user, &permissions, &roles);
        self.anonymous(verb, path).bearer_auth(token)
    }

    pub fn anonymous(&self, verb: Method, path: &str) -> RequestBuilder {
        self.served.request(verb, path)
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
            .bearer_auth(self.around.issuer.token(user, permissions, &[]))
    }

    /// A request to the internal listener by `caller`.
    pub fn internal_as(&self, caller: Service, verb: Method, path: &str) -> RequestBuilder {
        self.served.call(caller, verb, path)
    }

    pub async fn get(&self, user: UserId, path: &str) -> Answer {
        Answer::of(self.request_as(user, Method::GET, path).await).await
    }

    pub async fn delete(&self, user: UserId, path: &str) -> Answer {
        Answer::of(self.request_as(user, Method::DELETE, path).await).await
    }

    pub async fn post(&self, user: UserId, path: &str, body: Value) -> Answer {
        Answer::of(self.request_as(user, Method::POST, path).await.json(&body)).await
    }

    pub async fn patch(&self, user: UserId, path: &str, body: Value) -> Answer {
        Answer::of(self.request_as(user, Method::PATCH, path).await.json(&body)).await
    }
}

/// Session takes every not-before, and every event.
pub async fn take_not_before(session: &MockServer, receiver: &Receiver) {
    Mock::given(method("POST"))
        .and(path_regex("^/internal/v1/not-before$"))
        .respond_with(ResponseTemplate::new(204))
        .mount(session)
        .await;
    receiver.mount(session).await;
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
