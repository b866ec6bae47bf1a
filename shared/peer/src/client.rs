//! Calls to the internal routes of other services: service token, deadline, no redirects, no proxy.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, StatusCode, Url, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use ud_config::PeersConfig;
use ud_jwt::{outbound_client, service::ServiceSigner};
use ud_kernel::{Code, FieldError, Service, StartError, UserId};
use ud_telemetry::Cost;

/// Deadline of an internal call, whole, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(2);
/// By so much earlier the called service gives up: what it still did arrives in time.
const MARGIN: Duration = Duration::from_millis(200);
const CONNECT_DEADLINE: Duration = Duration::from_millis(500);
/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// How many milliseconds a calling service still waits.
pub const REQUEST_TIMEOUT: &str = "x-request-timeout-ms";

/// Where every service answers whose token it was sent.
pub const CALLER: &str = "/internal/v1/caller";
/// That a service refuses our tokens is said again after this time.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// What to look at then.
const REFUSES_US: &str =
    "refuses our service token: look at the clocks of both machines, and at IDENTITY_PEERS_FILE";

/// Why an internal call gave no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// No answer, or 5xx, or 429, or our service token was refused (clocks apart, keys being changed): the same call may
    /// succeed later.
    #[error("{service} is unavailable: {reason}")]
    Unavailable {
        /// Who was called.
        service: Service,
        /// For the log.
        reason: String,
    },
    /// The other service refused with a problem document.
    #[error("{service} answered {} {}", .problem.status, .problem.code)]
    Refused {
        /// Who was called.
        service: Service,
        /// What it said.
        problem: RemoteProblem,
    },
}

/// A problem document as received.
#[derive(Debug, Clone, Deserialize)]
pub struct RemoteProblem {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// Wrong members.
    #[serde(default)]
    pub errors: Vec<FieldError>,
}

impl CallError {
    /// Returns whether the other service refused with `code`.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.code == code.as_str())
    }
}

/// The other services, as far as their addresses are configured.
#[derive(Clone)]
pub struct Peers {
    http: Client,
    signer: Arc<ServiceSigner>,
    urls: PeersConfig,
    told: Told,
}

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

impl Peers {
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub fn new(signer: Arc<ServiceSigner>, urls: PeersConfig) -> Result<Self, StartError> {
        let addresses = Service::ALL.into_iter().filter_map(|s| urls.get(s));
        let http = outbound_client(addresses)
            .timeout(DEADLINE)
            .connect_timeout(CONNECT_DEADLINE)
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .build()
            .map_err(|e| StartError::config(format!("no client for calls to services: {e:?}")))?;
        Ok(Self {
            http,
            signer,
            urls,
            told: Told::default(),
        })
    }

    /// The client for `service`.
    #[must_use]
    pub fn client(&self, service: Service) -> ServiceClient {
        ServiceClient {
            http: self.http.clone(),
            signer: Arc::clone(&self.signer),
            base: self.urls.get(service).cloned(),
            service,
            on_behalf_of: None,
            deadline: DEADLINE,
            told: self.told.clone(),
        }
    }

    /// The configured addresses.
    #[must_use]
    pub const fn urls(&self) -> &PeersConfig {
        &self.urls
    }

    /// Who signs this service's calls.
    #[must_use]
    pub const fn signer(&self) -> &Arc<ServiceSigner> {
        &self.signer
    }

    /// `up`, `down`, or that it refuses this service's tokens, for each configured service.
    pub async fn health(&self) -> Vec<(String, Value)> {
        let asked = Service::ALL.into_iter().filter_map(|service| {
            let url = self.urls.get(service)?.clone();
            Some(async move {
                let state = self.state_of(service, &url).await;
                (service.to_string(), Value::String(state))
            })
        });
        futures_util::future::join_all(asked).await
    }

    async fn state_of(&self, service: Service, url: &Url) -> String {
        let Ok(token) = self.signer.token(service, None) else {
            return "down".to_owned();
        };
        ud_telemetry::count(Cost::InnerCall);
        let request = self.http.get(join(url, CALLER)).bearer_auth(token);
        match request.send().await.map(|answer| answer.status()) {
            Ok(StatusCode::UNAUTHORIZED) => {
                self.told.refused_by(service);
                format!("down: {REFUSES_US}")
            }
            // A version without the route is up, too.
            Ok(status) if status.is_success() || status == StatusCode::NOT_FOUND => "up".to_owned(),
            _ => "down".to_owned(),
        }
    }
}

