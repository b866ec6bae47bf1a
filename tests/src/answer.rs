//! An answer, and what must be true of every one.

use std::fmt;

use reqwest::header::HeaderMap;
use serde_json::Value;
use ud_kernel::Code;

/// An answer that was read whole. Making one checks what the contract says of all answers (docs/API.md,
/// SECURITY 27): security headers, and of errors the problem document.
#[derive(Clone)]
pub struct Answer {
    /// `POST /api/v1/auth/login`
    pub request: String,
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as received.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(
            f,
            "{} -> {} {:?}\n{body}",
            self.request, self.status, self.headers
        )
    }
}

impl Answer {
    /// The status, which must be this one.
    ///
    /// # Panics
    /// If it is another; the message has the whole answer.
    #[track_caller]
    #[must_use = "look at the answer, or drop it"]
    pub fn must(self, status: u16) -> Self {
        assert_eq!(self.status, status, "expected {status}: {self:?}");
        self
    }

    /// The problem, which must be this one.
    ///
    /// # Panics
    /// If it is another, or none; the message has the whole answer.
    #[track_caller]
    pub fn must_be(&self, code: Code) {
        assert_eq!(self.status, code.status(), "expected {code}: {self:?}");
        assert_eq!(
            self.code(),
            Some(code.as_str()),
            "expected {code}: {self:?}"
        );
    }

    /// Code of the problem, if it is one.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let code = body.get("code")?.as_str()?;
        Code::all().map(Code::as_str).find(|known| *known == code)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The string member `name` of the body.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let body = self.json();
        let text = body.get(name).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no text {name}: {self:?}"))
            .to_owned()
    }

    /// The member `items` of a list.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn items(&self) -> Vec<Value> {
        let body = self.json();
        let items = body.get("items").and_then(Value::as_array);
        items
            .unwrap_or_else(|| panic!("no items: {self:?}"))
            .clone()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    }

    /// The JSON pointers of a validation problem.
    ///
    /// # Panics
    /// If it is not JSON.
    #[track_caller]
    #[must_use]
    pub fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body.get("errors").and_then(Value::as_array).cloned();
        let pointer = |e: &Value| e.get("pointer").and_then(Value::as_str).map(str::to_owned);
        errors
            .unwrap_or_default()
            .iter()
            .filter_map(pointer)
            .collect()
    }

    /// Panics if something is not as it must be in every answer.
    #[track_caller]
    pub(crate) fn check(&self) {
        for (name, wanted) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            let all: Vec<_> = self.headers.get_all(name).iter().collect();
            assert!(
                all.len() == 1 && all[0] == wanted,
                "{name} is not {wanted}: {self:?}"
            );
        }
        let is_page = self.request.contains(" /docs");
        let is_key_set = self.request.contains("/.well-known/jwks.json") && self.status == 200;
        let policy = self.header("content-security-policy").unwrap_or_default();
        assert!(
            is_page || policy == "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
            "content-security-policy: {self:?}"
        );
        let cache = self.header("cache-control").unwrap_or_default();
        let may_be_kept = is_page || is_key_set;
        assert!(
            may_be_kept || cache == "no-store",
            "cache-control: {self:?}"
        );
        assert!(
            self.header("x-request-id").is_some(),
            "no X-Request-Id: {self:?}"
        );
        assert!(
            !self.headers.contains_key("set-cookie"),
            "a cookie: {self:?}"
        );
        let server = self.header("server").unwrap_or_default();
        assert!(!server.contains('/'), "server's version: {self:?}");
        if self.status >= 400 {
            self.check_problem();
        }
    }

    fn check_problem(&self) {
        let kind = self.header("content-type");
        assert_eq!(
            kind.as_deref(),
            Some("application/problem+json"),
            "{self:?}"
        );
        if self.body.is_empty() {
            assert!(self.request.starts_with("HEAD "), "no document: {self:?}");
            return;
        }
        let body = self.json();
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let code = Code::all().find(|known| known.as_str() == text("code"));
        let code = code.unwrap_or_else(|| panic!("unknown code: {self:?}"));
        assert_eq!(code.status(), self.status, "{self:?}");
        assert_eq!(body.get("status"), Some(&self.status.into()), "{self:?}");
        assert_eq!(text("title"), code.title(), "{self:?}");
        assert_eq!(
            text("type"),
            format!("urn:user-domain:problem:{code}"),
            "{self:?}"
        );
        assert!(text("instance").starts_with('/'), "{self:?}");
        assert!(!text("instance").contains('?'), "a query in it: {self:?}");
        assert_eq!(
            Some(text("request_id").to_owned()),
            self.header("x-request-id"),
            "{self:?}"
        );
        let errors = body.get("errors").and_then(Value::as_array);
        for error in errors.into_iter().flatten() {
            for member in ["pointer", "code", "detail"] {
                assert!(error.get(member).is_some_and(Value::is_string), "{self:?}");
            }
        }
        let has = |name: &str| self.headers.contains_key(name);
        assert!(self.status != 401 || has("www-authenticate"), "{self:?}");
        assert!(
            !matches!(self.status, 429 | 503) || has("retry-after"),
            "{self:?}"
        );
        assert!(self.status != 405 || has("allow"), "{self:?}");
    }
}
