//! Problem documents, RFC 9457. A handler returns a [`Problem`]; the edge middleware writes the document,
//! because only there the request's path and id are known.

use std::borrow::Cow;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;
use ud_kernel::{Code, FieldError};
use ud_peer::CallError;
use ud_service::AuthFailure;

/// Media type of problem documents.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Where problem types are described; the code follows.
const TYPE_PREFIX: &str = "urn:user-domain:problem:";

/// An answer that is not success. Changes nothing, tells no cause.
#[derive(Debug, Clone)]
pub struct Problem {
    pub(crate) code: Code,
    pub(crate) detail: Option<Cow<'static, str>>,
    pub(crate) errors: Vec<FieldError>,
    pub(crate) retry_after: Option<u32>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) cause: Option<String>,
}

impl Problem {
    /// The problem `code` with its title and status. 503 and 429 say `Retry-After: 1` unless told otherwise.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            errors: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// With a sentence for people about this occurrence; nothing secret, nothing about other people.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With the wrong members.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// With one wrong member.
    #[must_use]
    pub fn field(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    /// With `Retry-After`, in seconds.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// With a further header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With the cause, for the log only. No secret and no personal data in it.
    #[must_use]
    pub fn cause(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// 500 with a cause for the log.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(Code::SERVER_INTERNAL).cause(cause)
    }

    /// 422 with the wrong members.
    #[must_use]
    pub fn validation(errors: Vec<FieldError>) -> Self {
        Self::new(Code::REQUEST_VALIDATION_FAILED).errors(errors)
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The document for `instance` (the request's path, if there was a request) and the request's id.
    pub(crate) fn body<'a>(
        &'a self,
        instance: Option<&'a str>,
        request_id: &'a str,
    ) -> ProblemBody<'a> {
        ProblemBody {
            r#type: format!("{TYPE_PREFIX}{}", self.code),
            title: self.code.title(),
            status: self.code.status(),
            detail: self.detail.as_deref(),
            instance,
            code: self.code.as_str(),
            request_id,
            errors: &self.errors,
        }
    }
}

impl From<CallError> for Problem {
    /// 503 `server.dependency-unavailable` when the other is away; a refusal nobody expected is 500.
    fn from(error: CallError) -> Self {
        match &error {
            CallError::Unavailable { .. } => {
                Self::new(Code::SERVER_DEPENDENCY_UNAVAILABLE).cause(error)
            }
            CallError::Refused { .. } => Self::internal(error),
        }
    }
}

impl From<AuthFailure> for Problem {
    fn from(failure: AuthFailure) -> Self {
        let problem = Self::new(failure.code());
        match failure {
            AuthFailure::TokenInvalid(why) => problem.cause(why),
            _ => problem,
        }
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status());
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(RETRY_AFTER, self.retry_after.unwrap_or(1).into());
            }
            StatusCode::UNAUTHORIZED if !headers.contains_key(WWW_AUTHENTICATE) => {
                let challenge = match self.code {
                    Code::AUTH_TOKEN_INVALID
                    | Code::AUTH_TOKEN_STALE
                    | Code::AUTH_SESSION_CLOSED => "Bearer error=\"invalid_token\"",
                    // RFC 9470 section 3; the age is `MAX_LOGIN_AGE`.
                    Code::AUTH_REAUTHENTICATION_REQUIRED => {
                        "Bearer error=\"insufficient_user_authentication\", max_age=300"
                    }
                    _ => "Bearer",
                };
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            _ => {
                if let Some(seconds) = self.retry_after {
                    headers.insert(RETRY_AFTER, seconds.into());
                }
            }
        }
        response.extensions_mut().insert(self.clone());
        response
    }
}

/// The members of a problem document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// `urn:user-domain:problem:<code>`.
    pub r#type: String,
    /// The same for each occurrence of the code.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// About this occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub detail: Option<&'a str>,
    /// The request's path; absent where the request could not be read so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub instance: Option<&'a str>,
    /// Stable; docs/PROBLEMS.md lists them.
    pub code: &'a str,
    /// Name it when asking for help; the log has it.
    pub request_id: &'a str,
    /// The wrong members of a request.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(required = false)]
    pub errors: &'a [FieldError],
}
