//! Every problem code of the platform: stable names that clients may branch on (RFC 9457).

use strum::IntoEnumIterator as _;

/// A stable problem code. Its text form (`role.name-taken`) is the member `code` of a problem document and
/// the last part of its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumIter)]
#[expect(
    missing_docs,
    reason = "each variant is documented by its row in `row`, which docs/PROBLEMS.md lists"
)]
pub enum Code {
    RequestMalformed,
    RequestInvalidParameter,
    RequestInvalidCursor,
    RequestValidationFailed,
    RequestBodyTooLarge,
    RequestUnsupportedMediaType,
    RequestTimeout,
    RequestHeaderFieldsTooLarge,
    RequestNotFound,
    RequestMethodNotAllowed,
    RequestPreconditionFailed,
    RequestRateLimited,
    RequestIdempotencyKeyInvalid,
    RequestIdempotencyKeyReused,
    RequestIdempotencyInProgress,
    ServerInternal,
    ServerBusy,
    ServerStoreUnavailable,
    ServerDependencyUnavailable,
    AuthTokenMissing,
    AuthTokenInvalid,
    AuthTokenStale,
    AuthReauthenticationRequired,
    AuthSessionClosed,
    AuthKeysUnavailable,
    AuthRevocationUnavailable,
    AuthPermissionDenied,
    AuthInvalidCredentials,
    AuthAccountSuspended,
    AuthRefreshTokenInvalid,
    AuthTokenTooLong,
    AuthCredentialNotFound,
    KeyNotFound,
    KeySharedSecret,
    UserNotFound,
    UserEmailTaken,
    UserUsernameTaken,
    UserFieldReadOnly,
    UserTargetHoldsMore,
    UserIsAdministrator,
    UserIsSelf,
    UserStatusConflict,
    RoleNotFound,
    RoleNameTaken,
    RoleEscalation,
    RoleOutlivesGrantor,
    RoleBuiltIn,
    RoleLastAdministrator,
    RoleTooManyPermissions,
    RoleAssignmentNotFound,
    RoleAlreadyAssigned,
    RoleUnknownUser,
    RoleAdministratorExists,
    SessionNotFound,
    SessionClosed,
    SessionEpochTooOld,
    SessionPolicyStale,
    AuditRecordNotFound,
    AuditActionReserved,
    ServiceTokenInvalid,
    ServiceCallerNotAllowed,
}

