use std::fs;

use ud_config::{
    DatabaseConfig, HttpConfig, IdentityConfig, Loader, PasswordConfig, PeersConfig, RedisConfig,
    SealingConfig, SigningConfig, TokenConfig,
};
use ud_kernel::Service;

use crate::{problems, production, sections::key};

fn load_all(loader: &mut Loader) {
    HttpConfig::load(loader, Service::Auth);
    DatabaseConfig::load(loader, Service::Auth);
    IdentityConfig::load(loader, Service::Auth);
    PeersConfig::load(loader, Service::Auth);
    TokenConfig::load(loader, Service::Auth);
    SealingConfig::load(loader, Service::Auth);
    SigningConfig::load(loader, Service::Auth);
    PasswordConfig::load(loader, Service::Auth);
    RedisConfig::load(loader, Service::Auth);
}

#[test]
fn an_empty_configuration_lists_all_that_is_missing() {
    let found = problems(production(&[]), load_all);
    let keys: Vec<&str> = found
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "AUTH_DATABASE_URL",
            "AUTH_IDENTITY_KEY_FILE",
            "IDENTITY_PEERS_FILE",
            "SESSION_URL",
            "ISSUER_URL",
            "AUTH_KEY_ENCRYPTION_KEYS",
            "REFRESH_TOKEN_KEYS",
        ],
        "{found:#?}"
    );
    assert_eq!(found[0], "AUTH_DATABASE_URL: is missing (or DATABASE_URL)");
    let role = problems(production(&[]), |l| TokenConfig::load(l, Service::Role));
    assert!(
        role.iter()
            .any(|line| line.starts_with("AUTH_URL: is missing")),
        "{role:#?}"
    );
    let told = problems(production(&[("SIGNATURES_ONLY", "true")]), |l| {
        PeersConfig::load(l, Service::Role)
    });
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn a_complete_configuration_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key").to_string_lossy().into_owned();
    fs::write(&file, "x").unwrap();
    let loader = production(&[
        (
            "AUTH_DATABASE_URL",
            "postgres://auth:pLk93-xVq@db.example.com/auth?sslmode=verify-full",
        ),
        ("AUTH_IDENTITY_KEY_FILE", &file),
        ("IDENTITY_PEERS_FILE", &file),
        ("SESSION_URL", "http://session.internal:8103"),
        ("ALLOW_PLAINTEXT", "session.internal:8103"),
        ("ISSUER_URL", "https://id.example.com"),
        ("AUTH_KEY_ENCRYPTION_KEYS", &format!("a:{}", key(1))),
        ("REFRESH_TOKEN_KEYS", &format!("a:{}", key(2))),
        ("REDIS_URL", "rediss://:pLk93-xVq@redis.example.com"),
        ("REDIS_DURABILITY", "fsync"),
    ]);
    let found = problems(loader, |loader| {
        load_all(loader);
        assert!(!HttpConfig::load(loader, Service::Auth).docs_enabled);
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn unencrypted_and_unverified_connections_are_refused() {
    let database = |url: &str, more: &[(&str, &str)]| {
        let loader = production(&[&[("AUTH_DATABASE_URL", url)], more].concat());
        problems(loader, |l| DatabaseConfig::load(l, Service::Auth))
    };
    for url in [
        "postgres://u@db.example/d",
        "postgres://u@db.example/d?sslmode=require",
        "postgresql://u@db.example/d?sslmode=verify-full&sslmode=disable",
        "postgres://u@127.0.0.1/d?host=db.example",
        "postgres://u@127.0.0.1/d?hostaddr=10.0.0.1",
        "postgres:///d?host=/run/postgresql,db.example",
        "mysql://u@db.example/d",
        "mysql://u@db.example/d?ssl_mode=required",
    ] {
        let found = database(url, &[]);
        assert!(
            found.len() == 1 && found[0].contains("ALLOW_PLAINTEXT"),
            "{url} {found:#?}"
        );
        assert!(!found[0].contains("db.example"), "{found:#?}");
    }
    for url in [
        "postgres://u@db.example/d?sslmode=verify-full",
        "postgres://u@127.0.0.1:5433/d",
        "postgres://u@localhost/d",
        "postgres:///d?host=/run/postgresql",
        "postgres://%2Frun%2Fpostgresql/d",
        "mysql://u@db.example/d?ssl_mode=VERIFY_IDENTITY",
        "mysql://u@[::1]/d",
        "sqlite:///var/lib/ud/auth.db",
    ] {
        assert_eq!(database(url, &[]), [""; 0], "{url}");
    }
    let listed = [("ALLOW_PLAINTEXT", "db.example:5432")];
    assert_eq!(database("postgres://u@db.example/d", &listed), [""; 0]);
    assert_eq!(database("postgres://u@db.example:5433/d", &listed).len(), 1);

    for (name, value) in [
        ("AUTH_URL", "http://auth.internal:8101"),
        ("ISSUER_URL", "http://id.example.com"),
        ("JWKS_URL", "http://id.example.com/keys"),
    ] {
        let found = problems(production(&[(name, value)]), |l| {
            TokenConfig::load(l, Service::Auth)
        });
        let expected = format!("{name}: is not encrypted");
        assert!(found.iter().any(|f| f.starts_with(&expected)), "{found:#?}");
    }
    for url in ["redis://redis.example", "rediss://redis.example/#insecure"] {
        let found = problems(production(&[("REDIS_URL", url)]), |l| {
            RedisConfig::load(l, Service::Session)
        });
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(
            found[0].starts_with("REDIS_DURABILITY: is missing"),
            "{found:#?}"
        );
        assert!(found[1].starts_with("REDIS_URL: "), "{found:#?}");
    }
    let found = problems(
        production(&[("CORS_ALLOWED_ORIGINS", "http://app.example.com")]),
        |l| HttpConfig::load(l, Service::Auth),
    );
    assert!(
        found[0].starts_with("CORS_ALLOWED_ORIGINS: is not encrypted"),
        "{found:#?}"
    );
}

#[test]
fn placeholders_in_addresses_and_cheap_hashes_are_refused() {
    let found = problems(
        production(&[
            ("AUTH_DATABASE_URL", "postgres://u:change%2Dme@127.0.0.1/d"),
            ("REDIS_URL", "redis://:secret@127.0.0.1"),
            ("REDIS_DURABILITY", "fsync"),
            ("BCRYPT_COST", "4"),
        ]),
        |loader| {
            DatabaseConfig::load(loader, Service::Auth);
            RedisConfig::load(loader, Service::Auth);
            PasswordConfig::load(loader, Service::Auth);
        },
    );
    assert_eq!(
        found,
        [
            "AUTH_DATABASE_URL: has a placeholder for a password",
            "REDIS_URL: has a placeholder for a password",
            "BCRYPT_COST: `4` is not a number from 10 to 15",
        ]
    );
}
