//! The answer itself: a problem document for every error, whoever made it, and the headers that every answer has.

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use ud_kernel::Code;

use crate::{PROBLEM_JSON, Problem, origin::RequestFacts};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CSP: HeaderValue =
    HeaderValue::from_static("default-src 'none'; base-uri 'none'; frame-ancestors 'none'");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Longest path in a log line and in a problem document, in characters.
const MAX_PATH: usize = 256;

/// The beginning of a path, which a client can make as long as a request line may be.
pub(crate) fn cut(path: &str) -> &str {
    if path.len() <= MAX_PATH {
        return path;
    }
    let end = path.char_indices().nth(MAX_PATH).map(|(end, _)| end);
    end.and_then(|end| path.get(..end)).unwrap_or(path)
}

pub(crate) fn is_bare_error(response: &HttpResponse) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error())
        && response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_none_or(|t| t != PROBLEM_JSON)
}

/// The problem a handler returned, or the one that fits the framework's own answer.
pub(crate) fn problem_of(response: &HttpResponse) -> Problem {
    if let Some(problem) = response.extensions().get::<Problem>() {
        return problem.clone();
    }
    Problem::new(match response.status() {
        StatusCode::NOT_FOUND => Code::REQUEST_NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => Code::REQUEST_METHOD_NOT_ALLOWED,
        StatusCode::PAYLOAD_TOO_LARGE => Code::REQUEST_BODY_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::REQUEST_UNSUPPORTED_MEDIA_TYPE,
        StatusCode::REQUEST_TIMEOUT => Code::REQUEST_TIMEOUT,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Code::REQUEST_HEADER_FIELDS_TOO_LARGE,
        status if status.is_client_error() => Code::REQUEST_MALFORMED,
        _ => Code::SERVER_INTERNAL,
    })
}

pub(crate) fn write_problem(
    req: &HttpRequest,
    mut response: HttpResponse,
    facts: &RequestFacts,
) -> HttpResponse {
    let problem = problem_of(&response);
    log_cause(&problem);
    let body = fill(&mut response, &problem, Some(req.path()), facts);
    response.set_body(BoxBody::new(body))
}

/// A cause is told once, here, and to the log alone.
pub(crate) fn log_cause(problem: &Problem) {
    match (problem.code().status(), &problem.cause) {
        (500, cause) => log::error!(
            "{}: {}",
            problem.code(),
            cause.as_deref().unwrap_or("no cause given")
        ),
        (503, Some(cause)) => log::warn!("{}: {cause}", problem.code()),
        (_, Some(cause)) => log::debug!("{}: {cause}", problem.code()),
        (_, None) => {}
    }
}

/// Gives `response` the status and the content type of `problem`, and returns the document.
pub(crate) fn fill(
    response: &mut HttpResponse,
    problem: &Problem,
    path: Option<&str>,
    facts: &RequestFacts,
) -> Vec<u8> {
    let document = problem.body(path.map(cut), &facts.request_id);
    *response.status_mut() = StatusCode::from_u16(problem.code().status()).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.remove(header::CONTENT_LENGTH);
    serde_json::to_vec(&document).unwrap_or_default()
}

pub(crate) fn finish(headers: &mut HeaderMap, facts: &RequestFacts, tls: bool) {
    if let Ok(id) = HeaderValue::from_str(&facts.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(header::REFERRER_POLICY, NO_REFERRER);
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, NO_STORE);
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, CSP);
    }
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
}
