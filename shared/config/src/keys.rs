//! Every key there is, as data: the loader, `.env.example` and docs/CONFIG.md all come from this table.

use std::borrow::Cow;

use ud_kernel::Service;

/// Who has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One value for all services; the name stands as it is.
    Shared,
    /// A value for each service, under the service's prefix: `AUTH_` and the name.
    PerService {
        /// Name without prefix that a service running alone takes as well; the prefixed one wins.
        alone: Option<&'static str>,
    },
}

/// One configuration key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Name, without prefix until [`Key::of`] gave it one.
    pub name: Cow<'static, str>,
    /// Whether services share it.
    pub scope: Scope,
    /// Whether its value is never shown. A secret can also be given as a file, by `<name>_FILE`.
    pub secret: bool,
    /// Value used when it is not set; `None` where there is none or the help tells how it is found.
    pub default: Option<&'static str>,
    /// A value for `.env.example`. Refused as a secret in earnest.
    pub example: Option<&'static str>,
    /// What it means, in one or two sentences.
    pub help: &'static str,
}

impl Key {
    /// This key of one service: its prefixed name. A shared key stays as it is.
    #[must_use]
    pub fn of(&self, service: Service) -> Self {
        let mut key = self.clone();
        if matches!(self.scope, Scope::PerService { .. }) {
            key.name = Cow::Owned(format!("{}_{}", service.config_prefix(), self.name));
        }
        key
    }
}

/// Keys that belong together under one heading.
#[derive(Debug)]
pub struct Group {
    /// Heading.
    pub title: &'static str,
    /// Its keys, in the order in which they are documented.
    pub keys: &'static [&'static Key],
}

/// What a table line says about a key beside its name and help.
#[derive(Clone, Copy)]
struct Line {
    scope: Scope,
    secret: bool,
    default: Option<&'static str>,
    example: Option<&'static str>,
}

const SHARED: Line = Line {
    scope: Scope::Shared,
    secret: false,
    default: None,
    example: None,
};
const SECRET: Line = Line {
    secret: true,
    ..SHARED
};

impl Line {
    const fn own(alone: &'static str) -> Self {
        Self {
            scope: Scope::PerService { alone: Some(alone) },
            ..SHARED
        }
    }

    const fn own_secret(alone: &'static str) -> Self {
        Self {
            secret: true,
            ..Self::own(alone)
        }
    }

