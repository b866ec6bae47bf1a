//! The environment of each process.

use testkit::{Proxy, new_key_ring};
use ud_kernel::Service;

use crate::{Options, Platform, Release};

/// So wide that no suite meets it.
const NO_LIMIT: &str = "1000000/60";
type Pairs = Vec<(String, String)>;

/// Of one service; it gets what it needs, and nobody else's secrets.
pub(crate) fn of_service(platform: &Platform, service: Service, options: &Options) -> Pairs {
    let mut env = common(platform);
    let mut set = |name: &str, value: String| env.push((name.to_owned(), value));
    let prefix = service.config_prefix();
    set("APP_ENV", "development".to_owned());
    set("AUTO_MIGRATE", "true".to_owned());
    set("TRUSTED_PROXIES", "127.0.0.1".to_owned());
    set("ISSUER_URL", platform.directory.gateway());
    let port = platform.directory.public_port(service).to_string();
    set(&format!("{prefix}_HTTP_PORT"), port);
    let port = platform.directory.internal_port(service).to_string();
    set(&format!("{prefix}_INTERNAL_HTTP_PORT"), port);
    for peer in Service::ALL {
        let url = peer_url(platform, peer, options);
        set(&format!("{}_URL", peer.config_prefix()), url);
    }
    let identities = platform.identities();
    let file = identities.key_file(service).display().to_string();
    set(&format!("{prefix}_IDENTITY_KEY_FILE"), file);
    set(
        "IDENTITY_PEERS_FILE",
        identities.peers_file().display().to_string(),
    );
    if service.declaration().has_database_server {
        let url = &platform.database(service).url;
        let proxy = platform.links().databases.get(&service);
        set(&format!("{prefix}_DATABASE_URL"), through(proxy, url));
    }
    let redis = platform.redis().expect("services have Redis").url();
    set(
        "REDIS_URL",
        through(platform.links().redis.as_ref(), &redis),
    );
    set("REDIS_DURABILITY", "fsync".to_owned());
    let ring = |id: &str| {
        let ring = new_key_ring(id);
        platform
            .secrets
            .saw("key", ring.split_once(':').expect("an id").1);
        ring
    };
    if service.declaration().key_encryption_keys.is_some() {
        let own = ring("k1");
        if options.release != Release::This {
            set("KEY_ENCRYPTION_KEYS", own.clone());
        }
        set(&format!("{prefix}_KEY_ENCRYPTION_KEYS"), own);
    }
    if service == Service::Auth {
        set("REFRESH_TOKEN_KEYS", ring("r1"));
    }
    if service == Service::Session {
        set("SESSION_FEED_KEYS", ring("f1"));
    }
    platform
        .secrets
        .saw("key", &identities.private_key(service));
    if service == Service::Profile {
        env.extend(administrator(platform));
    }
    env.extend(told(options, Some(service)));
    env
}

/// Of the second replica: that of the first, secrets included, on ports of its own.
pub(crate) fn of_second(platform: &Platform, service: Service, first: &Pairs) -> Pairs {
    let (public, internal) = platform.directory.second_ports(service);
    let prefix = service.config_prefix();
    let ports = [("HTTP_PORT", public), ("INTERNAL_HTTP_PORT", internal)];
    let ports = ports.map(|(name, port)| (format!("{prefix}_{name}"), port.to_string()));
    first.iter().cloned().chain(ports).collect()
}

/// Of the one process.
pub(crate) fn of_standalone(platform: &Platform, options: &Options) -> Pairs {
    let mut env = common(platform);
    let mut set = |name: &str, value: String| env.push((name.to_owned(), value));
    set("PORT", platform.directory.gateway_port().to_string());
    let internal = platform.directory.internal_port(Service::Auth);
    set("INTERNAL_PORT", internal.to_string());
    set(
        "DATA_DIR",
        platform.folder().join("data").display().to_string(),
    );
    env.extend(administrator(platform));
    env.extend(told(options, None));
    env
}

fn common(platform: &Platform) -> Pairs {
    let fixed = [
        ("BCRYPT_COST", "4"),
        ("LOG_FORMAT", "json"),
        ("LOG_LEVEL", "info"),
        ("HTTP_WORKERS", "2"),
    ];
    let limits = ud_config::keys::limits().map(|key| (&*key.name, NO_LIMIT));
    let temporary = platform.folder().display().to_string();
    let pairs = fixed.into_iter().chain(limits);
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    pairs
        .map(own)
        .chain([("TMPDIR".to_owned(), temporary)])
        .collect()
}

fn administrator(platform: &Platform) -> Pairs {
    let chief = &platform.chief;
    vec![
        ("BOOTSTRAP_ADMIN_EMAIL".to_owned(), chief.email.clone()),
        (
            "BOOTSTRAP_ADMIN_PASSWORD".to_owned(),
            chief.password.clone(),
        ),
    ]
}

/// What the test asked for; the last of two equal names wins, as in `Command::env`.
fn told(options: &Options, service: Option<Service>) -> Pairs {
    let own = options.own.iter();
    let own = own.filter(|(s, ..)| service.is_none_or(|service| service == *s));
    let own = own.map(|(_, name, value)| (name.clone(), value.clone()));
    options.shared.iter().cloned().chain(own).collect()
}

fn peer_url(platform: &Platform, peer: Service, options: &Options) -> String {
    if options.is_replicated {
        let port = platform.directory.balanced_port(peer);
        return format!("http://127.0.0.1:{port}");
    }
    let url = platform.directory.of(peer).internal;
    let held = platform.links().held_callee.as_ref().map(Proxy::port);
    match held.filter(|_| options.held_callee == Some(peer)) {
        Some(port) => format!("http://127.0.0.1:{port}"),
        None => through(platform.links().peers.get(&peer), &url),
    }
}

fn through(proxy: Option<&Proxy>, url: &str) -> String {
    proxy.map_or_else(|| url.to_owned(), |proxy| proxy.instead_of(url))
}
