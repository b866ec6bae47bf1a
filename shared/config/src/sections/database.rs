//! The SQL database of one service.

use std::{path::Path, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use ud_kernel::Service;
use url::Url;

use crate::{Key, Loader, keys, placeholder};

/// How one service reaches its database.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `postgres://`, `postgresql://`, `mysql://` or `sqlite://PATH`, where PATH is what the file system takes.
    pub url: SecretString,
    /// Connection that owns the tables, if it is another.
    pub migration_url: Option<SecretString>,
    /// Most connections at once.
    pub pool_size: u32,
    /// Longest wait for one.
    pub acquire_timeout: Duration,
    /// Whether `serve` migrates first: on SQLite, or when told.
    pub auto_migrate: bool,
}

impl DatabaseConfig {
    /// The database of `service`.
    pub fn load(loader: &mut Loader, service: Service) -> Self {
        let key = keys::DATABASE_URL.of(service);
        let url = load_url(loader, &key);
        let url = match default_url(loader, service) {
            Some(default) if !loader.is_set(&key) => default,
            _ => loader.require(&key, url).unwrap_or_default(),
        };
        let migration_url = load_url(loader, &keys::MIGRATION_DATABASE_URL.of(service));
        let pool_size = loader.number(&keys::DATABASE_POOL_SIZE.of(service), 1..=200);
        let wait = loader.number(&keys::DATABASE_ACQUIRE_TIMEOUT_MS.of(service), 10..=60_000);
        let told = loader.flag(&keys::AUTO_MIGRATE);
        Self {
            auto_migrate: told || url.expose_secret().starts_with("sqlite:"),
            url,
            migration_url,
            pool_size,
            acquire_timeout: Duration::from_millis(wait),
        }
    }

    /// Most descriptors that it holds: one for each connection, on SQLite two (the database and its write-ahead log) and the
    /// lock on the file.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        let is_sqlite = self.url.expose_secret().starts_with("sqlite:");
        let each = if is_sqlite { 2 } else { 1 };
        let connections = usize::try_from(self.pool_size).unwrap_or(usize::MAX);
        each * connections + usize::from(is_sqlite)
    }
}

fn default_url(loader: &mut Loader, service: Service) -> Option<SecretString> {
    let folder = if loader.is_standalone() {
        loader.text(&keys::DATA_DIR)?
    } else if loader.app_env().is_production() {
        return None;
    } else {
        "./data".to_owned()
    };
    let file = Path::new(&folder).join(format!("{service}.db"));
    Some(format!("sqlite://{}", file.display()).into())
}

fn load_url(loader: &mut Loader, key: &Key) -> Option<SecretString> {
    let found = loader.find(key)?;
    let url: SecretString = found.text.as_str().into();
    if let Some(path) = url.expose_secret().strip_prefix("sqlite://") {
        if path.is_empty() {
            loader.problem(key, "names no file after sqlite://");
        }
        return Some(url);
    }
    let parsed = Url::parse(url.expose_secret()).ok().filter(|url| {
        matches!(url.scheme(), "postgres" | "postgresql" | "mysql") && url.path().len() > 1
    });
    let Some(parsed) = parsed else {
        loader.problem(
            key,
            "is not postgres://user:password@host/database, mysql://user:password@host/database or sqlite://PATH",
        );
        return Some(url);
    };
    refuse_unverified(loader, key, &parsed);
    refuse_placeholder_password(loader, key, parsed.password());
    Some(url)
}

/// In production every host a client library could connect to by this URL must be verified: the parameters
/// `host` and `hostaddr` override the URL's own host in libpq.
fn refuse_unverified(loader: &mut Loader, key: &Key, url: &Url) {
    let last = |name: &str| {
        let pairs = url.query_pairs();
        pairs
            .filter(|(k, _)| k == name)
            .last()
            .map(|(_, v)| v.into_owned())
    };
    let postgres = url.scheme() != "mysql";
    let (is_verified, hint, default_port) = if postgres {
        let mode = last("sslmode");
        (
            mode.as_deref() == Some("verify-full"),
            "does not say sslmode=verify-full",
            5432,
        )
    } else {
        let mode = last("ssl_mode").map(|mode| mode.to_ascii_lowercase());
        (
            mode.as_deref() == Some("verify_identity"),
            "does not say ssl_mode=verify_identity",
            3306,
        )
    };
    if is_verified {
        return;
    }
    let port = Some(url.port().unwrap_or(default_port));
    let mut hosts = vec![percent_decoded(url.host_str().unwrap_or_default())];
    if postgres {
        hosts.extend(last("host").into_iter().chain(last("hostaddr")));
    }
    // No host at all is the socket of this machine.
    for host in hosts
        .iter()
        .flat_map(|hosts| hosts.split(','))
        .filter(|host| !host.is_empty())
    {
        loader.refuse_plaintext_host(key, host, port, hint);
    }
}

/// In production a password like `changeme` in a URL is refused; a developer's database may have one.
pub(super) fn refuse_placeholder_password(loader: &mut Loader, key: &Key, password: Option<&str>) {
    let Some(password) = password.filter(|_| loader.app_env().is_production()) else {
        return;
    };
    if placeholder::is_placeholder(&percent_decoded(password)) {
        loader.problem(key, "has a placeholder for a password");
    }
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
