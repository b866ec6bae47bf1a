//! A client of the public API.

use std::{future::IntoFuture, net::Ipv4Addr, pin::Pin, time::Duration};

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::Value;
use ud_kernel::Code;

use crate::{Answer, SecretScanner};

/// Longer than the gateway's own deadline.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often a call is made again that could not be decided, and after which pause: `Retry-After` is a second.
const RETRIES: usize = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Sends requests to one base address, from one address of its own.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    secrets: SecretScanner,
    is_patient: bool,
    tells: Option<Ipv4Addr>,
}

/// A request to be sent: `client.get("/x").bearer(&token).await`.
#[must_use = "a call does nothing until awaited"]
pub struct Call {
    request: reqwest::RequestBuilder,
    line: String,
    secrets: SecretScanner,
    is_checked: bool,
    is_patient: bool,
}

impl Client {
    /// A client of `base` (`http://127.0.0.1:8080`) that comes from `address` of the loopback network, tells
    /// `secrets` what it sends and receives, follows no redirect and uses no proxy.
    ///
    /// # Panics
    /// If it cannot be set up.
    #[must_use]
    pub fn new(base: impl Into<String>, address: Ipv4Addr, secrets: SecretScanner) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .local_address(Some(address.into()))
            .timeout(DEADLINE)
            .user_agent("end-to-end/1")
            // A service that was killed has closed its connections; a pool would find out one by one.
            .pool_idle_timeout(Duration::from_secs(2))
            .build();
        Self {
            http: http.expect("a client"),
            base: base.into(),
            secrets,
            is_patient: true,
            tells: None,
        }
    }

    /// The same client, telling the address it comes from in `X-Test-Address`: a published port hides it, and the gateway
    /// under test believes that header (`tests/containers/limits.conf`).
    #[must_use]
    pub fn telling(self, address: Ipv4Addr) -> Self {
        Self {
            tells: Some(address),
            ..self
        }
    }

    /// The same client, taking the first answer to a call, whatever it is. Otherwise a call that was refused
    /// because nobody could tell in time whether the session lives is made again, as `Retry-After` asks: on a
    /// machine where everything runs at once that happens now and then.
    #[must_use]
    pub fn impatient(self) -> Self {
        Self {
            is_patient: false,
            ..self
        }
    }

    /// Base address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Any request; `path` may have a query.
    ///
    /// # Panics
    /// If `method` is no method.
    pub fn call(&self, method: &str, path: &str) -> Call {
        let parsed = Method::from_bytes(method.as_bytes()).expect("a method");
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(parsed, url);
        if let Some(address) = self.tells {
            request = request.header("x-test-address", address.to_string());
        }
        Call {
            request,
            line: format!("{method} {path}"),
            secrets: self.secrets.clone(),
            is_checked: true,
            is_patient: self.is_patient,
        }
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    /// `POST` without a body; see [`Call::json`].
    pub fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    /// `PUT` without a body.
    pub fn put(&self, path: &str) -> Call {
        self.call("PUT", path)
    }

    /// `PATCH` without a body.
    pub fn patch(&self, path: &str) -> Call {
        self.call("PATCH", path)
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }
}

impl Call {
    /// With this access or service token.
    ///
    /// # Panics
    /// If it cannot stand in a header.
    pub fn bearer(self, token: &str) -> Self {
        self.secrets.saw("token", token);
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token");
        value.set_sensitive(true);
        self.with(AUTHORIZATION, value)
    }

    /// With a JSON body.
    ///
    /// # Panics
    /// Never.
    pub fn json(self, body: &Value) -> Self {
        self.secrets.saw_body(body);
        let bytes = serde_json::to_vec(body).expect("JSON");
        self.body("application/json", bytes)
    }

    /// With any body of any content type; an empty one sends no content type.
    ///
    /// # Panics
    /// If the content type cannot stand in a header.
    pub fn body(self, content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let mut call = self;
        if !content_type.is_empty() {
            let value = HeaderValue::from_str(content_type).expect("a content type");
            call = call.with(CONTENT_TYPE, value);
        }
        call.request = call.request.body(bytes.into());
        call
    }

    /// With a header.
    ///
    /// # Panics
    /// If name or value are not possible.
    pub fn header(self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        self.with(
            name,
            HeaderValue::from_str(value).expect("a header's value"),
        )
    }

    /// Does not check what every public answer must have: for internal routes.
    pub fn unchecked(self) -> Self {
        Self {
            is_checked: false,
            ..self
        }
    }

    /// The answer, or what went wrong before there was one.
    ///
    /// # Errors
    /// If the connection failed.
    ///
    /// # Panics
    /// If the answer is not as every answer must be.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let response = self.request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Answer {
            request: self.line,
            status,
            headers,
            body: response.bytes().await?.to_vec(),
        };
        if let Ok(body) = serde_json::from_slice(&answer.body) {
            self.secrets.saw_body(&body);
        }
        if self.is_checked {
            answer.check();
        }
        Ok(answer)
    }

    /// The same call, if its body can be sent twice.
    fn again(&self) -> Option<Self> {
        Some(Self {
            request: self.request.try_clone()?,
            line: self.line.clone(),
            secrets: self.secrets.clone(),
            ..*self
        })
    }

    async fn answer(self) -> Answer {
        let line = self.line.clone();
        let sent = self.try_send().await;
        sent.unwrap_or_else(|error| panic!("{line}: {error:?}"))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.request = self.request.header(name, value);
        self
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    /// The answer; panics if there is none.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut call = self;
            for _ in 0..RETRIES {
                let Some(again) = call.again().filter(|_| call.is_patient) else {
                    break;
                };
                let answer = call.answer().await;
                if answer.code() != Some(Code::AUTH_REVOCATION_UNAVAILABLE.as_str()) {
                    return answer;
                }
                tokio::time::sleep(PAUSE).await;
                call = again;
            }
            call.answer().await
        })
    }
}
