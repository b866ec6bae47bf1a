//! `/healthz`, `/readyz` and `/metrics`.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{HttpResponse, http::header, web};
use serde_json::{Map, Value, json};
use ud_kernel::{Code, Service};
use ud_telemetry::Metrics;

use crate::{Peers, Problem, revocation_metrics::RevocationMetrics};

/// A check has this long.
const CHECK_DEADLINE: Duration = Duration::from_secs(2);

/// The outcome of one check: what is wrong, in words without secrets.
pub type CheckFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Asks one of a service's own stores whether it works.
pub type Check = Arc<dyn Fn() -> CheckFuture + Send + Sync>;

/// What a service's readiness hangs on.
#[derive(Clone)]
pub struct Readiness {
    service: Service,
    stores: Vec<(&'static str, Check)>,
    peers: Peers,
}

impl Readiness {
    /// Ready when every store is; other services are told of, but never decide (else the five wait for each
    /// other in a ring).
    #[must_use]
    pub const fn new(service: Service, stores: Vec<(&'static str, Check)>, peers: Peers) -> Self {
        Self {
            service,
            stores,
            peers,
        }
    }

    async fn report(&self, revocation: &str) -> (bool, Value) {
        let mut ready = true;
        let mut stores = Map::new();
        for (name, check) in &self.stores {
            let outcome = tokio::time::timeout(CHECK_DEADLINE, check()).await;
            let text = match outcome {
                Ok(Ok(())) => "up".to_owned(),
                Ok(Err(reason)) => format!("down: {reason}"),
                Err(_) => "down: no answer".to_owned(),
            };
            ready &= text == "up";
            stores.insert((*name).to_owned(), Value::String(text));
        }
        let peers: Map<String, Value> = self.peers.health().await.into_iter().collect();
        let body = json!({"service": self.service, "ready": ready, "stores": stores, "services": peers,
                "revocation": revocation});
        (ready, body)
    }
}

/// State behind the three routes of one listener.
pub(crate) struct Health {
    pub(crate) readiness: Vec<(Readiness, RevocationMetrics)>,
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) metrics: Metrics,
}

pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// With detail, on the internal listener.
pub(crate) async fn readyz(health: web::Data<Health>) -> HttpResponse {
    let (ready, services) = report(&health).await;
    let stopping = health.stopping.load(Ordering::Relaxed);
    let mut answer = if ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    if !ready {
        answer
            .insert_header((header::RETRY_AFTER, 1))
            .content_type(crate::PROBLEM_JSON);
    }
    let (code, status) = (Code::ServerStoreUnavailable, if ready { 200 } else { 503 });
    let mut body = json!({"ready": ready, "stopping": stopping, "checks": services});
    if let (false, Value::Object(members)) = (ready, &mut body) {
        members.insert("status".to_owned(), json!(status));
        members.insert("code".to_owned(), json!(code.as_str()));
        members.insert("title".to_owned(), json!(code.title()));
    }
    answer.json(body)
}

/// Without detail, on standalone's public listener.
pub(crate) async fn readyz_brief(health: web::Data<Health>) -> Result<HttpResponse, Problem> {
    if report(&health).await.0 {
        Ok(HttpResponse::Ok().json(json!({"ready": true})))
    } else {
        Err(Problem::new(Code::ServerStoreUnavailable))
    }
}

async fn report(health: &Health) -> (bool, Vec<Value>) {
    let mut ready = !health.stopping.load(Ordering::Relaxed);
    let mut bodies = Vec::new();
    for (readiness, revocation) in &health.readiness {
        let (up, body) = readiness.report(revocation.state()).await;
        ready &= up;
        bodies.push(body);
    }
    (ready, bodies)
}

pub(crate) async fn metrics(health: web::Data<Health>) -> HttpResponse {
    for (_, revocation) in &health.readiness {
        revocation.update();
    }
    HttpResponse::Ok()
        .content_type(Metrics::CONTENT_TYPE)
        .body(health.metrics.render())
}
