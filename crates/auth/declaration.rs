//! Declares auth to the platform. `ud-kernel` compiles this file, so that every program knows it
//! (docs/ADDING-A-SERVICE.md).

use crate::declaration::{Declaration, codes, events, keys, permissions};

/// The declaration of auth.
pub static DECLARATION: Declaration = Declaration {
    name: "auth",
    binary: "auth-service",
    config_prefix: "AUTH",
    public_port: Some(8001),
    internal_port: 8101,
    openapi: Some("/api/v1/auth/openapi.json"),
    url: &keys::AUTH_URL,
    key_encryption_keys: Some(&keys::AUTH_KEY_ENCRYPTION_KEYS),
    key_rings: &["key-encryption-keys", "refresh-token-keys"],
    has_database_server: true,
    key_prefixes: &["REFRESH_TOKEN_"],
    keys: GROUPS,
    permissions: PERMISSIONS,
    codes: CODES,
    events: EVENTS,
};

permissions! {
    TokensIntrospect = ordinary "tokens:introspect" "Introspect access tokens (RFC 7662).";
    KeysRead = ordinary "keys:read" "List the signing keys.";
    KeysWrite = privileged "keys:write" "Rotate and revoke signing keys.";
}

codes! {
    AUTH_INVALID_CREDENTIALS = 401 "auth.invalid-credentials" "Invalid credentials"
        "Identifier and password do not belong together, or there is no such account; which of the two is not told.";
    AUTH_ACCOUNT_SUSPENDED = 403 "auth.account-suspended" "Account suspended"
        "The password is right, but an administrator suspended the account.";
    AUTH_REFRESH_TOKEN_INVALID = 401 "auth.refresh-token-invalid" "Invalid refresh token"
        "The refresh token is unknown, used, expired, or its session is closed. Log in again.";
    AUTH_TOKEN_TOO_LONG = 409 "auth.token-too-long" "Rights do not fit into a token"
        "The names of the user's roles and permissions are too long for an access token. Nothing was changed: the session and its refresh token are as before. When an administrator has taken roles or permissions away, the same request works.";
    AUTH_CREDENTIAL_NOT_FOUND = 404 "auth.credential-not-found" "Credential not found"
        "Internal: the user has no credential.";
    KEY_NOT_FOUND = 404 "key.not-found" "Key not found"
        "No signing key has this id; or its last token has ended, and it is gone.";
    KEY_SHARED_SECRET = 409 "key.shared-secret" "A shared secret signs"
        "With `JWT_SECRET_KEY` there are no signing keys to rotate or revoke: change the secret in the configuration of every service.";
}

events! {
    of Auth;
    /// Identifiers and password are stored: the commit point of a registration. Subject: the user.
    CREDENTIALS_CREATED = "credentials_created" to Profile;
    /// Every session of an older epoch must end. Subject: the user. Details: `min_epoch`, and
    /// `except_session_id` for the session that stays open.
    CREDENTIALS_EPOCH_RAISED = "credentials_epoch_raised" to Session;
    /// The user chose a new password. Subject: the user.
    PASSWORD_CHANGED = "password_changed";
    /// The operator gave the account a new password on the machine (`admin reset`). Subject: the user.
    PASSWORD_RESET = "password_reset";
    /// An unlock code was made for the account's owner, by an administrator or on the machine. Subject: the user.
    ACCOUNT_UNLOCKED = "account_unlocked";
    /// A wrong password, or a right one for an account that may not log in. About no stored entity.
    LOGIN_FAILED = "login_failed";
    /// A user asked to end a session while the session service could not be asked directly. Subject: the
    /// user. Details: `session_id`.
    LOGOUT_REQUESTED = "logout_requested" to Session;
    /// A key that signs access tokens was made, or takes over at once. Target: the key. Details: `reason`.
    SIGNING_KEY_ROTATED = "signing_key_rotated";
    /// A signing key was revoked: its tokens are refused. Target: the key.
    SIGNING_KEY_REVOKED = "signing_key_revoked" to Session;
    /// Auth's database was restored: every signing key was replaced and every epoch raised (`revoke-all`). Target: the
    /// service. Details: `users`.
    CREDENTIALS_REVOKED = "credentials_revoked";
    /// `credentials_revoked`, as the release before writes it.
    CREDENTIALS_FENCED = "credentials_fenced";
}

