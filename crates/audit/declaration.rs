//! Declares audit to the platform. `ud-kernel` compiles this file, so that every program knows it
//! (docs/ADDING-A-SERVICE.md).

use crate::declaration::{Declaration, codes, events, keys, permissions};

/// The declaration of audit.
pub static DECLARATION: Declaration = Declaration {
    name: "audit",
    binary: "user-audit-service",
    config_prefix: "AUDIT",
    public_port: Some(8004),
    internal_port: 8104,
    openapi: Some("/api/v1/audits/openapi.json"),
    url: &keys::AUDIT_URL,
    key_encryption_keys: Some(&keys::AUDIT_KEY_ENCRYPTION_KEYS),
    key_rings: &["key-encryption-keys"],
    has_database_server: true,
    key_prefixes: &[],
    keys: GROUPS,
    permissions: PERMISSIONS,
    codes: CODES,
    events: EVENTS,
};

permissions! {
    AuditsRead = ordinary "audits:read" "Read the whole audit log.";
    AuditsWrite = privileged "audits:write" "Write records of other applications to the audit log.";
}

codes! {
    AUDIT_RECORD_NOT_FOUND = 404 "audit.record-not-found" "Record not found"
        "No audit record has this id, or it is not yours to see.";
    AUDIT_ACTION_RESERVED = 422 "audit.action-reserved" "Reserved action"
        "`action` is the name of one of the platform's own events.";
}

events! {
    of Audit;
}

keys! {
    "Services among each other":
    AUDIT_URL, SHARED.example("http://127.0.0.1:8104"),
        "Base address of audit's internal listener.";
    "Tokens and passwords":
    AUDIT_KEY_ENCRYPTION_KEYS, SECRET.example("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "The same for audit alone; required there in production.";
    "Limits":
    LIMIT_CREATE_AUDIT, SHARED.default("6000/60"),
        "Records by `POST /api/v1/audits`, `count/seconds`, for one user.";
}
