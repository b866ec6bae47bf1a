//! The other services, and calls to them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ud_config::PeersConfig;
use ud_jwt::service::{ServiceCaller, ServiceSigner};
use ud_kernel::{
    Service, StartError, UserId,
    operation::{Key as _, Method, Operation, Reply as _},
};

use crate::{
    CallError, LocalOperations,
    http::{Http, Request},
};

/// Deadline of an internal call, whole, unless told otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);
/// By so much earlier the called service gives up: what it still did arrives in time.
pub(crate) const MARGIN: Duration = Duration::from_millis(200);

/// The other services.
#[derive(Clone)]
pub struct Peers(Way);

/// How they are reached.
#[derive(Clone)]
enum Way {
    Http(Http),
    Local(Service, LocalOperations),
}

impl Peers {
    /// Over HTTP at `urls`; `signer` signs for this service.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub fn new(signer: Arc<ServiceSigner>, urls: PeersConfig) -> Result<Self, StartError> {
        Http::new(signer, urls).map(Way::Http).map(Self)
    }

    /// In this process, by `operations`, for `service`.
    #[must_use]
    pub const fn local(service: Service, operations: LocalOperations) -> Self {
        Self(Way::Local(service, operations))
    }

    /// Returns the client for `service`.
    #[must_use]
    pub fn client(&self, service: Service) -> ServiceClient {
        ServiceClient {
            way: self.0.clone(),
            service,
            on_behalf_of: None,
            deadline: DEADLINE,
        }
    }

    /// Returns the configured addresses and who signs this service's calls; none in one process.
    #[must_use]
    pub const fn over_http(&self) -> Option<(&PeersConfig, &Arc<ServiceSigner>)> {
        match &self.0 {
            Way::Http(http) => Some((http.urls(), http.signer())),
            Way::Local(..) => None,
        }
    }

    /// Returns the operations of this process; none over HTTP.
    #[must_use]
    pub const fn operations(&self) -> Option<&LocalOperations> {
        match &self.0 {
            Way::Http(_) => None,
            Way::Local(_, operations) => Some(operations),
        }
    }

    /// Returns `up`, `down`, or that it refuses this service's tokens, for each service that can be called.
    pub async fn health(&self) -> Vec<(String, String)> {
        let asked = Service::ALL.into_iter().map(|service| async move {
            let state = match &self.0 {
                Way::Http(http) => http.state_of(service).await?,
                Way::Local(..) => "up".to_owned(),
            };
            Some((service.to_string(), state))
        });
        let states = futures_util::future::join_all(asked).await;
        states.into_iter().flatten().collect()
    }
}

/// Calls one service.
#[derive(Clone)]
pub struct ServiceClient {
    way: Way,
    service: Service,
    on_behalf_of: Option<UserId>,
    deadline: Duration,
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

    /// Calls operation `O` about `key`. Sent once more if the connection failed.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call<O: Operation>(
        &self,
        key: O::Key,
        body: O::Body,
    ) -> Result<O::Output, CallError> {
        let deadline = self.deadline();
        let http = match &self.way {
            Way::Http(http) => http,
            Way::Local(caller, operations) => {
                let caller = self.caller(*caller);
                let answer_by = deadline.checked_sub(MARGIN);
                let until = (deadline, answer_by);
                return operations
                    .call::<O>(self.service, caller, key, body, until)
                    .await;
            }
        };
        let unavailable = |e: serde_json::Error| CallError::unavailable(self.service, e);
        let (mut path, mut sent) = (key.path(O::ROUTE), None);
        let method = match O::METHOD {
            Method::Get => {
                let query = serde_urlencoded::to_string(&body);
                let query = query.map_err(|e| CallError::unavailable(self.service, e))?;
                if !query.is_empty() {
                    path = format!("{path}?{query}");
                }
                reqwest::Method::GET
            }
            Method::Put => reqwest::Method::PUT,
            Method::Post => reqwest::Method::POST,
        };
        if O::METHOD != Method::Get {
            let json = serde_json::to_vec(&body).map_err(unavailable)?;
            sent = Some(("application/json", json));
        }
        let (status, bytes) = http
            .send(Request {
                service: self.service,
                on_behalf_of: self.on_behalf_of,
                method,
                path,
                body: sent,
                deadline,
                tells_deadline: true,
            })
            .await?;
        O::Output::read(status, &bytes)
            .map_err(|e| CallError::unavailable(self.service, format!("unexpected answer: {e}")))
    }

    /// Calls operation `O` with bytes of media type `content_type`, already written. The called service is not told of the
    /// deadline, and finishes what it has begun: for what is sent again until it was accepted.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn deliver<O: Operation<Key = (), Body = Vec<u8>>>(
        &self,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<O::Output, CallError> {
        let deadline = self.deadline();
        let http = match &self.way {
            Way::Http(http) => http,
            Way::Local(caller, operations) => {
                let caller = self.caller(*caller);
                let until = (deadline, None);
                return operations
                    .call::<O>(self.service, caller, (), body, until)
                    .await;
            }
        };
        let (status, bytes) = http
            .send(Request {
                service: self.service,
                on_behalf_of: self.on_behalf_of,
                method: reqwest::Method::POST,
                path: O::ROUTE.to_owned(),
                body: Some((content_type, body)),
                deadline,
                tells_deadline: false,
            })
            .await?;
        O::Output::read(status, &bytes)
            .map_err(|e| CallError::unavailable(self.service, format!("unexpected answer: {e}")))
    }

    /// The caller's own deadline is never exceeded, nor are two tries given more than one.
    fn deadline(&self) -> Instant {
        let deadline = Instant::now() + self.deadline;
        ud_telemetry::deadline().map_or(deadline, |own| own.min(deadline))
    }

    const fn caller(&self, service: Service) -> ServiceCaller {
        ServiceCaller {
            service,
            on_behalf_of: self.on_behalf_of,
        }
    }
}