/// Calls one service.
#[derive(Clone)]
pub struct ServiceClient {
    http: Client,
    signer: Arc<ServiceSigner>,
    base: Option<Url>,
    service: Service,
    on_behalf_of: Option<UserId>,
    deadline: Duration,
    told: Told,
}

impl ServiceClient {
    /// The same client with another deadline than 2 s for each of its calls. The called service is told of it and does
    /// nothing afterwards, so it need not be longer than the longest that the call may take there.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// The same client, saying for which user it acts.
    #[must_use]
    pub fn on_behalf_of(&self, user: UserId) -> Self {
        Self {
            on_behalf_of: Some(user),
            ..self.clone()
        }
    }

    /// `GET path`. Repeated once if the connection failed.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        self.call(Method::GET, path, None::<&()>)
            .await
            .map(|(_, body)| body)
    }

    /// `PUT path`; idempotent by definition, so repeated once if the connection failed.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn put<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<(StatusCode, T), CallError> {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// `POST path` of an operation that is idempotent by an id or counter in its body; repeated once if the
    /// connection failed.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn post_idempotent<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<(StatusCode, T), CallError> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `POST path` with a body of another media type than JSON, already written. The called service is not told of the
    /// deadline, and finishes what it has begun: for what is sent again until it was accepted.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, T), CallError> {
        self.send(Method::POST, path, Some((content_type, body)), false)
            .await
    }

    async fn call<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<(StatusCode, T), CallError> {
        let body = match body {
            Some(body) => {
                let json = serde_json::to_vec(body).map_err(|e| self.unavailable(e))?;
                Some(("application/json", json))
            }
            None => None,
        };
        self.send(method, path, body, true).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Vec<u8>)>,
        tells_deadline: bool,
    ) -> Result<(StatusCode, T), CallError> {
        // The caller's own deadline is never exceeded, nor are two tries given more than one.
        let deadline = Instant::now() + self.deadline;
        let deadline = ud_telemetry::deadline().map_or(deadline, |own| own.min(deadline));
        let once = || async {
            let left = deadline.saturating_duration_since(Instant::now());
            let base = self.base.as_ref().ok_or("its address is not configured")?;
            let token = self
                .signer
                .token(self.service, self.on_behalf_of)
                .map_err(|e| e.to_string())?;
            let mut request = self
                .http
                .request(method.clone(), join(base, path))
                .timeout(left)
                .bearer_auth(token);
            if tells_deadline {
                let told = left.saturating_sub(MARGIN).as_millis().to_string();
                request = request.header(REQUEST_TIMEOUT, told);
            }
            if let Some(context) = ud_telemetry::current() {
                request = request.header("x-request-id", context.request_id());
            }
            if let Some((content_type, bytes)) = &body {
                request = request
                    .header(header::CONTENT_TYPE, *content_type)
                    .body(bytes.clone());
            }
            ud_telemetry::count(Cost::InnerCall);
            Ok::<_, String>(request.send().await)
        };
        let mut answer = once().await.map_err(|e| self.unavailable(e))?;
        // A kept-alive connection the other side has just closed fails at once: try a fresh one.
        if answer
            .as_ref()
            .is_err_and(|e| !e.is_timeout() && !e.is_body())
        {
            answer = once().await.map_err(|e| self.unavailable(e))?;
        }
        let answer = answer.map_err(|e| self.unavailable(e.without_url()))?;
        self.read(answer).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        mut answer: reqwest::Response,
    ) -> Result<(StatusCode, T), CallError> {
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|e| self.unavailable(e.without_url()))?
        {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER {
                return Err(self.unavailable("its answer is too large"));
            }
        }
        if status.is_success() {
            // 204 has no body; `()` reads as null.
            let json: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
            return serde_json::from_slice(json)
                .map(|value| (status, value))
                .map_err(|e| self.unavailable(format!("unexpected answer: {e}")));
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.unavailable(format!("status {status}")));
        }
        match serde_json::from_slice::<RemoteProblem>(&bytes) {
            Ok(problem) if problem.code == Code::ServiceTokenInvalid.as_str() => {
                self.told.refused_by(self.service);
                Err(self.unavailable(format!("it {REFUSES_US}")))
            }
            Ok(problem) => Err(CallError::Refused {
                service: self.service,
                problem,
            }),
            Err(_) => Err(self.unavailable(format!("status {status} without a problem document"))),
        }
    }

    fn unavailable(&self, reason: impl std::fmt::Display) -> CallError {
        CallError::Unavailable {
            service: self.service,
            reason: reason.to_string(),
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
