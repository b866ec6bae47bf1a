//! Every key there is, as data: the loader, `.env.example` and docs/CONFIG.md all come from these tables. Those that
//! several services read are here; each service declares the others.

use ud_kernel::Service;

pub use common::keys::*;
pub use ud_kernel::{
    key::{Group, Key, Scope},
    keys::*,
};

/// The keys that several services read.
mod common {
    ud_kernel::key_table! {
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
            "Public port of one service. Defaults: {public_ports}.";
        PORT, SHARED,
            "Public port of standalone (8080), or of a service that runs alone.";
        INTERNAL_BIND, SHARED.default("127.0.0.1"),
            "Address of the internal listener: `/internal/**`, `/readyz`, `/metrics`. Standalone always uses 127.0.0.1.";
        INTERNAL_HTTP_PORT, Line::own("INTERNAL_PORT"),
            "Internal port of one service. Defaults: {internal_ports}.";
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
        JWT_SECRET_KEY, SECRET.example("changeme-changeme-changeme-changeme"),
            "Key of HS256, at least 32 bytes. Whoever can verify with it can also issue.";
        JWT_ALLOW_SHARED_SECRET, SHARED.default("false"),
            "Accepts that `JWT_SECRET_KEY` makes every verifier an issuer. Needed outside standalone.";
        JWKS_URL, SHARED,
            "Where the verification keys are. Default: `/.well-known/jwks.json` under `AUTH_URL`.";
        KEY_ENCRYPTION_KEYS, SECRET.example("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            "One ring for all services that have one, for development and standalone: a service's own goes before it. In production a service that has no ring of its own still takes this one, warns at the start, and is to be moved (docs/KEYS.md).";
        PASSWORD_MIN_LENGTH, SHARED.default("15"),
            "Shortest password in characters, 8 to 256.";
        "Registration":
        "Limits":
        "Logs":
        LOG_FORMAT, SHARED.default("text"),
            "`text` for a console, or `json`: one object a line.";
        LOG_LEVEL, SHARED.default("info"),
            "`error`, `warn`, `info`, `debug`, `trace` or `off`; for a part of the program `target=level`; separated by commas.";
    }

    pub(super) fn groups() -> &'static [ud_kernel::key::Group] {
        GROUPS
    }
}

/// Returns every heading of docs/CONFIG.md with its keys: the common ones, then those of each service.
#[must_use]
pub fn groups() -> Vec<(&'static str, Vec<&'static Key>)> {
    let of_services = Service::ALL
        .into_iter()
        .flat_map(|service| service.declaration().keys);
    let mut groups: Vec<(&str, Vec<&Key>)> = Vec::new();
    for group in common::groups().iter().chain(of_services) {
        match groups.iter_mut().find(|(title, _)| *title == group.title) {
            Some((_, keys)) => keys.extend(group.keys),
            None => groups.push((group.title, group.keys.to_vec())),
        }
    }
    groups
}

/// Every key, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Key> {
    groups().into_iter().flat_map(|(_, keys)| keys)
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
