use std::{fs, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret as _;
use ud_config::{
    Algorithm, BreachedPasswords, DatabaseConfig, Durability, HttpConfig, IdentityConfig,
    LogConfig, PasswordConfig, PeersConfig, RedisConfig, RegistrationConfig, SigningConfig,
    StandaloneConfig, TokenConfig, keys,
};
use ud_kernel::Service;

use crate::{development, problems, production};

/// 32 bytes that look random, another for each `n`.
pub fn key(n: u8) -> String {
    let bytes: Vec<u8> = (0..32u8)
        .map(|i| i.wrapping_mul(i).wrapping_mul(31) ^ i.wrapping_mul(97) ^ n)
        .collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn a_developer_needs_to_set_nothing() {
    let mut loader = development(&[]);
    for service in Service::ALL {
        let http = HttpConfig::load(&mut loader, service);
        let declared = service.declaration();
        assert_eq!(http.has_public_listener, declared.public_port.is_some());
        assert_eq!(http.port, declared.public_port.unwrap_or_default());
        assert_eq!(http.internal_port, declared.internal_port);
        assert!(http.host.is_loopback() && http.internal_bind.is_loopback() && http.docs_enabled);
        assert!(http.workers >= 1);
        let database = DatabaseConfig::load(&mut loader, service);
        assert_eq!(
            database.url.expose_secret(),
            format!("sqlite://./data/{service}.db")
        );
        assert!(database.auto_migrate, "SQLite migrates by itself");
        assert_eq!(database.pool_size, 10);
        assert_eq!(database.acquire_timeout, Duration::from_secs(2));
        assert_eq!(
            IdentityConfig::load(&mut loader, service),
            IdentityConfig::default()
        );
        assert_eq!(
            PeersConfig::load(&mut loader, service),
            PeersConfig::default()
        );
        assert!(RedisConfig::load(&mut loader, service).is_none());
        assert_eq!(LogConfig::load(&mut loader, service), LogConfig::default());
        let token = TokenConfig::load(&mut loader, service);
        assert_eq!(
            (token.issuer.as_str(), token.audience.as_str()),
            ("http://127.0.0.1:8080", "user-domain")
        );
        let signing = SigningConfig::load(&mut loader, service);
        assert_eq!(signing.algorithm, Algorithm::EdDsa);
        assert_eq!(signing.access_ttl, Duration::from_secs(900));
        let password = PasswordConfig::load(&mut loader, service);
        assert_eq!((password.min_length, password.bcrypt_cost), (15, 12));
        assert!(
            RegistrationConfig::load(&mut loader, service)
                .bootstrap
                .is_none()
        );
    }
    for key in keys::all().filter(|key| key.name.starts_with("LIMIT_")) {
        assert_eq!(Some(loader.limit(key).to_string().as_str()), key.default);
    }
    loader.finish().unwrap();
}

#[test]
fn every_default_in_the_table_is_accepted() {
    let pairs: Vec<(&str, &str)> = keys::all()
        .filter(|key| key.scope == ud_config::Scope::Shared)
        .filter_map(|key| Some((key.name.as_ref(), key.default?)))
        .collect();
    let mut loader = development(&pairs);
    HttpConfig::load(&mut loader, Service::Auth);
    SigningConfig::load(&mut loader, Service::Auth);
    loader.finish().unwrap();
}

#[test]
fn standalone_has_its_own_defaults_and_stays_on_loopback() {
    let mut loader = development(&[]).for_standalone();
    let config = StandaloneConfig::load(&mut loader);
    assert_eq!((config.http.port, config.http.internal_port), (8080, 0));
    assert_eq!(config.data_dir.to_str(), Some("./data"));
    let bootstrap = RegistrationConfig::load(&mut loader, Service::Profile)
        .bootstrap
        .unwrap();
    assert_eq!(bootstrap.email, "admin@localhost");
    assert!(bootstrap.password.is_none());
    loader.finish().unwrap();

    let load = |loader: &mut _| StandaloneConfig::load(loader);
    let pairs = [
        ("HOST", "0.0.0.0"),
        ("DATA_DIR", "/srv"),
        ("PORT", "1"),
        ("INTERNAL_BIND", "0.0.0.0"),
    ];
    for loader in [development(&pairs), production(&pairs)] {
        let found = problems(loader.for_standalone(), load);
        assert_eq!(
            found,
            [
                "HOST: is reachable from other machines: standalone wants APP_ENV=production for that"
            ]
        );
    }
    let told = production(&[&pairs[..], &[("APP_ENV", "production")]].concat());
    let mut told = told.for_standalone();
    let config = load(&mut told);
    assert_eq!(config.http.host.to_string(), "0.0.0.0");
    assert!(config.http.internal_bind.is_loopback());
    told.finish().unwrap();
}

#[test]
fn the_shared_secret_is_long_real_and_accepted() {
    let load = |loader: &mut _| {
        SigningConfig::load(loader, Service::Auth);
        TokenConfig::load(loader, Service::Auth)
    };
    let long = "b7RkzXw0sPq9dYv3LmN8TjHg5FcA2uQe";
    let hs256 = ("JWT_ALGORITHM", "HS256");
    let allowed = ("JWT_ALLOW_SHARED_SECRET", "true");
    for (pairs, expected) in [
        (
            &[hs256, allowed, ("JWT_SECRET_KEY", &long[1..])][..],
            "JWT_SECRET_KEY: is shorter than 32 bytes",
        ),
        (
            &[
                hs256,
                allowed,
                ("JWT_SECRET_KEY", "your-secret-key-your-secret-key-1234"),
            ],
            "JWT_SECRET_KEY: is a placeholder",
        ),
        (
            &[hs256, ("JWT_SECRET_KEY", long)],
            "JWT_SECRET_KEY: makes every service",
        ),
        (
            &[hs256],
            "JWT_SECRET_KEY: is missing: JWT_ALGORITHM is HS256",
        ),
        (
            &[
                ("JWT_ALGORITHM", "EdDSA"),
                allowed,
                ("JWT_SECRET_KEY", long),
            ],
            "JWT_ALGORITHM: is not HS256",
        ),
        (
            &[("JWT_ALGORITHM", "none")],
            "JWT_ALGORITHM: `none` is not `EdDSA`",
        ),
        (
            &[("JWT_EXPIRATION_MIN", "61")],
            "JWT_EXPIRATION_MIN: `61` is not a number from 1 to 60",
        ),
    ] {
        let found = problems(development(pairs), load);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{expected}\n{found:#?}"
        );
        assert!(!found[0].contains(&long[..20]));
    }
    let config = load(&mut development(&[
        hs256,
        allowed,
        ("JWT_SECRET_KEY", long),
    ]));
    assert_eq!(config.shared_secret.unwrap().expose_secret(), long);
    // A secret alone says enough.
    let alone = [allowed, ("JWT_SECRET_KEY", long)];
    assert!(problems(development(&alone), load).is_empty());
    let signing = SigningConfig::load(&mut development(&alone), Service::Auth);
    assert_eq!(signing.algorithm, Algorithm::Hs256);
    let signing = SigningConfig::load(&mut development(&[]), Service::Auth);
    assert_eq!(signing.algorithm, Algorithm::EdDsa);
    let standalone = development(&[hs256, ("JWT_SECRET_KEY", long)]).for_standalone();
    assert!(problems(standalone, load).is_empty());
}

#[test]
fn keys_are_fetched_from_auth_unless_told_otherwise() {
    let load = |pairs: &[_]| TokenConfig::load(&mut development(pairs), Service::Role).jwks_url;
    assert_eq!(load(&[]), None);
    let url = load(&[("AUTH_URL", "http://127.0.0.1:9/auth/")]).unwrap();
    assert_eq!(
        url.as_str(),
        "http://127.0.0.1:9/auth/.well-known/jwks.json"
    );
    let url = load(&[
        ("AUTH_URL", "http://127.0.0.1:9"),
        ("JWKS_URL", "https://id.example/keys"),
    ]);
    assert_eq!(url.unwrap().as_str(), "https://id.example/keys");
}

#[test]
fn files_for_tls_and_identity_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there").to_string_lossy().into_owned();
    fs::write(&there, "x").unwrap();
    let load = |loader: &mut _| {
        IdentityConfig::load(loader, Service::Auth);
        HttpConfig::load(loader, Service::Auth);
    };
    let loader = development(&[
        ("TLS_CERT_FILE", &there),
        ("AUTH_IDENTITY_KEY_FILE", "/none"),
        ("IDENTITY_PEERS_FILE", folder.path().to_str().unwrap()),
    ]);
    let found = problems(loader, load);
    assert_eq!(
        found[0],
        "AUTH_IDENTITY_KEY_FILE: `/none` cannot be read: entity not found"
    );
    assert!(
        found[1].starts_with("IDENTITY_PEERS_FILE")
            && found[1].ends_with("is a folder, not a file")
    );
    assert_eq!(found[2], "TLS_KEY_FILE: is missing");
    let mut loader = development(&[("TLS_CERT_FILE", &there), ("TLS_KEY_FILE", &there)]);
    assert!(HttpConfig::load(&mut loader, Service::Auth).tls.is_some());
    loader.finish().unwrap();
}

#[test]
fn the_two_listeners_have_two_ports() {
    let pairs = [("AUTH_HTTP_PORT", "8101")];
    let found = problems(development(&pairs), |l| HttpConfig::load(l, Service::Auth));
    assert_eq!(
        found,
        ["AUTH_INTERNAL_HTTP_PORT: is the public port; the listeners need two"]
    );
    let zero = [("AUTH_HTTP_PORT", "0"), ("AUTH_INTERNAL_HTTP_PORT", "0")];
    assert!(problems(development(&zero), |l| HttpConfig::load(l, Service::Auth)).is_empty());
}

#[test]
fn the_first_administrator_needs_address_and_password() {
    let load = |loader: &mut _| RegistrationConfig::load(loader, Service::Profile);
    let email = ("BOOTSTRAP_ADMIN_EMAIL", "a@b.example");
    let password = ("BOOTSTRAP_ADMIN_PASSWORD", "correct horse battery");
    assert!(problems(development(&[email, password]), load).is_empty());
    for (pairs, expected) in [
        (&[email][..], "BOOTSTRAP_ADMIN_PASSWORD: is missing"),
        (&[password], "BOOTSTRAP_ADMIN_EMAIL: is missing"),
        (
            &[email, ("BOOTSTRAP_ADMIN_PASSWORD", "correct horse")],
            "BOOTSTRAP_ADMIN_PASSWORD: is shorter than PASSWORD_MIN_LENGTH (15)",
        ),
        (
            &[email, ("BOOTSTRAP_ADMIN_PASSWORD", "changeme-changeme")],
            "BOOTSTRAP_ADMIN_PASSWORD: is a placeholder",
        ),
        (
            &[("REGISTRATION_DISCLOSURE", "uniform")],
            "REGISTRATION_DISCLOSURE: can only be `conflict`",
        ),
        (
            &[("PASSWORD_MIN_LENGTH", "7")],
            "PASSWORD_MIN_LENGTH: `7` is not a number from 8 to 256",
        ),
    ] {
        let found = problems(development(pairs), load);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{expected}\n{found:#?}"
        );
    }
}

#[test]
fn redis_and_its_promise() {
    let load = |pairs: &[_]| RedisConfig::load(&mut development(pairs), Service::Session);
    let url = ("REDIS_URL", "redis://127.0.0.1:6379");
    assert_eq!(load(&[url]).unwrap().durability, Durability::Lossy);
    let replicated = load(&[url, ("REDIS_DURABILITY", "replicated")]);
    assert_eq!(replicated.unwrap().durability, Durability::Replicated);
    let found = problems(development(&[("REDIS_URL", "http://x")]), |l| {
        RedisConfig::load(l, Service::Session)
    });
    assert_eq!(
        found,
        ["REDIS_URL: is not redis://host:port or rediss://host:port"]
    );
}

#[test]
fn breached_passwords_are_looked_up_where_it_says() {
    let load = |pairs: &[(&str, &str)]| {
        let mut loader = development(pairs);
        let breached = PasswordConfig::load(&mut loader, Service::Auth).breached;
        loader
            .finish()
            .map(|()| breached)
            .map_err(|e| e.to_string())
    };
    assert_eq!(load(&[]), Ok(BreachedPasswords::Off));
    let hibp = ("BREACHED_PASSWORDS", "hibp");
    let service = |url: &str| BreachedPasswords::Service(url.parse().unwrap());
    assert_eq!(load(&[hibp]), Ok(service("https://api.pwnedpasswords.com")));
    let own = ("BREACHED_PASSWORDS_URL", "http://127.0.0.1:9/pwned");
    assert_eq!(load(&[hibp, own]), Ok(service(own.1)));
    let list = tempfile::NamedTempFile::new().unwrap();
    let path = list.path().to_str().unwrap();
    let file = ("BREACHED_PASSWORDS", "file");
    let given = ("BREACHED_PASSWORDS_FILE", path);
    assert_eq!(
        load(&[file, given]),
        Ok(BreachedPasswords::File(list.path().to_owned()))
    );
    for (pairs, told) in [
        (vec![file], "BREACHED_PASSWORDS_FILE: is missing"),
        (
            vec![file, ("BREACHED_PASSWORDS_FILE", "/nowhere")],
            "/nowhere",
        ),
        (
            vec![("BREACHED_PASSWORDS", "yes")],
            "is not `file`, `hibp` or `off`",
        ),
        (
            vec![hibp, ("BREACHED_PASSWORDS_URL", "pwned")],
            "BREACHED_PASSWORDS_URL",
        ),
    ] {
        let error = load(&pairs).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
    let mut loader = production(&[hibp, ("BREACHED_PASSWORDS_URL", "http://pwned.example")]);
    let _ = PasswordConfig::load(&mut loader, Service::Auth);
    let error = loader.finish().unwrap_err().to_string();
    assert!(error.contains("BREACHED_PASSWORDS_URL"), "{error}");
}