impl Code {
    /// Every code, in the order of docs/PROBLEMS.md.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// `area.what-is-wrong`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status it goes with.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// Short, human-readable, the same each time (RFC 9457 section 3.1.3).
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// For docs/PROBLEMS.md: when it comes and what the caller can do.
    #[must_use]
    pub const fn help(self) -> &'static str {
        self.row().3
    }

    #[rustfmt::skip]
    const fn row(self) -> (&'static str, u16, &'static str, &'static str) {
        match self {
            Self::RequestMalformed => ("request.malformed", 400, "Malformed request", "The body is not the JSON (or form) it claims to be, or the request line or a header cannot be read. Correct the request; repeating it does not help."),
            Self::RequestInvalidParameter => ("request.invalid-parameter", 400, "Invalid parameter", "A path segment, query parameter or header has the wrong form, or a query parameter is not known. `errors` names it."),
            Self::RequestInvalidCursor => ("request.invalid-cursor", 400, "Invalid cursor", "`cursor` is not one this list handed out. Start again without it."),
            Self::RequestValidationFailed => ("request.validation-failed", 422, "Validation failed", "The body is JSON, but a member is missing, unknown, of the wrong type or outside its limits. `errors` names each by JSON pointer."),
            Self::RequestBodyTooLarge => ("request.body-too-large", 413, "Body too large", "The body is over 64 KiB."),
            Self::RequestUnsupportedMediaType => ("request.unsupported-media-type", 415, "Unsupported media type", "Send the body with the content type the operation documents, usually `application/json`."),
            Self::RequestTimeout => ("request.timeout", 408, "Request timeout", "The request did not arrive whole in time. The connection is closed; a request whose head was not complete was not carried out, and can be repeated on a new one."),
            Self::RequestHeaderFieldsTooLarge => ("request.header-fields-too-large", 431, "Header fields too large", "The request line and the header fields together are over 128 KiB, or there are more than 96 fields."),
            Self::RequestNotFound => ("request.not-found", 404, "Not found", "No resource has this path."),
            Self::RequestMethodNotAllowed => ("request.method-not-allowed", 405, "Method not allowed", "The resource exists, but not with this method; `Allow` lists those it has."),
            Self::RequestPreconditionFailed => ("request.precondition-failed", 412, "Precondition failed", "`If-Match` names an older version: somebody changed the resource meanwhile. Read it again, then repeat the change."),
            Self::RequestRateLimited => ("request.rate-limited", 429, "Too many requests", "Wait for `Retry-After` seconds."),
            Self::RequestIdempotencyKeyInvalid => ("request.idempotency-key-invalid", 400, "Invalid Idempotency-Key", "`Idempotency-Key` is 16 to 64 visible ASCII characters."),
            Self::RequestIdempotencyKeyReused => ("request.idempotency-key-reused", 422, "Idempotency-Key reused", "This key was used with another body within 24 hours. Use a new key for a new request."),
            Self::RequestIdempotencyInProgress => ("request.idempotency-in-progress", 409, "Still in progress", "The first request with this key has not ended. Repeat after `Retry-After` seconds."),
            Self::ServerInternal => ("server.internal", 500, "Internal error", "A defect on our side; the log has the cause under `request_id`."),
            Self::ServerBusy => ("server.busy", 503, "Busy", "More work is queued than can be done in time, or a change lost races with others too often. Repeat after `Retry-After` seconds."),
            Self::ServerStoreUnavailable => ("server.store-unavailable", 503, "Store unavailable", "The service's own store cannot be reached or used. A change may have been made all the same: read before you repeat it, or repeat it with the same `Idempotency-Key`. Repeat after `Retry-After` seconds."),
            Self::ServerDependencyUnavailable => ("server.dependency-unavailable", 503, "Dependency unavailable", "Another service this operation needs did not answer. A change may have been made all the same: read before you repeat it, or repeat it with the same `Idempotency-Key`. Repeat after `Retry-After` seconds."),
            Self::AuthTokenMissing => ("auth.token-missing", 401, "Authentication required", "Send `Authorization: Bearer <access token>`."),
            Self::AuthTokenInvalid => ("auth.token-invalid", 401, "Invalid token", "The access token is expired, malformed, or not from this issuer. Refresh, or log in again."),
            Self::AuthTokenStale => ("auth.token-stale", 401, "Token out of date", "The user's roles changed since the token was issued. Refresh and go on."),
            Self::AuthReauthenticationRequired => ("auth.reauthentication-required", 401, "Recent login required", "This operation needs a login of the last five minutes. Call `POST /api/v1/auth/reauthenticate` with the password, and repeat with the new token."),
            Self::AuthSessionClosed => ("auth.session-closed", 401, "Session closed", "The session of this token was closed. Log in again."),
            Self::AuthKeysUnavailable => ("auth.keys-unavailable", 503, "Verification keys unavailable", "The service has not yet fetched the keys that verify tokens. Repeat after `Retry-After` seconds."),
            Self::AuthRevocationUnavailable => ("auth.revocation-unavailable", 503, "Revocation state unavailable", "Whether the session is still open cannot be told now. The token may be good; repeat after `Retry-After` seconds."),
            Self::AuthPermissionDenied => ("auth.permission-denied", 403, "Permission denied", "The token does not carry the permission the operation needs."),
            Self::AuthInvalidCredentials => ("auth.invalid-credentials", 401, "Invalid credentials", "Identifier and password do not belong together, or there is no such account; which of the two is not told."),
            Self::AuthAccountSuspended => ("auth.account-suspended", 403, "Account suspended", "The password is right, but an administrator suspended the account."),
            Self::AuthRefreshTokenInvalid => ("auth.refresh-token-invalid", 401, "Invalid refresh token", "The refresh token is unknown, used, expired, or its session is closed. Log in again."),
            Self::AuthTokenTooLong => ("auth.token-too-long", 409, "Rights do not fit into a token", "The names of the user's roles and permissions are too long for an access token. Nothing was changed: the session and its refresh token are as before. When an administrator has taken roles or permissions away, the same request works."),
            Self::AuthCredentialNotFound => ("auth.credential-not-found", 404, "Credential not found", "Internal: the user has no credential."),
            Self::KeyNotFound => ("key.not-found", 404, "Key not found", "No signing key has this id; or its last token has ended, and it is gone."),
            Self::KeySharedSecret => ("key.shared-secret", 409, "A shared secret signs", "With `JWT_SECRET_KEY` there are no signing keys to rotate or revoke: change the secret in the configuration of every service."),
            Self::UserNotFound => ("user.not-found", 404, "User not found", "No user has this id, or it is not yours to see."),
            Self::UserEmailTaken => ("user.email-taken", 409, "Email taken", "Another account has this email address."),
            Self::UserUsernameTaken => ("user.username-taken", 409, "Username taken", "Another account has, or had within 180 days, this username."),
            Self::UserFieldReadOnly => ("user.field-read-only", 422, "Field is read-only", "The operation changes only the members it documents; `errors` names the others."),
            Self::UserTargetHoldsMore => ("user.target-holds-more", 403, "Target holds more", "The user acted upon holds a permission of this platform that you do not hold."),
            Self::UserIsAdministrator => ("user.is-administrator", 409, "User is an administrator", "Take the role `admin` from the user first."),
            Self::UserIsSelf => ("user.is-self", 409, "Not on oneself", "Nobody suspends or reactivates themselves."),
            Self::UserStatusConflict => ("user.status-conflict", 409, "Status does not allow this", "The user's status does not allow this, for instance repeating a registration whose user was deleted since."),
            Self::RoleNotFound => ("role.not-found", 404, "Role not found", "No role has this id."),
            Self::RoleNameTaken => ("role.name-taken", 409, "Role name taken", "Another role has this name."),
            Self::RoleEscalation => ("role.escalation", 403, "Would grant what you do not hold", "Your own permissions must include every permission of the role, before and after the change. Without `roles:grant` you give and take only roles that you hold yourself, and change no role of a user who holds more than you."),
            Self::RoleOutlivesGrantor => ("role.outlives-grantor", 422, "Would outlive what you hold", "What you give ends no later than what you hold. An assignment needs an `expires_at` no later than the end of your own role and permissions; permissions put into a role must be yours without end."),
            Self::RoleBuiltIn => ("role.built-in", 409, "Built-in role", "`admin` is never changed; neither `admin` nor `user` is deleted or assigned contrary to its nature."),
            Self::RoleLastAdministrator => ("role.last-administrator", 409, "Last administrator", "There is always an administrator. Assign the role to somebody else first."),
            Self::RoleTooManyPermissions => ("role.too-many-permissions", 422, "Too many permissions", "At most 100 permissions a role, 20 roles a user, and for one user 2,500 bytes of names in effect, each with its quotes and a comma. Where issuer, audience and algorithm leave less of an access token, `detail` says how much."),
            Self::RoleAssignmentNotFound => ("role.assignment-not-found", 404, "Assignment not found", "No assignment has this id, or it is not yours to see."),
            Self::RoleAlreadyAssigned => ("role.already-assigned", 409, "Already assigned", "The user already has this role."),
            Self::RoleUnknownUser => ("role.unknown-user", 422, "Unknown user", "No living user has this id."),
            Self::RoleAdministratorExists => ("role.administrator-exists", 409, "An administrator has existed", "Internal: the first administrator is made only once."),
            Self::SessionNotFound => ("session.not-found", 404, "Session not found", "No open session has this id, or it is not yours to see."),
            Self::SessionClosed => ("session.closed", 401, "Session closed", "Internal: the session is closed, expired or unknown."),
            Self::SessionEpochTooOld => ("session.epoch-too-old", 409, "Credentials changed", "Internal: the user's credentials changed since the password was checked."),
            Self::SessionPolicyStale => ("session.policy-stale", 409, "Roles changed", "Internal: the user's roles changed; read them again."),
            Self::AuditRecordNotFound => ("audit.record-not-found", 404, "Record not found", "No audit record has this id, or it is not yours to see."),
            Self::AuditActionReserved => ("audit.action-reserved", 422, "Reserved action", "`action` is the name of one of the platform's own events."),
            Self::ServiceTokenInvalid => ("service.token-invalid", 401, "Invalid service token", "Internal routes need a service token for this service."),
            Self::ServiceCallerNotAllowed => ("service.caller-not-allowed", 403, "Caller not allowed", "This service is not among the callers of the internal route."),
        }
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
