//! The middleware around every request: its id, the log context, security headers, metrics, the access log,
//! and the problem document of every error answer, whoever made it.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_http::ConnectionType;
use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap},
    },
    middleware::Next,
    web::Bytes,
};
use futures_util::FutureExt as _;
use prometheus::{HistogramVec, IntCounterVec};
use ud_kernel::{Clock, EventId, Service};
use ud_telemetry::{Cost, Metrics, RequestContext};

use crate::{
    Problem, TrustedProxies,
    answers::{cut, fill, finish, is_bare_error, log_cause, problem_of, write_problem},
    origin::{RequestFacts, facts},
    receiving,
    ticket::{Busy, Close, ticket_of},
};

/// After this long a public request is given up: sooner than the gateway answers in our place (15 s), so that what it
/// calls failed was not done.
const PUBLIC_DEADLINE: Duration = Duration::from_secs(13);

/// What the access log tells of, in this order.
const COSTS: [Cost; 4] = [
    Cost::DatabaseCall,
    Cost::Statement,
    Cost::RedisCall,
    Cost::InnerCall,
];

/// Upper bounds of the duration histogram, in seconds.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];

/// Settings of the middleware, one for each listener.
pub(crate) struct Edge {
    pub(crate) proxies: TrustedProxies,
    pub(crate) clock: Clock,
    pub(crate) tls: bool,
    /// Level of the access log.
    pub(crate) log_level: log::Level,
    /// Path prefixes of the services behind this listener, for the `service` label.
    pub(crate) services: Vec<(&'static str, ServiceMetrics)>,
    pub(crate) default: ServiceMetrics,
    /// Whether this is the internal listener: only services say there how long they wait.
    pub(crate) is_internal: bool,
    /// Whether the process is about to end: then each answer ends its connection, so that the client's next request
    /// goes to another replica and not into a connection that is being closed.
    pub(crate) stopping: Arc<AtomicBool>,
}

/// The HTTP metrics of one service.
#[derive(Clone)]
pub(crate) struct ServiceMetrics {
    pub(crate) service: Service,
    duration: HistogramVec,
    panics: IntCounterVec,
}

impl ServiceMetrics {
    pub(crate) fn new(service: Service, metrics: &Metrics) -> Self {
        let metrics = metrics.for_service(service);
        Self {
            service,
            duration: metrics.histogram_vec(
                "http_server_request_duration_seconds",
                "Time from the request's head to the answer's head.",
                &["method", "route", "status"],
                &BUCKETS,
            ),
            panics: metrics.counter_vec(
                "http_server_panics_total",
                "Requests that ended in a panic.",
                &["method"],
            ),
        }
    }
}

impl Edge {
    /// The whole answer, as it is sent, to what did not become a request: its head was late, too long, or no HTTP.
    /// Such an answer ends the connection.
    pub(crate) fn answer_before_a_request(&self, status: StatusCode) -> Vec<u8> {
        let facts = RequestFacts {
            request_id: self.new_id(),
            client_request_id: None,
            address: None,
            from_proxy: false,
        };
        let problem = problem_of(&HttpResponse::new(status));
        let mut response = HttpResponse::new(status);
        let body = fill(&mut response, &problem, None, &facts);
        finish(response.headers_mut(), &facts, self.tls);
        let status = response.status();
        let reason = status.canonical_reason().unwrap_or_default();
        let mut answer = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
        for (name, value) in response.headers() {
            answer.extend_from_slice(name.as_str().as_bytes());
            answer.extend_from_slice(b": ");
            answer.extend_from_slice(value.as_bytes());
            answer.extend_from_slice(b"\r\n");
        }
        let end = format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        answer.extend_from_slice(end.as_bytes());
        answer.extend_from_slice(&body);
        ud_telemetry::sync_scope(
            RequestContext::new(facts.request_id).in_service(self.default.service),
            || {
                log::log!(target: "access", self.log_level, status = status.as_u16(); "answered before a request");
            },
        );
        answer
    }

    #[cfg(test)]
    pub(crate) fn for_tests(metrics: &Metrics) -> Self {
        Self {
            proxies: TrustedProxies::new(&[]),
            clock: Clock::system(),
            tls: false,
            log_level: log::Level::Debug,
            services: Vec::new(),
            default: ServiceMetrics::new(Service::Role, metrics),
            is_internal: true,
            stopping: Arc::default(),
        }
    }

    fn metrics_for(&self, path: &str) -> &ServiceMetrics {
        let mut services = self.services.iter();
        services
            .find(|(prefix, _)| path.starts_with(prefix))
            .map_or(&self.default, |(_, m)| m)
    }

    pub(crate) fn new_id(&self) -> Arc<str> {
        let id = EventId::new(self.clock.now());
        let mut text = uuid::Uuid::encode_buffer();
        Arc::from(&*id.as_uuid().hyphenated().encode_lower(&mut text))
    }

