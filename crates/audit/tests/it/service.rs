//! The service on two real sockets, and its clients.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
pub use testkit::service::Answer;
use testkit::{
    Backend, TestDatabase, TestIdentities, TestIssuer,
    service::{Served, Surroundings},
};
use ud_db::Db;
use ud_events::{BATCH_CONTENT_TYPE, EVENTS_PATH};
use ud_kernel::{Clock, Service, UserId};
use user_audit_service::{AuditConfig, AuditService, models::record_store::Record};

use crate::world::{START, open, user, whole_log};

pub const AUDITS: &str = "/api/v1/audits";

pub struct Running {
    served: Served,
    pub issuer: Arc<TestIssuer>,
    pub identities: TestIdentities,
    pub clock: Clock,
    /// To look at the log from beside the service.
    pub db: Db,
    pub database: TestDatabase,
}

impl Deref for Running {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Served {
        &mut self.served
    }
}

impl Running {
    /// Starts it on a fresh database of that kind.
    pub async fn on(backend: Backend) -> Self {
        Self::start(TestDatabase::create(backend)).await
    }

    /// Starts it on a fresh database.
    pub async fn start(database: TestDatabase) -> Self {
        let url = database.url.clone();
        Self::start_on(database, &url).await
    }

    /// With `url` for the service's way to `database`.
    pub async fn start_on(database: TestDatabase, url: &str) -> Self {
        let clock = Clock::manual(START);
        let around = Surroundings::new(Service::Audit, &clock);
        let config = AuditConfig {
            database: testkit::database_config(url),
            sealing: testkit::sealing(),
            limits: testkit::no_limits(),
        };
        // It has no outbox: its events are in its own log.
        let served = Served::start::<AuditService>(&around, around.guarded(), config).await;
        Self {
            served,
            issuer: around.issuer,
            identities: around.identities,
            clock,
            db: open(&database.url),
            database,
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
        let request = self.request(method, path);
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
        let request = self.internal_request(Method::POST, EVENTS_PATH);
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
