//! Bodies of the internal routes: the kernel's contracts, with the bounds this service relies on.

use ud_http::{FieldErrors, Validate};
use ud_kernel::{
    FieldError,
    models::{CloseSessions, CreateSession, NotBefore, Provenance, RevokedKey, RotateSession},
};

/// Largest number that Lua holds exactly.
const MAX_NUMBER: i64 = (1 << 53) - 1;
/// Roles of one token: 20 assigned, `user`, and room.
const MAX_ROLES: usize = 64;
const MAX_ROLE_NAME: usize = 63;
/// Keys of one ring.
const MAX_KEYS: usize = 64;
/// SHA-256 as base64url without padding.
const NONCE_HASH_LEN: usize = 43;

/// Body of `PUT /internal/v1/sessions/{session_id}`.
#[derive(Debug)]
pub struct CreateSessionBody(pub CreateSession);

impl From<CreateSession> for CreateSessionBody {
    fn from(body: CreateSession) -> Self {
        Self(body)
    }
}

/// Body of `POST /internal/v1/sessions/rotate`.
#[derive(Debug)]
pub struct RotateSessionBody(pub RotateSession);

impl From<RotateSession> for RotateSessionBody {
    fn from(body: RotateSession) -> Self {
        Self(body)
    }
}

/// Body of `POST /internal/v1/sessions/close`.
#[derive(Debug)]
pub struct CloseSessionsBody(pub CloseSessions);

impl From<CloseSessions> for CloseSessionsBody {
    fn from(body: CloseSessions) -> Self {
        Self(body)
    }
}

/// Body of `POST /internal/v1/not-before`.
#[derive(Debug)]
pub struct NotBeforeBody(pub NotBefore);

impl From<NotBefore> for NotBeforeBody {
    fn from(body: NotBefore) -> Self {
        Self(body)
    }
}

/// Body of `POST /internal/v1/revoked-keys`.
#[derive(Debug)]
pub struct RevokedKeyBody(pub RevokedKey);

impl From<RevokedKey> for RevokedKeyBody {
    fn from(body: RevokedKey) -> Self {
        Self(body)
    }
}

impl Validate for RevokedKeyBody {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.check(ud_kernel::check_line("/kid", &self.0.kid, 64));
    }
}

impl Validate for CreateSessionBody {
    fn validate(&self, errors: &mut FieldErrors) {
        let body = &self.0;
        number(errors, "/epoch", body.epoch);
        number(errors, "/pv", body.pv);
        chain(errors, &body.nonce_hash, &body.key_id);
        roles(errors, &body.roles);
        lifetimes(errors, [body.access_ttl, body.idle, body.absolute]);
        let amr = body.amr.len() <= 8 && body.amr.iter().all(|method| method.len() <= 16);
        expect(errors, "/amr", amr, "at most 8 methods");
        origin(errors, &body.origin);
    }
}

impl Validate for RotateSessionBody {
    fn validate(&self, errors: &mut FieldErrors) {
        let body = &self.0;
        number(errors, "/epoch", body.epoch);
        number(errors, "/pv", body.pv);
        number(errors, "/counter", body.counter);
        chain(errors, &body.nonce_hash, &body.key_id);
        roles(errors, &body.roles);
        lifetimes(errors, [body.access_ttl, body.idle, body.absolute]);
        let keys = body.key_ids.len() <= MAX_KEYS && body.key_ids.iter().all(|id| id.len() <= 64);
        expect(errors, "/key_ids", keys, "too many, or too long");
        origin(errors, &body.origin);
    }
}

impl Validate for CloseSessionsBody {
    fn validate(&self, errors: &mut FieldErrors) {
        let body = &self.0;
        let one = body.min_epoch.is_some() != body.session_id.is_some();
        expect(
            errors,
            "/min_epoch",
            one,
            "exactly one of min_epoch and session_id is given",
        );
        let except = body.except_session_id.is_none() || body.min_epoch.is_some();
        expect(
            errors,
            "/except_session_id",
            except,
            "goes with min_epoch only",
        );
        number(errors, "/min_epoch", body.min_epoch.unwrap_or_default());
        origin(errors, &body.origin);
    }
}

impl Validate for NotBeforeBody {
    fn validate(&self, errors: &mut FieldErrors) {
        let body = &self.0;
        let one = body.user_id.is_some() != body.role.is_some();
        expect(
            errors,
            "/user_id",
            one,
            "exactly one of user_id and role is given",
        );
        if let Some(role) = &body.role {
            errors.check(ud_kernel::check_line("/role", role, MAX_ROLE_NAME));
        }
        number(errors, "/min_pv", body.min_pv);
    }
}

fn expect(errors: &mut FieldErrors, pointer: &str, holds: bool, detail: &str) {
    if !holds {
        errors.push(FieldError::new(pointer, "field.invalid", detail));
    }
}

fn number(errors: &mut FieldErrors, pointer: &str, value: i64) {
    expect(
        errors,
        pointer,
        (0..=MAX_NUMBER).contains(&value),
        "out of range",
    );
}

fn lifetimes(errors: &mut FieldErrors, [access_ttl, idle, absolute]: [u32; 3]) {
    for (pointer, value) in [
        ("/access_ttl", access_ttl),
        ("/idle", idle),
        ("/absolute", absolute),
    ] {
        expect(errors, pointer, value > 0, "must not be 0");
    }
}

fn chain(errors: &mut FieldErrors, nonce_hash: &str, key_id: &str) {
    let is_hash = nonce_hash.len() == NONCE_HASH_LEN
        && nonce_hash
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    expect(errors, "/nonce_hash", is_hash, "not SHA-256 in base64url");
    errors.check(ud_kernel::check_line("/key_id", key_id, 64));
}

fn roles(errors: &mut FieldErrors, roles: &[String]) {
    expect(errors, "/roles", roles.len() <= MAX_ROLES, "too many");
    for (i, role) in roles.iter().enumerate() {
        errors.check(ud_kernel::check_line(
            &format!("/roles/{i}"),
            role,
            MAX_ROLE_NAME,
        ));
    }
}

fn origin(errors: &mut FieldErrors, origin: &Provenance) {
    expect(
        errors,
        "/origin/request_id",
        origin.request_id.chars().count() <= 128,
        "too long",
    );
    let short = |text: &Option<String>, max| {
        text.as_deref()
            .is_none_or(|text| text.chars().count() <= max)
    };
    expect(errors, "/origin/ip", short(&origin.ip, 64), "too long");
    expect(
        errors,
        "/origin/user_agent",
        short(&origin.user_agent, 256),
        "too long",
    );
}
