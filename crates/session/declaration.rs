//! Declares session to the platform. `ud-kernel` compiles this file, so that every program knows it
//! (docs/ADDING-A-SERVICE.md).

use crate::declaration::{Declaration, codes, events, keys, permissions};

/// The declaration of session.
pub static DECLARATION: Declaration = Declaration {
    name: "session",
    binary: "session-service",
    config_prefix: "SESSION",
    public_port: Some(8003),
    internal_port: 8103,
    openapi: Some("/api/v1/sessions/openapi.json"),
    url: &keys::SESSION_URL,
    key_encryption_keys: None,
    key_rings: &["feed-keys"],
    has_database_server: false,
    key_prefixes: &[],
    keys: GROUPS,
    permissions: PERMISSIONS,
    codes: CODES,
    events: EVENTS,
};

permissions! {
    SessionsRead = ordinary "sessions:read" "List the sessions of all users.";
    SessionsWrite = privileged "sessions:write" "Close the sessions of other users.";
}

codes! {
    SESSION_NOT_FOUND = 404 "session.not-found" "Session not found"
        "No open session has this id, or it is not yours to see.";
    SESSION_CLOSED = 401 "session.closed" "Session closed"
        "Internal: the session is closed, expired or unknown.";
    SESSION_EPOCH_TOO_OLD = 409 "session.epoch-too-old" "Credentials changed"
        "Internal: the user's credentials changed since the password was checked.";
    SESSION_POLICY_STALE = 409 "session.policy-stale" "Roles changed"
        "Internal: the user's roles changed; read them again.";
}

events! {
    of Session;
    /// A session began. Subject: the session.
    USER_LOGGED_IN = "user_logged_in";
    /// A user proved again who they are, for a session that goes on. Subject: the session.
    USER_REAUTHENTICATED = "user_reauthenticated";
    /// A session ended before its time. Subject: the session.
    SESSION_CLOSED = "session_closed";
    /// A refresh token older than the last one was presented, and its session closed. Subject: the session.
    REFRESH_TOKEN_REUSED = "refresh_token_reused" in lane;
    /// The last refresh token was presented again, within the window, from elsewhere. Subject: the session.
    REFRESH_TOKEN_REPLAYED = "refresh_token_replayed" in lane;
    /// The last refresh token was presented again after the window, its successor never: the answer was lost, or the token
    /// stolen. Subject: the session. `before` names the source of the rotation.
    REFRESH_TOKEN_REPEATED_LATE = "refresh_token_repeated_late" in lane;
    /// A verifier claimed to have seen of the revocation feed what session had not told it. About no stored entity.
    /// Target: the service that claimed.
    FEED_CLAIM_REFUSED = "feed_claim_refused" in lane;
}

keys! {
    "Services among each other":
    SESSION_URL, SHARED.example("http://127.0.0.1:8103"),
        "Base address of session's internal listener.";
    "Tokens and passwords":
    SESSION_FEED_KEYS, SECRET.example("f1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "Keys under the places that the revocation feed hands out, written like `AUTH_KEY_ENCRYPTION_KEYS`. The first tags, all verify. session alone, the same on all its replicas; required in production.";
    "Limits":
    LIMIT_CLOSE_SESSION, SHARED.default("60/60"),
        "Ends of one session of one's own, `count/seconds`, for one user.";
    LIMIT_OPERATOR_CLOSE_SESSION, SHARED.default("600/60"),
        "Ends of one session, `count/seconds`, for one user with `sessions:write`.";
    LIMIT_CLOSE_SESSIONS, SHARED.default("60/60"),
        "Ends of all one's own sessions, `count/seconds`, for one user.";
    LIMIT_OPERATOR_CLOSE_SESSIONS, SHARED.default("600/60"),
        "Ends of all sessions of a user, `count/seconds`, for one user with `sessions:write`.";
}
