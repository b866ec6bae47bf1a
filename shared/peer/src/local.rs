//! Operations of the services in this process, for each other.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures_util::FutureExt as _;
use tokio::sync::watch;
use ud_jwt::{
    revocation::{Follower, LocalFeed, SessionChecker, StateSource, StateUnavailable},
    service::ServiceCaller,
};
use ud_kernel::{
    Clock, Code, EventId, Service,
    operation::{Key as _, Operation, ReadSessionState},
};
use ud_telemetry::{Cost, Metrics, RequestContext};

use crate::{CallError, Peers, RemoteProblem};

/// The answer of a handler in this process.
pub type LocalAnswer<O> =
    Pin<Box<dyn Future<Output = Result<<O as Operation>::Output, RemoteProblem>> + Send>>;

/// Answers calls of `O` from this process; who calls is known, not claimed.
pub type LocalHandler<O> = Arc<
    dyn Fn(ServiceCaller, <O as Operation>::Key, <O as Operation>::Body) -> LocalAnswer<O>
        + Send
        + Sync,
>;

/// The operations that the services of one process offer each other. Clones are the same.
#[derive(Clone)]
pub struct LocalOperations {
    offered: Arc<RwLock<Offered>>,
    feed: Arc<watch::Sender<Option<LocalFeed>>>,
    metrics: Metrics,
}

type Offered = HashMap<(Service, TypeId), Arc<dyn Any + Send + Sync>>;

impl LocalOperations {
    /// Offers nothing yet. Panics are counted in the `metrics` of the process.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            offered: Arc::default(),
            feed: Arc::default(),
            metrics: metrics.clone(),
        }
    }

    /// Has `feed` tell of revocations.
    pub fn offer_feed(&self, feed: LocalFeed) {
        self.feed.send_replace(Some(feed));
    }

    /// Returns what checks, for `service`, whether sessions live, and the part that keeps it up to date and has to be run.
    #[must_use]
    pub fn session_checker(&self, service: Service, clock: Clock) -> (SessionChecker, Follower) {
        let offered = self.feed.subscribe();
        let feed: LocalFeed = Arc::new(move |known| {
            let mut offered = offered.clone();
            Box::pin(async move {
                let feed = offered.wait_for(Option::is_some).await;
                let feed = feed.ok().and_then(|feed| feed.clone());
                feed.ok_or(StateUnavailable)?(known).await
            })
        });
        let asked = Peers::local(service, self.clone()).client(Service::Session);
        // An outage is logged once, not with every request.
        let failing = Arc::new(AtomicBool::new(false));
        let source: StateSource = Arc::new(move |session, query| {
            let (asked, failing) = (asked.clone(), Arc::clone(&failing));
            Box::pin(async move {
                let answer = asked.call::<ReadSessionState>(session, query).await;
                let failed = failing.swap(answer.is_err(), Ordering::Relaxed);
                answer.map(|answer| answer.state).map_err(|error| {
                    if !failed {
                        log::warn!("{error}; requests are answered with 503 until it does");
                    }
                    StateUnavailable
                })
            })
        });
        SessionChecker::following_locally(feed, source, clock)
    }

    /// Has `handler` answer calls of `O` at `service`.
    pub fn offer<O: Operation>(&self, service: Service, handler: LocalHandler<O>) {
        let mut offered = self.offered.write().unwrap_or_else(PoisonError::into_inner);
        offered.insert((service, TypeId::of::<O>()), Arc::new(handler));
    }

    fn find<O: Operation>(&self, service: Service) -> Option<LocalHandler<O>> {
        let offered = self.offered.read().unwrap_or_else(PoisonError::into_inner);
        let handler = offered.get(&(service, TypeId::of::<O>()))?;
        handler.downcast_ref::<LocalHandler<O>>().cloned()
    }

    /// Calls `O` at `service` until `deadline`. Like a service of its own it goes on if the caller goes away, and begins
    /// nothing any more after `answer_by`.
    ///
    /// # Errors
    /// [`CallError`], as over HTTP.
    pub(crate) async fn call<O: Operation>(
        &self,
        service: Service,
        caller: ServiceCaller,
        key: O::Key,
        body: O::Body,
        (deadline, answer_by): (Instant, Option<Instant>),
    ) -> Result<O::Output, CallError> {
        let unavailable = |reason: &str| CallError::unavailable(service, reason);
        let handler = self.find::<O>(service);
        let handler = handler.ok_or_else(|| unavailable("it has not started yet"))?;
        if deadline <= Instant::now() {
            return Err(unavailable("the caller waits no longer"));
        }
        // What no request has caused gets an id of its own, as over HTTP.
        let id: Arc<str> = match ud_telemetry::current() {
            Some(context) => context.request_id().into(),
            None => EventId::new(Clock::system().now()).to_string().into(),
        };
        let mut context = RequestContext::new(id).in_service(service);
        if let Some(answer_by) = answer_by {
            context = context.until(answer_by);
        }
        ud_telemetry::count(Cost::InnerCall);
        let operations = self.clone();
        let work = tokio::spawn(ud_telemetry::scope(context, async move {
            let began = Instant::now();
            let answer = AssertUnwindSafe(async { handler(caller, key, body).await });
            let answer = answer.catch_unwind().await;
            let answer = answer.unwrap_or_else(|_| Err(operations.panicked::<O>(service)));
            if log::log_enabled!(target: "access", log::Level::Debug) {
                log_answer::<O>(&key.path(O::ROUTE), answer.as_ref().err(), began);
            }
            answer
        }));
        match tokio::time::timeout_at(deadline.into(), work).await {
            Ok(Ok(Ok(output))) => Ok(output),
            Ok(Ok(Err(problem))) => Err(CallError::of_problem(service, problem)),
            Ok(Err(_)) => Err(unavailable("the process ends")),
            Err(_) => Err(unavailable("no answer in time")),
        }
    }

    /// Counts and logs a panic, and answers as a request that ended in one.
    fn panicked<O: Operation>(&self, service: Service) -> RemoteProblem {
        let (method, code) = (O::METHOD.as_str(), Code::SERVER_INTERNAL);
        let panics = self.metrics.for_service(service).counter_vec(
            "http_server_panics_total",
            "Requests that ended in a panic.",
            &["method"],
        );
        panics.with_label_values(&[method]).inc();
        log::error!("{code}: {method} {} panicked", O::ROUTE);
        RemoteProblem {
            status: code.status(),
            code: code.as_str().to_owned(),
            errors: Vec::new(),
        }
    }
}

/// Writes the line that a request on an internal listener has, with what it cost.
fn log_answer<O: Operation>(path: &str, problem: Option<&RemoteProblem>, began: Instant) {
    let Some(context) = ud_telemetry::current() else {
        return;
    };
    let method = O::METHOD.as_str();
    let status = problem.map_or(200, |problem| problem.status);
    let duration_ms = began.elapsed().as_secs_f64() * 1e3;
    let costs = [
        Cost::DatabaseCall,
        Cost::Statement,
        Cost::RedisCall,
        Cost::InnerCall,
    ];
    let [db_calls, db_statements, redis_calls, inner_calls] = costs.map(|c| context.counted(c));
    log::debug!(
        target: "access", method, path, status, duration_ms,
        db_calls, db_statements, redis_calls, inner_calls; "answered"
    );
}
