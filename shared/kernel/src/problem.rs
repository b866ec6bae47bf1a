//! Every problem code of the platform: stable names that clients may branch on (RFC 9457). Those that any service may
//! answer with are declared here, the others by the service that decides them.

use crate::{Service, declaration::codes};

/// A stable problem code. Its text form (`role.name-taken`) is the member `code` of a problem document and
/// the last part of its `type`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(&'static Row);

/// What is known of a code.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) text: &'static str,
    pub(crate) status: u16,
    pub(crate) title: &'static str,
    pub(crate) help: &'static str,
}

impl Code {
    pub(crate) const fn declare(row: &'static Row) -> Self {
        Self(row)
    }

    /// Returns every code, in the order of docs/PROBLEMS.md.
    pub fn all() -> impl Iterator<Item = Self> {
        let of_services = Service::ALL
            .into_iter()
            .flat_map(|service| service.declaration().codes);
        CODES.iter().chain(of_services).copied()
    }

    /// Returns `area.what-is-wrong`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0.text
    }

    /// Returns the HTTP status it goes with.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.0.status
    }

    /// Returns a short text for people, the same each time (RFC 9457 section 3.1.3).
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.0.title
    }

    /// Returns, for docs/PROBLEMS.md, when it comes and what the caller can do.
    #[must_use]
    pub const fn help(self) -> &'static str {
        self.0.help
    }
}

codes! {
    REQUEST_MALFORMED = 400 "request.malformed" "Malformed request"
        "The body is not the JSON (or form) it claims to be, or the request line or a header cannot be read. Correct the request; repeating it does not help.";
    REQUEST_INVALID_PARAMETER = 400 "request.invalid-parameter" "Invalid parameter"
        "A path segment, query parameter or header has the wrong form, or a query parameter is not known. `errors` names it.";
    REQUEST_INVALID_CURSOR = 400 "request.invalid-cursor" "Invalid cursor"
        "`cursor` is not one this list handed out. Start again without it.";
    REQUEST_VALIDATION_FAILED = 422 "request.validation-failed" "Validation failed"
        "The body is JSON, but a member is missing, unknown, of the wrong type or outside its limits. `errors` names each by JSON pointer.";
    REQUEST_BODY_TOO_LARGE = 413 "request.body-too-large" "Body too large"
        "The body is over 64 KiB.";
    REQUEST_UNSUPPORTED_MEDIA_TYPE = 415 "request.unsupported-media-type" "Unsupported media type"
        "Send the body with the content type the operation documents, usually `application/json`.";
    REQUEST_TIMEOUT = 408 "request.timeout" "Request timeout"
        "The request did not arrive whole in time. The connection is closed; a request whose head was not complete was not carried out, and can be repeated on a new one.";
    REQUEST_HEADER_FIELDS_TOO_LARGE = 431 "request.header-fields-too-large" "Header fields too large"
        "The request line and the header fields together are over 128 KiB, or there are more than 96 fields.";
    REQUEST_NOT_FOUND = 404 "request.not-found" "Not found"
        "No resource has this path.";
    REQUEST_METHOD_NOT_ALLOWED = 405 "request.method-not-allowed" "Method not allowed"
        "The resource exists, but not with this method; `Allow` lists those it has.";
    REQUEST_PRECONDITION_FAILED = 412 "request.precondition-failed" "Precondition failed"
        "`If-Match` names an older version: somebody changed the resource meanwhile. Read it again, then repeat the change.";
    REQUEST_RATE_LIMITED = 429 "request.rate-limited" "Too many requests"
        "Wait for `Retry-After` seconds.";
    REQUEST_IDEMPOTENCY_KEY_INVALID = 400 "request.idempotency-key-invalid" "Invalid Idempotency-Key"
        "`Idempotency-Key` is 16 to 64 visible ASCII characters.";
    REQUEST_IDEMPOTENCY_KEY_REUSED = 422 "request.idempotency-key-reused" "Idempotency-Key reused"
        "This key was used with another body within 24 hours. Use a new key for a new request.";
    REQUEST_IDEMPOTENCY_IN_PROGRESS = 409 "request.idempotency-in-progress" "Still in progress"
        "The first request with this key has not ended. Repeat after `Retry-After` seconds.";
    SERVER_INTERNAL = 500 "server.internal" "Internal error"
        "A defect on our side; the log has the cause under `request_id`.";
    SERVER_BUSY = 503 "server.busy" "Busy"
        "More work is queued than can be done in time, or a change lost races with others too often. Repeat after `Retry-After` seconds.";
    SERVER_STORE_UNAVAILABLE = 503 "server.store-unavailable" "Store unavailable"
        "The service's own store cannot be reached or used. A change may have been made all the same: read before you repeat it, or repeat it with the same `Idempotency-Key`. Repeat after `Retry-After` seconds.";
    SERVER_DEPENDENCY_UNAVAILABLE = 503 "server.dependency-unavailable" "Dependency unavailable"
        "Another service this operation needs did not answer. A change may have been made all the same: read before you repeat it, or repeat it with the same `Idempotency-Key`. Repeat after `Retry-After` seconds.";
    AUTH_TOKEN_MISSING = 401 "auth.token-missing" "Authentication required"
        "Send `Authorization: Bearer <access token>`.";
    AUTH_TOKEN_INVALID = 401 "auth.token-invalid" "Invalid token"
        "The access token is expired, malformed, or not from this issuer. Refresh, or log in again.";
    AUTH_TOKEN_STALE = 401 "auth.token-stale" "Token out of date"
        "The user's roles changed since the token was issued. Refresh and go on.";
    AUTH_REAUTHENTICATION_REQUIRED = 401 "auth.reauthentication-required" "Recent login required"
        "This operation needs a login of the last five minutes. Call `POST /api/v1/auth/reauthenticate` with the password, and repeat with the new token.";
    AUTH_SESSION_CLOSED = 401 "auth.session-closed" "Session closed"
        "The session of this token was closed. Log in again.";
    AUTH_KEYS_UNAVAILABLE = 503 "auth.keys-unavailable" "Verification keys unavailable"
        "The service has not yet fetched the keys that verify tokens. Repeat after `Retry-After` seconds.";
    AUTH_REVOCATION_UNAVAILABLE = 503 "auth.revocation-unavailable" "Revocation state unavailable"
        "Whether the session is still open cannot be told now. The token may be good; repeat after `Retry-After` seconds.";
    AUTH_PERMISSION_DENIED = 403 "auth.permission-denied" "Permission denied"
        "The token does not carry the permission the operation needs.";
    SERVICE_TOKEN_INVALID = 401 "service.token-invalid" "Invalid service token"
        "Internal routes need a service token for this service.";
    SERVICE_CALLER_NOT_ALLOWED = 403 "service.caller-not-allowed" "Caller not allowed"
        "This service is not among the callers of the internal route.";
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut seen = HashSet::new();
        for code in Code::all() {
            let text = code.as_str();
            assert!(seen.insert(text), "{text} twice");
            let (area, what) = text.split_once('.').unwrap();
            let word =
                |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            assert!(word(area) && word(what), "{text}");
            assert!((400..=503).contains(&code.status()), "{text}");
            assert!(
                !code.help().is_empty() && !code.title().ends_with('.'),
                "{text}"
            );
        }
    }
}
