//! The two listeners of a service.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use ud_kernel::Service;
use url::Url;

use crate::{Key, Loader, keys, source::shown};

/// Seconds for which a process in production goes on answering: two checks of a load balancer or of Kubernetes.
const DRAIN: u64 = 5;

/// How a service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address of the public listener.
    pub host: IpAddr,
    /// True if there is a public listener: clients have business with this process.
    pub has_public_listener: bool,
    /// Public port; 0 lets the system choose.
    pub port: u16,
    /// Address of the internal listener.
    pub internal_bind: IpAddr,
    /// Internal port; 0 lets the system choose.
    pub internal_port: u16,
    /// TLS on both listeners.
    pub tls: Option<TlsConfig>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins as browsers send them: `https://app.example.com`.
    pub cors_allowed_origins: Vec<String>,
    /// Whether `/docs` and the OpenAPI documents are served.
    pub docs_enabled: bool,
    /// Threads that answer requests, at least 1.
    pub workers: usize,
    /// How long the process goes on answering after it was told to end.
    pub drain: Duration,
}

/// Files for TLS, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificate chain.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

impl HttpConfig {
    /// The base address under which clients on this machine reach the listener that is bound to `bound`.
    #[must_use]
    pub fn own_address(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let ip = match bound.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        format!("{scheme}://{}", SocketAddr::new(ip, bound.port()))
    }
}

impl Default for HttpConfig {
    /// For tests: loopback, free ports, one worker, documents on.
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            has_public_listener: true,
            port: 0,
            internal_bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            internal_port: 0,
            tls: None,
            trusted_proxies: Vec::new(),
            cors_allowed_origins: Vec::new(),
            docs_enabled: true,
            workers: 1,
            drain: Duration::ZERO,
        }
    }
}

impl HttpConfig {
    /// The listeners of `service`.
    pub fn load(loader: &mut Loader, service: Service) -> Self {
        let port_key = keys::HTTP_PORT.of(service);
        let internal_key = keys::INTERNAL_HTTP_PORT.of(service);
        let declared = service.declaration();
        let port = port_or_default(loader, &port_key, declared.public_port.unwrap_or_default());
        let internal_port = port_or_default(loader, &internal_key, declared.internal_port);
        if declared.public_port.is_some() && port == internal_port && port != 0 {
            loader.problem(&internal_key, "is the public port; the listeners need two");
        }
        let bind = loader.parse(&keys::INTERNAL_BIND, "an IP address");
        Self {
            has_public_listener: declared.public_port.is_some(),
            port,
            internal_port,
            internal_bind: bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            ..Self::load_shared(loader)
        }
    }

    /// What does not depend on the service; ports are 0 and the internal listener is on loopback.
    pub(crate) fn load_shared(loader: &mut Loader) -> Self {
        let host = loader.parse(&keys::HOST, "an IP address");
        let docs_enabled = if loader.is_set(&keys::DOCS_ENABLED) {
            loader.flag(&keys::DOCS_ENABLED)
        } else {
            !loader.app_env().is_production()
        };
        let workers = if loader.is_set(&keys::HTTP_WORKERS) {
            loader.number(&keys::HTTP_WORKERS, 1..=256)
        } else {
            std::thread::available_parallelism().map_or(1, usize::from)
        };
        let drain = if loader.is_set(&keys::SHUTDOWN_DRAIN_SECONDS) {
            loader.number(&keys::SHUTDOWN_DRAIN_SECONDS, 0..=300)
        } else if loader.app_env().is_production() {
            DRAIN
        } else {
            0
        };
        Self {
            drain: Duration::from_secs(drain),
            host: host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            tls: load_tls(loader),
            trusted_proxies: load_proxies(loader),
            cors_allowed_origins: load_origins(loader),
            docs_enabled,
            workers,
            ..Self::default()
        }
    }
}

/// A port, 0 included.
pub(crate) fn port(loader: &mut Loader, key: &Key) -> Option<u16> {
    loader.parse(key, "a port from 0 to 65535")
}

fn port_or_default(loader: &mut Loader, key: &Key, default: u16) -> u16 {
    port(loader, key).unwrap_or(default)
}

fn load_tls(loader: &mut Loader) -> Option<TlsConfig> {
    let cert_file = loader.file(&keys::TLS_CERT_FILE);
    let key_file = loader.file(&keys::TLS_KEY_FILE);
    match (cert_file, key_file) {
        (None, None) => None,
        (cert_file, key_file) => Some(TlsConfig {
            cert_file: loader.require(&keys::TLS_CERT_FILE, cert_file)?,
            key_file: loader.require(&keys::TLS_KEY_FILE, key_file)?,
        }),
    }
}

fn list(loader: &mut Loader, key: &Key) -> Vec<String> {
    let text = loader.text(key).unwrap_or_default();
    let entries = text.split(',').map(str::trim);
    entries
        .filter(|entry| !entry.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

fn load_proxies(loader: &mut Loader) -> Vec<IpNet> {
    let mut proxies = Vec::new();
    for entry in list(loader, &keys::TRUSTED_PROXIES) {
        let net = entry.parse::<IpNet>().ok();
        match net.or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from)) {
            None => loader.problem(
                &keys::TRUSTED_PROXIES,
                format!("{} is not an address or network", shown(&entry)),
            ),
            // Everybody would choose the address under which limits count them.
            Some(net) if net.prefix_len() == 0 => loader.problem(
                &keys::TRUSTED_PROXIES,
                format!("{} trusts everybody", shown(&entry)),
            ),
            Some(net) => proxies.push(net),
        }
    }
    proxies
}

fn load_origins(loader: &mut Loader) -> Vec<String> {
    let mut origins = Vec::new();
    for entry in list(loader, &keys::CORS_ALLOWED_ORIGINS) {
        // An origin is written exactly as browsers send it, or it never matches (RFC 6454 section 6.2).
        let url = Url::parse(&entry).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == entry
        });
        match url {
            None => loader.problem(
                &keys::CORS_ALLOWED_ORIGINS,
                format!(
                    "{} is not an exact origin such as https://app.example.com",
                    shown(&entry)
                ),
            ),
            Some(url) => {
                if url.scheme() == "http" {
                    loader.refuse_plaintext(&keys::CORS_ALLOWED_ORIGINS, &url);
                }
                origins.push(entry);
            }
        }
    }
    origins
}