keys! {
    "Services among each other":
    AUTH_URL, SHARED.example("http://127.0.0.1:8101"),
        "Base address of auth's internal listener.";
    "Tokens and passwords":
    JWT_EXPIRATION_MIN, SHARED.default("15"),
        "Life of an access token in minutes, 1 to 60.";
    SIGNING_KEY_ROTATION, SHARED.default("90"),
        "After how many days the next signing key takes over by itself, 0 to 3650; 0: on request only.";
    INTROSPECTION_CLIENTS, SHARED.example("shop:0000000000000000000000000000000000000000000000000000000000000000"),
        "Resource servers that may introspect tokens by HTTP Basic: `id:SHA-256 of the secret in hex`, separated by commas. The secret is random, at least 32 characters: `openssl rand -hex 32`; `sha256sum` tells its hash.";
    AUTH_KEY_ENCRYPTION_KEYS, SECRET.example("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "Keys that seal what is secret in auth's database: `id:base64url of 32 bytes`, separated by commas. The first seals, all open. auth alone; required in production.";
    REFRESH_TOKEN_KEYS, SECRET.example("r1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "Keys under refresh tokens, written like `AUTH_KEY_ENCRYPTION_KEYS`. The first makes tokens, all verify. auth alone; required in production.";
    BCRYPT_COST, SHARED.default("12"),
        "Cost of password hashes, 4 to 15; in production at least 10.";
    BREACHED_PASSWORDS, SHARED.default("off"),
        "Where new passwords are looked up among those known from breaches: `file`; `hibp`, a service that is told five digits of each one's SHA-1; or `off`. A list that does not answer lets the password pass.";
    BREACHED_PASSWORDS_FILE, SHARED.example("/var/lib/user-domain/pwned-passwords.txt"),
        "The list for `file`: lines `SHA-1:count`, upper case, sorted, as the Pwned Passwords downloader writes them. Searched where it is, not loaded.";
    BREACHED_PASSWORDS_URL, SHARED.default("https://api.pwnedpasswords.com"),
        "The service for `hibp`: answers `GET /range/{first five digits}`.";
    "Limits":
    LIMIT_LOGIN, SHARED.default("300/60"),
        "Requests to log in, `count/seconds`, for one source (an IPv4 address, or the /64 of an IPv6 address). Passwords are limited by the three keys below.";
    LIMIT_LOGIN_DEVICE, SHARED.default("30/60"),
        "Requests to log in, `count/seconds`, of one device, by its token: they do not count for the source, so that nobody at the same address keeps a known device out.";
    LIMIT_LOGIN_FAILURES, SHARED.default("5/900"),
        "Wrong passwords, `count/seconds`, before each further one has to wait: 1 s, doubling to 900 s. Counted for one device, session, or known source of an account; without such evidence for one identifier from one source. One is forgotten after so many seconds, and with evidence all of them by a right one.";
    LIMIT_LOGIN_STRANGERS, SHARED.default("50/1800"),
        "Wrong passwords for one account from all sources without evidence before each further one has to wait in the same way, and after how many seconds one of them is forgotten: 50 in a day, about.";
    LIMIT_LOGIN_SOURCE_FAILURES, SHARED.default("100/60"),
        "Wrong passwords of one source without evidence over all accounts, and after how many seconds one of them is forgotten: 100, then one a minute.";
    LIMIT_PASSWORD_CHANGE, SHARED.default("10/900"),
        "Password changes, `count/seconds`, for one user.";
    LIMIT_REAUTHENTICATE, SHARED.default("10/900"),
        "Passwords given again in a session that goes on, `count/seconds`, for one user.";
    LIMIT_REFRESH, SHARED.default("60/60"),
        "Refreshes with a token that is no refresh token of this platform, `count/seconds`, for one address. Good tokens count for their session alone.";
    LIMIT_REFRESH_SESSION, SHARED.default("30/60"),
        "Refreshes, `count/seconds`, of one session: 30 at once, then one in 2 seconds. Repetitions count as well.";
    LIMIT_LOGOUT, SHARED.default("60/60"),
        "Logouts, `count/seconds`, for one user by access token, for one session by refresh token, and for one address with what is no token of this platform.";
    LIMIT_VALIDATE, SHARED.default("6000/60"),
        "Token validations, `count/seconds`, for one address; not for `TRUSTED_PROXIES`.";
    LIMIT_INTROSPECT, SHARED.default("6000/60"),
        "Introspections, `count/seconds`, for one address.";
    LIMIT_REVOKE, SHARED.default("60/60"),
        "Revocations by `POST /api/v1/auth/revoke`, `count/seconds`, for one address.";
    LIMIT_ROTATE_KEYS, SHARED.default("10/60"),
        "Rotations of the signing keys, `count/seconds`, for one user.";
    LIMIT_REVOKE_KEY, SHARED.default("60/60"),
        "Revocations of signing keys, `count/seconds`, for one user.";
}
