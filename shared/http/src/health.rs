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
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tokio::{sync::Mutex, time::Instant};
use ud_kernel::{Code, Service};
use ud_peer::Peers;
use ud_telemetry::Metrics;

use crate::{Problem, revocation_metrics::RevocationMetrics};

/// A check has this long.
const CHECK_DEADLINE: Duration = Duration::from_secs(2);

/// What was found is told for this long, to however many ask: stores and services are asked no more often than that.
const FRESH: Duration = Duration::from_secs(1);

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
    /// Ready when every store is; other services are told of, but never decide (else they wait for each
    /// other in a ring).
    #[must_use]
    pub const fn new(service: Service, stores: Vec<(&'static str, Check)>, peers: Peers) -> Self {
        Self {
            service,
            stores,
            peers,
        }
    }

    /// Returns whether every store is up now; asked before the server runs.
    pub async fn is_up(&self) -> bool {
        self.stores().await.0
    }

    /// Returns whether the stores are up, and what was found of each.
    async fn stores(&self) -> (bool, Map<String, Value>) {
        let checks = self.stores.iter().map(|(name, check)| async move {
            let outcome = tokio::time::timeout(CHECK_DEADLINE, check()).await;
            let text = match outcome {
                Ok(Ok(())) => "up".to_owned(),
                Ok(Err(reason)) => format!("down: {reason}"),
                Err(_) => "down: no answer".to_owned(),
            };
            ((*name).to_owned(), text)
        });
        let found = join_all(checks).await;
        let ready = found.iter().all(|(_, text)| text == "up");
        let texts = found
            .into_iter()
            .map(|(name, text)| (name, Value::String(text)));
        (ready, texts.collect())
    }
}

/// State behind the three routes of one listener.
pub(crate) struct Health {
    services: Vec<(Readiness, RevocationMetrics)>,
    stopping: Arc<AtomicBool>,
    metrics: Metrics,
    stores: Shared<Vec<(bool, Map<String, Value>)>>,
    peers: Shared<Vec<Map<String, Value>>>,
}

/// What is found out once for all who ask within [`FRESH`].
struct Shared<T>(Mutex<Option<(Instant, T)>>);

impl<T: Clone> Shared<T> {
    /// Returns what was found, by `find` if that is too long ago. Who comes meanwhile waits for the same.
    async fn get(&self, find: impl Future<Output = T>) -> T {
        let mut found = self.0.lock().await;
        if let Some((at, value)) = &*found
            && at.elapsed() < FRESH
        {
            return value.clone();
        }
        // The checks have a deadline of their own: whoever asks first may not wait for an answer at all.
        let value = ud_telemetry::without_deadline(find).await;
        *found = Some((Instant::now(), value.clone()));
        value
    }
}

impl Health {
    pub(crate) fn new(
        services: impl Iterator<Item = (Readiness, RevocationMetrics)>,
        stopping: Arc<AtomicBool>,
        metrics: Metrics,
    ) -> Self {
        Self {
            services: services.collect(),
            stopping,
            metrics,
            stores: Shared(Mutex::new(None)),
            peers: Shared(Mutex::new(None)),
        }
    }

    /// Of each service, whether its stores are up.
    async fn stores(&self) -> Vec<(bool, Map<String, Value>)> {
        let all = join_all(self.services.iter().map(|(service, _)| service.stores()));
        self.stores.get(all).await
    }

    /// Of each service, what it finds of the others.
    async fn peers(&self) -> Vec<Map<String, Value>> {
        let all = join_all(self.services.iter().map(|(service, _)| async {
            let found = service.peers.health().await.into_iter();
            found
                .map(|(name, state)| (name, Value::String(state)))
                .collect()
        }));
        self.peers.get(all).await
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// With detail, on the internal listener.
pub(crate) async fn readyz(health: web::Data<Health>) -> HttpResponse {
    let (stores, peers) = tokio::join!(health.stores(), health.peers());
    let stopping = health.is_stopping();
    let ready = !stopping && stores.iter().all(|(up, _)| *up);
    let found = health.services.iter().zip(stores).zip(peers);
    let checks: Vec<Value> = found
        .map(|(((service, revocation), (up, stores)), peers)| {
            json!({"service": service.service, "ready": up, "stores": stores, "services": peers,
                "revocation": revocation.state()})
        })
        .collect();
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
    let (code, status) = (
        Code::SERVER_STORE_UNAVAILABLE,
        if ready { 200 } else { 503 },
    );
    let mut body = json!({"ready": ready, "stopping": stopping, "checks": checks});
    if let (false, Value::Object(members)) = (ready, &mut body) {
        members.insert("status".to_owned(), json!(status));
        members.insert("code".to_owned(), json!(code.as_str()));
        members.insert("title".to_owned(), json!(code.title()));
    }
    answer.json(body)
}

/// Without detail and without the peers, on standalone's public listener.
pub(crate) async fn readyz_brief(health: web::Data<Health>) -> Result<HttpResponse, Problem> {
    if !health.is_stopping() && health.stores().await.iter().all(|(up, _)| *up) {
        Ok(HttpResponse::Ok().json(json!({"ready": true})))
    } else {
        Err(Problem::new(Code::SERVER_STORE_UNAVAILABLE))
    }
}

pub(crate) async fn metrics(health: web::Data<Health>) -> HttpResponse {
    for (_, revocation) in &health.services {
        revocation.update();
    }
    HttpResponse::Ok()
        .content_type(Metrics::CONTENT_TYPE)
        .body(health.metrics.render())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Anybody who reaches the internal port may say that they do not wait.
    #[tokio::test]
    async fn who_does_not_wait_spoils_nothing_for_others() {
        let shared = Shared(Mutex::new(None));
        let context = ud_telemetry::RequestContext::new("r").until(std::time::Instant::now());
        let find = async { ud_telemetry::deadline() };
        let found = ud_telemetry::scope(context, shared.get(find)).await;
        assert_eq!(found, None);
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_it_is_found_out_once_a_second() {
        let asked = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new(Shared(Mutex::new(None)));
        let ask = || {
            let (asked, shared) = (Arc::clone(&asked), Arc::clone(&shared));
            tokio::spawn(async move {
                let find = async {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    asked.fetch_add(1, Ordering::Relaxed)
                };
                shared.get(find).await
            })
        };
        for second in 0..3 {
            let all = join_all((0..50).map(|_| ask())).await;
            assert!(all.into_iter().all(|found| found.unwrap() == second));
            assert_eq!(asked.load(Ordering::Relaxed), second + 1);
            tokio::time::advance(Duration::from_millis(900)).await;
            assert_eq!(ask().await.unwrap(), second, "not yet old");
            tokio::time::advance(Duration::from_millis(101)).await;
        }
    }
}