    /// Returns how long the sender of a request with these headers waits for its answer, if that is known. Events are sent
    /// without it: their receiver's work counts whether or not the sender still waits.
    fn waits(&self, headers: &HeaderMap) -> Option<Duration> {
        if !self.is_internal {
            return Some(PUBLIC_DEADLINE);
        }
        let told = headers
            .get(ud_peer::REQUEST_TIMEOUT)?
            .to_str()
            .ok()?
            .parse()
            .ok()?;
        Some(Duration::from_millis(told).min(PUBLIC_DEADLINE))
    }
}

/// Runs one request.
pub(crate) async fn run(
    edge: Arc<Edge>,
    mut req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let ticket = ticket_of(req.request()).cloned();
    let busy = ticket.as_ref().map(|ticket| ticket.begin());
    let body = ticket
        .as_ref()
        .and_then(|ticket| receiving::watch(&mut req, ticket));
    // Without a length nothing but its end says where the next request begins.
    let body = body.filter(|_| req.headers().contains_key(header::TRANSFER_ENCODING));
    let facts = facts(&req, &edge.proxies, || edge.new_id());
    let metrics = edge.metrics_for(req.path());
    let (method, uri) = (req.method().clone(), req.uri().clone());
    req.extensions_mut().insert(facts.clone());

    let context = RequestContext::new(facts.request_id.clone())
        .with_client_request_id(facts.client_request_id.clone())
        .in_service(metrics.service);
    let context = match edge.waits(req.headers()) {
        Some(waits) => context.until(started + waits),
        None => context,
    };
    let outcome = ud_telemetry::scope(context.clone(), async {
        AssertUnwindSafe(next.call(req)).catch_unwind().await
    })
    .await;

    let (route, mut answer) = match outcome {
        Ok(Ok(answer)) => {
            let route = answer.request().match_pattern();
            (route, Ok(answer.map_into_boxed_body()))
        }
        Ok(Err(error)) => (None, Err(error)),
        Err(_) => {
            metrics
                .panics
                .with_label_values(&[method_label(&method)])
                .inc();
            (None, Err(Problem::internal("the handler panicked").into()))
        }
    };
    answer = match answer {
        Ok(answer) if is_bare_error(answer.response()) => {
            Ok(ud_telemetry::sync_scope(context.clone(), || {
                let (req, response) = answer.into_parts();
                let response = write_problem(&req, response, &facts);
                ServiceResponse::new(req, response)
            }))
        }
        Ok(answer) => Ok(answer),
        // No request is left to answer with: the document goes into the error itself.
        Err(error) => Err(ud_telemetry::sync_scope(context.clone(), || {
            let mut response = error.as_response_error().error_response();
            let problem = problem_of(&response);
            log_cause(&problem);
            let body = fill(&mut response, &problem, Some(uri.path()), &facts);
            let mut response = response.set_body(BoxBody::new(body));
            finish(response.headers_mut(), &facts, edge.tls);
            InternalError::from_response(problem, response).into()
        })),
    };
    let is_upgrade =
        matches!(&answer, Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS);
    let is_unread = !is_upgrade && body.is_some_and(|body| !body.is_reached());
    if let (true, Some(ticket)) = (is_unread, &ticket) {
        ticket.leave_unread();
    }
    let is_last = is_unread
        || edge.stopping.load(Ordering::Relaxed)
        || ticket.is_some_and(|ticket| ticket.is_told(Close::Idle));
    let status = match &mut answer {
        Ok(answer) => {
            finish(answer.headers_mut(), &facts, edge.tls);
            if is_last && !is_upgrade {
                let head = answer.response_mut().head_mut();
                head.set_connection_type(ConnectionType::Close);
            }
            answer.status()
        }
        Err(error) => error.as_response_error().status_code(),
    };

    let route = route.as_deref().unwrap_or("unmatched");
    let elapsed = started.elapsed();
    let labels = [method_label(&method), route, status.as_str()];
    metrics
        .duration
        .with_label_values(&labels)
        .observe(elapsed.as_secs_f64());
    let costs = COSTS.map(|cost| context.counted(cost));
    ud_telemetry::sync_scope(context, || {
        let (method, path, status) = (method.as_str(), cut(uri.path()), status.as_u16());
        let duration_ms = elapsed.as_secs_f64() * 1e3;
        let level = edge.log_level;
        // The most frequent requests cost nothing, and their lines are not to cost more than they did.
        if costs == [0; COSTS.len()] {
            log::log!(target: "access", level, method, path, status, duration_ms; "answered");
            return;
        }
        let [db_calls, db_statements, redis_calls, inner_calls] = costs;
        log::log!(
            target: "access", level, method, path, status, duration_ms,
            db_calls, db_statements, redis_calls, inner_calls; "answered"
        );
    });
    answer.map(|answer| answer.map_body(|_, body| until_sent(body, busy)))
}

/// A body that is in memory is sent without us; one that is still being made keeps its request under way.
fn until_sent(body: BoxBody, busy: Option<Busy>) -> BoxBody {
    match (body.try_into_bytes(), busy) {
        (Ok(bytes), _) => BoxBody::new(bytes),
        (Err(body), Some(busy)) => BoxBody::new(UnderWay { body, _busy: busy }),
        (Err(body), None) => body,
    }
}

/// A body with the note that its request is under way.
struct UnderWay {
    body: BoxBody,
    _busy: Busy,
}

impl MessageBody for UnderWay {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}

/// Clients can send any word as a method: only the known ones become a label.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
