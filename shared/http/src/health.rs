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
use tokio::{sync::Mutex, time::Instant};
use ud_kernel::{Code, Service};
use ud_telemetry::Metrics;

use crate::{Peers, Problem, revocation_metrics::RevocationMetrics};

/// A check has this long.
const CHECK_DEADLINE: Duration = Duration::from_secs(2);

/// For this long an answer about readiness is given again to those who ask in public.
const RECENT: Duration = Duration::from_secs(1);

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
    recent: Arc<Recent>,
}

/// An answer and when it was given.
#[derive(Default)]
struct Recent(Mutex<Option<(Instant, bool)>>);

impl Recent {
    /// The answer of at most [`RECENT`] ago, or else that of `ask`. Whoever comes meanwhile waits for it.
    async fn or_else(&self, ask: impl Future<Output = bool>) -> bool {
        let mut known = self.0.lock().await;
        match *known {
            Some((at, answer)) if at.elapsed() < RECENT => answer,
            _ => {
                let answer = ask.await;
                *known = Some((Instant::now(), answer));
                answer
            }
        }
    }
}

impl Readiness {
    /// Ready when every store is; other services are told of, but never decide (else the five wait for each
    /// other in a ring).
    #[must_use]
    pub fn new(service: Service, stores: Vec<(&'static str, Check)>, peers: Peers) -> Self {
        Self {
            service,
            stores,
            peers,
            recent: Arc::default(),
        }
    }

    /// Whether the stores were up at most [`RECENT`] ago: however many ask at once, each store is asked once.
    async fn was_ready(&self) -> bool {
        self.recent
            .or_else(async { self.ask_stores().await.0 })
            .await
    }

    async fn ask_stores(&self) -> (bool, Map<String, Value>) {
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
        (ready, stores)
    }

    async fn report(&self, revocation: &str) -> (bool, Value) {
        let (ready, stores) = self.ask_stores().await;
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

/// Without detail, on standalone's public listener, where everybody may ask: no other service is asked, and no store
/// more than once in [`RECENT`].
pub(crate) async fn readyz_brief(health: web::Data<Health>) -> Result<HttpResponse, Problem> {
    let mut ready = !health.stopping.load(Ordering::Relaxed);
    for (readiness, _) in &health.readiness {
        ready &= readiness.was_ready().await;
    }
    if ready {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_a_store_is_asked_once_a_second() {
        let (recent, asked) = (Recent::default(), AtomicU32::new(0));
        let ask = async || {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            asked.load(Ordering::Relaxed) != 2
        };
        let all = futures_util::future::join_all((0..50).map(|_| recent.or_else(ask()))).await;
        assert!(all.iter().all(|ready| *ready));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        for (later, ready) in [(1_001, false), (500, false), (501, true)] {
            tokio::time::sleep(Duration::from_millis(later)).await;
            assert_eq!(recent.or_else(ask()).await, ready, "{later} ms later");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }
}
