//! Calls over HTTP: service token, deadline, no redirects, no proxy.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, StatusCode, Url, header};
use ud_config::PeersConfig;
use ud_jwt::{outbound_client, service::ServiceSigner};
use ud_kernel::{Code, Service, StartError, UserId};
use ud_telemetry::Cost;

use crate::{
    CallError, RemoteProblem,
    client::{DEADLINE, MARGIN},
};

const CONNECT_DEADLINE: Duration = Duration::from_millis(500);
/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// How many milliseconds a calling service still waits.
pub const REQUEST_TIMEOUT: &str = "x-request-timeout-ms";

/// Where every service answers whose token it was sent.
pub const CALLER: &str = "/internal/v1/caller";
/// Codes by which a service says that it has no such route, or another method of it only: it is of a release before.
const UNKNOWN_ROUTE: [&str; 2] = [
    Code::REQUEST_NOT_FOUND.as_str(),
    Code::REQUEST_METHOD_NOT_ALLOWED.as_str(),
];
/// That a service refuses our tokens is said again after this time.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// What to look at then.
const REFUSES_US: &str =
    "refuses our service token: look at the clocks of both machines, and at IDENTITY_PEERS_FILE";

/// When it was last said of each service that it refuses our tokens.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<BTreeMap<Service, Instant>>>);

impl Told {
    fn refused_by(&self, service: Service) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = told.get(&service);
        if last.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            told.insert(service, Instant::now());
            log::error!("{service} {REFUSES_US}");
        }
    }
}

/// The way to the other services over HTTP, as far as their addresses are configured. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    signer: Arc<ServiceSigner>,
    urls: PeersConfig,
    told: Told,
}

/// What is sent.
pub(crate) struct Request {
    pub(crate) service: Service,
    pub(crate) on_behalf_of: Option<UserId>,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    /// Media type and bytes.
    pub(crate) body: Option<(&'static str, Vec<u8>)>,
    /// No try goes on after this.
    pub(crate) deadline: Instant,
    /// Whether the called service is told of it.
    pub(crate) tells_deadline: bool,
}

impl Http {
    pub(crate) fn new(signer: Arc<ServiceSigner>, urls: PeersConfig) -> Result<Self, StartError> {
        let addresses = Service::ALL.into_iter().filter_map(|s| urls.get(s));
        let client = outbound_client(addresses)
            .timeout(DEADLINE)
            .connect_timeout(CONNECT_DEADLINE)
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .build()
            .map_err(|e| StartError::config(format!("no client for calls to services: {e:?}")))?;
        Ok(Self {
            client,
            signer,
            urls,
            told: Told::default(),
        })
    }

    pub(crate) const fn urls(&self) -> &PeersConfig {
        &self.urls
    }

    pub(crate) const fn signer(&self) -> &Arc<ServiceSigner> {
        &self.signer
    }

    /// Returns `up`, `down`, or that it refuses this service's tokens; none without an address.
    pub(crate) async fn state_of(&self, service: Service) -> Option<String> {
        let url = self.urls.get(service)?;
        let Ok(token) = self.signer.token(service, None) else {
            return Some("down".to_owned());
        };
        ud_telemetry::count(Cost::InnerCall);
        let request = self.client.get(join(url, CALLER)).bearer_auth(token);
        Some(match request.send().await.map(|answer| answer.status()) {
            Ok(StatusCode::UNAUTHORIZED) => {
                self.told.refused_by(service);
                format!("down: {REFUSES_US}")
            }
            // A version without the route is up, too.
            Ok(status) if status.is_success() || status == StatusCode::NOT_FOUND => "up".to_owned(),
            _ => "down".to_owned(),
        })
    }

    /// Sends `request`, once more if the connection failed, and returns status and body of a success.
    pub(crate) async fn send(&self, request: Request) -> Result<(u16, Vec<u8>), CallError> {
        let service = request.service;
        let unavailable = |reason: String| CallError::unavailable(service, reason);
        let once = || async {
            let left = request.deadline.saturating_duration_since(Instant::now());
            let base = self
                .urls
                .get(service)
                .ok_or("its address is not configured")?;
            let token = self
                .signer
                .token(service, request.on_behalf_of)
                .map_err(|e| e.to_string())?;
            let mut sent = self
                .client
                .request(request.method.clone(), join(base, &request.path))
                .timeout(left)
                .bearer_auth(token);
            if request.tells_deadline {
                let told = left.saturating_sub(MARGIN).as_millis().to_string();
                sent = sent.header(REQUEST_TIMEOUT, told);
            }
            if let Some(context) = ud_telemetry::current() {
                sent = sent.header("x-request-id", context.request_id());
            }
            if let Some((content_type, bytes)) = &request.body {
                sent = sent
                    .header(header::CONTENT_TYPE, *content_type)
                    .body(bytes.clone());
            }
            ud_telemetry::count(Cost::InnerCall);
            Ok::<_, String>(sent.send().await)
        };
        let mut answer = once().await.map_err(unavailable)?;
        // A kept-alive connection the other side has just closed fails at once: try a fresh one.
        if answer
            .as_ref()
            .is_err_and(|e| !e.is_timeout() && !e.is_body())
        {
            answer = once().await.map_err(unavailable)?;
        }
        let answer = answer.map_err(|e| unavailable(e.without_url().to_string()))?;
        self.read(service, answer).await
    }

    async fn read(
        &self,
        service: Service,
        mut answer: reqwest::Response,
    ) -> Result<(u16, Vec<u8>), CallError> {
        let unavailable = |reason: String| CallError::unavailable(service, reason);
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|e| unavailable(e.without_url().to_string()))?
        {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER {
                return Err(unavailable("its answer is too large".to_owned()));
            }
        }
        if status.is_success() {
            return Ok((status.as_u16(), bytes));
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(unavailable(format!("status {status}")));
        }
        match serde_json::from_slice::<RemoteProblem>(&bytes) {
            Ok(problem) if problem.code == Code::SERVICE_TOKEN_INVALID.as_str() => {
                self.told.refused_by(service);
                Err(unavailable(format!("it {REFUSES_US}")))
            }
            Ok(problem) if UNKNOWN_ROUTE.contains(&problem.code.as_str()) => Err(unavailable(
                "it does not know this operation: upgrade it first (docs/UPGRADING.md)".to_owned(),
            )),
            Ok(problem) => Err(CallError::Refused { service, problem }),
            Err(_) => Err(unavailable(format!(
                "status {status} without a problem document"
            ))),
        }
    }
}

/// `path` below `base`, which may have a path of its own (standalone: `http://127.0.0.1:1234/auth`).
fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(p, q)| (p, Some(q)));
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url.set_query(query);
    url
}