    const fn default(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    const fn example(self, example: &'static str) -> Self {
        Self {
            example: Some(example),
            ..self
        }
    }

    const fn key(self, name: &'static str, help: &'static str) -> Key {
        Key {
            name: Cow::Borrowed(name),
            scope: self.scope,
            secret: self.secret,
            default: self.default,
            example: self.example,
            help,
        }
    }
}

/// Declares each key once: a static to load it by, its documentation, and its place in [`GROUPS`]. A
/// function cannot declare statics, and a second list by hand could miss one.
macro_rules! table {
    ($($title:literal: $($id:ident, $line:expr, $help:literal;)+)+) => {
        $($(#[doc = $help] pub static $id: Key = $line.key(stringify!($id), $help);)+)+
        /// All keys, by heading.
        pub static GROUPS: &[Group] = &[$(Group { title: $title, keys: &[$(&$id),+] }),+];
    };
}

table! {
    "General":
    APP_ENV, SHARED,
        "`production` or `development`. Unset it is `production`, in standalone `development`. Production refuses unencrypted connections, missing keys and undeclared promises.";
    ALLOW_PLAINTEXT, SHARED.example("db.internal,redis.internal:6379"),
        "Hosts, or `host:port`, separated by commas, that production may reach without verified encryption. Loopback needs no entry.";
    DATA_DIR, SHARED.default("./data"),
        "Standalone: folder of its databases and keys, made with mode 0700.";
    "Listeners":
    HOST, SHARED.default("127.0.0.1"),
        "Address of the public listener. Standalone binds another than loopback only with `APP_ENV=production`.";
    HTTP_PORT, Line::own("PORT"),
        "Public port of one service. Defaults: auth 8001, role 8002, session 8003, audit 8004, profile 8005.";
    PORT, SHARED,
        "Public port of standalone (8080), or of a service that runs alone.";
    INTERNAL_BIND, SHARED.default("127.0.0.1"),
        "Address of the internal listener: `/internal/**`, `/readyz`, `/metrics`. Standalone always uses 127.0.0.1.";
    INTERNAL_HTTP_PORT, Line::own("INTERNAL_PORT"),
        "Internal port of one service. Defaults: auth 8101, role 8102, session 8103, audit 8104, profile 8105.";
    INTERNAL_PORT, SHARED,
        "Internal port of standalone (any free one), or of a service that runs alone.";
    HTTP_WORKERS, SHARED,
        "Threads that answer requests, 1 to 256. Default: one for each processor.";
    SHUTDOWN_DRAIN_SECONDS, SHARED,
        "How long a process that is told to end goes on answering, 0 to 300: `/readyz` fails, and each answer ends its connection, so that clients and load balancers turn to other replicas. Default: 5 in production, otherwise 0.";
    TLS_CERT_FILE, SHARED,
        "Certificate chain (PEM) for TLS on both listeners; together with `TLS_KEY_FILE`. Both are read again at SIGHUP.";
    TLS_KEY_FILE, SHARED,
        "Private key (PEM) of `TLS_CERT_FILE`.";
    TRUSTED_PROXIES, SHARED.example("10.0.0.0/8"),
        "Addresses or networks, separated by commas, whose `X-Forwarded-For` is believed.";
    CORS_ALLOWED_ORIGINS, SHARED.example("https://app.example.com"),
        "Exact origins, separated by commas, whose pages may call the API. Unset: none.";
    DOCS_ENABLED, SHARED,
        "Whether `/docs` and the OpenAPI documents are served. Default: not in production.";
    GATEWAY_PORT, SHARED.default("8080"),
        "Port of NGINX under `make dev` and in `docker-compose.yml`.";
    GATEWAY_ADDRESS, SHARED.default("127.0.0.1"),
        "`docker-compose.yml`: address of this machine at which the gateway is published.";
    GATEWAY_NETWORK_PREFIX, SHARED.default("10.213.77"),
        "`docker-compose.yml`: the first three numbers of the networks among its containers, which share the fourth; the gateway's own address ends with 2.";
    BUILD_CA_FILE, SHARED.example("/etc/ssl/proxy.pem"),
        "`docker-compose.yml`: certificates (PEM) for building images behind a proxy that opens TLS. They are not in the images.";
    IMAGE_VERSION, SHARED.default("local"),
        "`docker-compose.yml`: tag of the images.";
    "Databases":
    DATABASE_URL, Line::own_secret("DATABASE_URL").example("postgres://user:changeme@127.0.0.1/database"),
        "`postgres://`, `mysql://` or `sqlite://PATH`. In production PostgreSQL needs `sslmode=verify-full` and MySQL `ssl_mode=verify_identity`. Default in development: a SQLite file in `./data`; in standalone: one in `DATA_DIR`.";
    MIGRATION_DATABASE_URL, Line::own_secret("MIGRATION_DATABASE_URL").example("postgres://owner:changeme@127.0.0.1/database"),
        "Connection of the user who owns the tables; `migrate` uses it, so that the run-time user need not own any.";
    DATABASE_POOL_SIZE, Line::own("DATABASE_POOL_SIZE").default("10"),
        "Most connections at once, 1 to 200.";
    DATABASE_ACQUIRE_TIMEOUT_MS, Line::own("DATABASE_ACQUIRE_TIMEOUT_MS").default("2000"),
        "Longest wait for a free connection in milliseconds, 10 to 60000; then the answer is 503.";
    AUTO_MIGRATE, SHARED.default("false"),
        "Whether `serve` migrates the database first. On SQLite it always does. A server that is away is waited for: 503 until it has come and is migrated.";
    REDIS_URL, SECRET.example("rediss://:changeme@redis.example.com:6379"),
        "Session store: `redis://` or `rediss://`. Unset: the session service keeps one SQLite file and runs as one replica.";
    REDIS_DURABILITY, SHARED,
        "What the Redis server promises: `fsync` (AOF, `appendfsync always`), `replicated` (`min-replicas-to-write 1`) or `lossy`. Must be given in production; else `lossy`.";
    "Services among each other":
    AUTH_URL, SHARED.example("http://127.0.0.1:8101"),
        "Base address of auth's internal listener.";
    ROLE_URL, SHARED.example("http://127.0.0.1:8102"),
        "Base address of role's internal listener.";
    SESSION_URL, SHARED.example("http://127.0.0.1:8103"),
        "Base address of session's internal listener.";
    AUDIT_URL, SHARED.example("http://127.0.0.1:8104"),
        "Base address of audit's internal listener.";
    PROFILE_URL, SHARED.example("http://127.0.0.1:8105"),
        "Base address of profile's internal listener.";
    IDENTITY_KEY_FILE, Line::own("IDENTITY_KEY_FILE"),
        "Private key (Ed25519, JWK) by which one service proves to the others who it is; `keygen` makes it. Required in production.";
    IDENTITY_PEERS_FILE, SHARED.example("./keys/peers.json"),
        "JWK set of the services' public keys, `kid` is the service's name. Required in production.";
    SIGNATURES_ONLY, SHARED.default("false"),
        "Lets a service run in production without `SESSION_URL`: it then checks signatures only and does not see closed sessions.";
    REVOCATION_FALLBACK, SHARED.default("closed"),
        "What becomes of access tokens while the session service does not tell whether their session lives: `closed` refuses them (503); `open` accepts them, except for writing and deleting by permission.";
    "Tokens and passwords":
    ISSUER_URL, SHARED.example("https://id.example.com"),
        "`iss` of access tokens: the public address of the platform. Default in development: `http://127.0.0.1:8080`; in standalone: its own address. A token has 4 KiB: the bytes of this and of `JWT_AUDIENCE` go off what is left for the names of a user's roles and permissions, 2,553 with `EdDSA` and `ES256`, 2,361 with `RS256`, 2,585 with `HS256`. Where less than 2,500 is left the limit of names is lower; less than 2,000 is refused at the start of auth and of role.";
    JWT_AUDIENCE, SHARED.default("user-domain"),
        "`aud` of access tokens; any other is refused.";
    JWT_ALGORITHM, SHARED.default("EdDSA"),
        "Signs access tokens: `EdDSA`, `ES256`, `RS256`; `HS256` if `JWT_SECRET_KEY` is set, and only then. `RS256` leaves less of a token for names, see `ISSUER_URL`. For auth; role checks `ISSUER_URL` with it, and follows the published keys.";
    JWT_EXPIRATION_MIN, SHARED.default("15"),
        "Life of an access token in minutes, 1 to 60.";
    SIGNING_KEY_ROTATION, SHARED.default("90"),
        "After how many days the next signing key takes over by itself, 0 to 3650; 0: on request only.";
    JWT_SECRET_KEY, SECRET.example("changeme-changeme-changeme-changeme"),
        "Key of HS256, at least 32 bytes. Whoever can verify with it can also issue.";
    JWT_ALLOW_SHARED_SECRET, SHARED.default("false"),
        "Accepts that `JWT_SECRET_KEY` makes every verifier an issuer. Needed outside standalone.";
    JWKS_URL, SHARED,
        "Where the verification keys are. Default: `/.well-known/jwks.json` under `AUTH_URL`.";
    INTROSPECTION_CLIENTS, SHARED.example("shop:0000000000000000000000000000000000000000000000000000000000000000"),
        "Resource servers that may introspect tokens by HTTP Basic: `id:SHA-256 of the secret in hex`, separated by commas. The secret is random, at least 32 characters: `openssl rand -hex 32`; `sha256sum` tells its hash.";
    AUTH_KEY_ENCRYPTION_KEYS, SECRET.example("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "Keys that seal what is secret in auth's database: `id:base64url of 32 bytes`, separated by commas. The first seals, all open. auth alone; required in production.";
    PROFILE_KEY_ENCRYPTION_KEYS, SECRET.example("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "The same for profile alone; required there in production.";
    AUDIT_KEY_ENCRYPTION_KEYS, SECRET.example("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "The same for audit alone; required there in production.";
    KEY_ENCRYPTION_KEYS, SECRET.example("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "One ring for all three, for development and standalone: a service's own goes before it. In production a service that has no ring of its own still takes this one, warns at the start, and is to be moved (docs/KEYS.md).";
    REFRESH_TOKEN_KEYS, SECRET.example("r1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "Keys under refresh tokens, written like `AUTH_KEY_ENCRYPTION_KEYS`. The first makes tokens, all verify. auth alone; required in production.";
    SESSION_FEED_KEYS, SECRET.example("f1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "Keys under the places that the revocation feed hands out, written like `AUTH_KEY_ENCRYPTION_KEYS`. The first tags, all verify. session alone, the same on all its replicas; required in production.";
    PASSWORD_MIN_LENGTH, SHARED.default("15"),
        "Shortest password in characters, 8 to 256.";
    BCRYPT_COST, SHARED.default("12"),
        "Cost of password hashes, 4 to 15; in production at least 10.";
    BREACHED_PASSWORDS, SHARED.default("off"),
        "Where new passwords are looked up among those known from breaches: `file`; `hibp`, a service that is told five digits of each one's SHA-1; or `off`. A list that does not answer lets the password pass.";
    BREACHED_PASSWORDS_FILE, SHARED.example("/var/lib/user-domain/pwned-passwords.txt"),
        "The list for `file`: lines `SHA-1:count`, upper case, sorted, as the Pwned Passwords downloader writes them. Searched where it is, not loaded.";
    BREACHED_PASSWORDS_URL, SHARED.default("https://api.pwnedpasswords.com"),
        "The service for `hibp`: answers `GET /range/{first five digits}`.";
    "Registration":
    REGISTRATION_DISCLOSURE, SHARED.default("conflict"),
        "What registering a taken email address answers. Only `conflict` (409) exists: `uniform` needs mail.";
    BOOTSTRAP_ADMIN_EMAIL, SHARED.example("admin@example.com"),
        "Makes the first administrator with this address, once. Ignored after that. Default in standalone: `admin@localhost`.";
    BOOTSTRAP_ADMIN_PASSWORD, SECRET.example("changeme"),
        "The first administrator's password. Standalone makes one when it is not set.";
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
    LIMIT_REGISTRATION, SHARED.default("10/3600"),
        "Registrations, `count/seconds`, for one address.";
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
    LIMIT_UPDATE_USER, SHARED.default("60/60"),
        "Changes of one's own data, `count/seconds`, for one user.";
    LIMIT_OPERATOR_UPDATE_USER, SHARED.default("600/60"),
        "Changes of users, `count/seconds`, for one user with `users:write`.";
    LIMIT_DELETE_USER, SHARED.default("60/60"),
        "Deletions of one's own account, `count/seconds`, for one user.";
    LIMIT_OPERATOR_DELETE_USER, SHARED.default("600/60"),
        "Deletions of users, `count/seconds`, for one user with `users:delete`.";
    LIMIT_SUSPEND_USER, SHARED.default("600/60"),
        "Suspensions, `count/seconds`, for one user.";
    LIMIT_REACTIVATE_USER, SHARED.default("600/60"),
        "Reactivations, `count/seconds`, for one user.";
    LIMIT_UNLOCK_USER, SHARED.default("600/60"),
        "Unlocks of accounts, `count/seconds`, for one user.";
    LIMIT_CLOSE_SESSION, SHARED.default("60/60"),
        "Ends of one session of one's own, `count/seconds`, for one user.";
    LIMIT_OPERATOR_CLOSE_SESSION, SHARED.default("600/60"),
        "Ends of one session, `count/seconds`, for one user with `sessions:write`.";
    LIMIT_CLOSE_SESSIONS, SHARED.default("60/60"),
        "Ends of all one's own sessions, `count/seconds`, for one user.";
    LIMIT_OPERATOR_CLOSE_SESSIONS, SHARED.default("600/60"),
        "Ends of all sessions of a user, `count/seconds`, for one user with `sessions:write`.";
    LIMIT_CREATE_ROLE, SHARED.default("600/60"),
        "New roles, `count/seconds`, for one user.";
    LIMIT_UPDATE_ROLE, SHARED.default("600/60"),
        "Changes of roles, `count/seconds`, for one user.";
    LIMIT_DELETE_ROLE, SHARED.default("600/60"),
        "Deletions of roles, `count/seconds`, for one user.";
    LIMIT_CREATE_ASSIGNMENT, SHARED.default("600/60"),
        "Roles given, `count/seconds`, for one user.";
    LIMIT_DELETE_ASSIGNMENT, SHARED.default("600/60"),
        "Roles taken away, `count/seconds`, for one user.";
    LIMIT_CREATE_AUDIT, SHARED.default("6000/60"),
        "Records by `POST /api/v1/audits`, `count/seconds`, for one user.";
    "Logs":
    LOG_FORMAT, SHARED.default("text"),
        "`text` for a console, or `json`: one object a line.";
    LOG_LEVEL, SHARED.default("info"),
        "`error`, `warn`, `info`, `debug`, `trace` or `off`; for a part of the program `target=level`; separated by commas.";
}

/// Every key, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Key> {
    GROUPS.iter().flat_map(|group| group.keys.iter().copied())
}

/// The keys of how often something may be done.
pub fn limits() -> impl Iterator<Item = &'static Key> {
    all().filter(|key| key.name.starts_with("LIMIT_"))
}

/// The full names a key can be set by: prefixed for each service, and with `_FILE` for a secret. The name
/// that a service alone takes is in the table by itself or equals the name without prefix.
#[must_use]
pub fn names_of(key: &Key) -> Vec<String> {
    let mut names = match key.scope {
        Scope::Shared => vec![key.name.to_string()],
        Scope::PerService { alone } => Service::ALL
            .into_iter()
            .map(|service| key.of(service).name.into_owned())
            .chain(alone.map(ToOwned::to_owned))
            .collect(),
    };
    if key.secret {
        let files: Vec<String> = names.iter().map(|name| format!("{name}_FILE")).collect();
        names.extend(files);
    }
    names
}

/// Every full name the loader takes, sorted.
#[must_use]
pub fn every_name() -> Vec<String> {
    let mut names: Vec<String> = all().flat_map(names_of).collect();
    names.sort_unstable();
    names.dedup();
    names
}
