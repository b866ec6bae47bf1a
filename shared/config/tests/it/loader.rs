use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt as _, path::Path};

use secrecy::ExposeSecret as _;
use ud_config::{AppEnv, DatabaseConfig, HttpConfig, Loader, LogConfig, LogFormat, keys};
use ud_kernel::Service;

use crate::{development, problems};

fn from_files(env: &[(&str, &str)], dotenv: &str) -> (tempfile::TempDir, Loader) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    fs::write(&file, dotenv).unwrap();
    let env = env
        .iter()
        .map(|(k, v)| (OsString::from(k), OsString::from(v)));
    let loader = Loader::from_parts(env, Some(&file));
    (folder, loader)
}

#[test]
fn the_environment_wins_over_the_file() {
    let (_folder, mut loader) = from_files(
        &[("LOG_FORMAT", "json"), ("LOG_LEVEL", "")],
        "APP_ENV=development\nLOG_FORMAT=text\nLOG_LEVEL='warn,ud_http=debug'\n",
    );
    let log = LogConfig::load(&mut loader, Service::Auth);
    assert_eq!(log.format, LogFormat::Json);
    assert_eq!(
        log.level, "info",
        "set but empty in the environment: the default"
    );
    assert_eq!(loader.app_env(), AppEnv::Development);
    loader.finish().unwrap();
}

#[test]
fn production_is_the_default_except_in_standalone() {
    let none: [(&str, &str); 0] = [];
    assert_eq!(Loader::from_pairs(none).app_env(), AppEnv::Production);
    assert_eq!(
        Loader::from_pairs(none).for_standalone().app_env(),
        AppEnv::Development
    );
    let misspelt = Loader::from_pairs([("APP_ENV", "Development")]).for_standalone();
    assert_eq!(
        misspelt.app_env(),
        AppEnv::Production,
        "in doubt the strict one"
    );
    assert_eq!(
        problems(misspelt, |_| ()),
        ["APP_ENV: `Development` is not `production` or `development`"]
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let loader = development(&[
        ("AUTH_HTTP_PORT", "80x"),
        ("AUTH_DATABASE_POOL_SIZE", "0"),
        ("AUTH_DATABASE_URL", "postgress:x"),
        ("AUTO_MIGRATE", "perhaps"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
        ("HOST", "localhost"),
        ("TRUSTED_PROXIES", "10.0.0.0/33, 0.0.0.0/0, 10.0.0.1"),
        (
            "CORS_ALLOWED_ORIGINS",
            "https://a.example/, *, https://b.example",
        ),
        ("LIMIT_LOGIN", "10"),
        ("AUTH_DATABSE_URL", "x"),
    ]);
    let found = problems(loader, |loader| {
        let http = HttpConfig::load(loader, Service::Auth);
        assert_eq!(http.trusted_proxies.len(), 1);
        assert_eq!(http.cors_allowed_origins, ["https://b.example"]);
        DatabaseConfig::load(loader, Service::Auth);
        LogConfig::load(loader, Service::Auth);
        loader.limit(&keys::LIMIT_LOGIN);
    });
    let expected = [
        "AUTH_HTTP_PORT: `80x` is not a port from 0 to 65535",
        "HOST: `localhost` is not an IP address",
        "TRUSTED_PROXIES: `10.0.0.0/33` is not an address or network",
        "TRUSTED_PROXIES: `0.0.0.0/0` trusts everybody",
        "CORS_ALLOWED_ORIGINS: `https://a.example/` is not an exact origin such as https://app.example.com",
        "CORS_ALLOWED_ORIGINS: `*` is not an exact origin such as https://app.example.com",
        "AUTH_DATABASE_URL: is not postgres://user:password@host/database, mysql://user:password@host/database or sqlite://PATH",
        "AUTH_DATABASE_POOL_SIZE: `0` is not a number from 1 to 200",
        "AUTO_MIGRATE: `perhaps` is not `true` or `false`",
        "LOG_FORMAT: `xml` is not `text` or `json`",
        "LIMIT_LOGIN: `10` is not `count/seconds`",
        "AUTH_DATABSE_URL: is not a known key; did you mean AUTH_DATABASE_URL?",
    ];
    for line in expected {
        assert!(
            found.iter().any(|f| f.starts_with(line)),
            "{line}\n{found:#?}"
        );
    }
    assert!(
        found
            .iter()
            .any(|f| f.starts_with("LOG_LEVEL: `loud` is not")),
        "{found:#?}"
    );
    assert_eq!(found.len(), expected.len() + 1, "{found:#?}");
}

#[test]
fn the_report_has_one_line_for_each_problem() {
    let mut loader = development(&[("JWT_AUDIENSE", "x"), ("LOG_FORMAT", "x\ny")]);
    LogConfig::load(&mut loader, Service::Auth);
    let errors = loader.finish().unwrap_err();
    assert_eq!(
        errors.to_string(),
        "configuration has 2 problems:\n  LOG_FORMAT: has a control character in it\n  JWT_AUDIENSE: is not a known key; did you mean JWT_AUDIENCE?"
    );
}

#[test]
fn unknown_keys_are_found_where_they_are_ours() {
    let env = [
        ("LIMIT_LOGINS", "1/1"),
        ("BOOTSTRAP_EMAIL", "a@b"),
        ("AUTH_SERVICE_HOST", "10.0.0.1"),
        ("AUTH_PORT", "tcp://10.0.0.1:80"),
        ("AUTH_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("SESSION_MANAGER", "local/x"),
        ("PROFILE_EMPTY", ""),
        ("HOME", "/root"),
        ("DATABASE", "x"),
    ];
    let found = problems(development(&env), |_| ());
    assert_eq!(
        found,
        [
            "BOOTSTRAP_EMAIL: is not a known key; did you mean BOOTSTRAP_ADMIN_EMAIL?",
            "LIMIT_LOGINS: is not a known key; did you mean LIMIT_LOGIN?",
        ]
    );
    let (_folder, loader) = from_files(
        &[],
        "APP_ENV=development\nHOME=/x\nlog_format=json\nTEST_POSTGRES_URL=x\nRUST_BACKTRACE=1\n",
    );
    assert_eq!(
        problems(loader, |_| ()),
        [
            "HOME: is not a known key",
            "log_format: is not a known key; did you mean LOG_FORMAT?"
        ]
    );
}

#[test]
fn a_broken_line_in_the_file_is_told_by_its_number_alone() {
    let (_folder, loader) = from_files(
        &[],
        "APP_ENV=development\n\nJWT_SECRET_KEY=geheim words with spaces\nLOG_FORMAT=json\nLOG_FORMAT=text\n",
    );
    let found = problems(loader, |_| ());
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("line 3 is not NAME=value"), "{found:#?}");
    assert!(
        found[1].starts_with("LOG_FORMAT: is set twice in"),
        "{found:#?}"
    );
    assert!(!found.concat().contains("geheim"), "{found:#?}");
}

#[test]
fn a_secret_can_be_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    fs::write(path("good"), "correct horse battery\n").unwrap();
    fs::write(path("empty"), "\n").unwrap();
    fs::write(path("lines"), "one\ntwo\n").unwrap();
    fs::write(path("bytes"), b"\xff\xfe").unwrap();
    fs::write(path("large"), vec![b'a'; 70_000]).unwrap();

    let key = &keys::BOOTSTRAP_ADMIN_PASSWORD;
    let read =
        |name: &str| development(&[("BOOTSTRAP_ADMIN_PASSWORD_FILE", &path(name))]).secret(key);
    assert_eq!(
        read("good").unwrap().expose_secret(),
        "correct horse battery"
    );
    for (name, what) in [
        ("none", "cannot be read: entity not found"),
        ("empty", "is empty"),
        ("lines", "a second line"),
        ("bytes", "is not UTF-8"),
        ("large", "is over 64 KiB"),
    ] {
        let loader = development(&[("BOOTSTRAP_ADMIN_PASSWORD_FILE", &path(name))]);
        let found = problems(loader, |loader| {
            let secret = loader.secret(key);
            assert!(loader.require(key, secret).is_none());
        });
        assert_eq!(found.len(), 1, "missing is not said on top: {found:#?}");
        assert!(
            found[0].starts_with("BOOTSTRAP_ADMIN_PASSWORD_FILE: "),
            "{found:#?}"
        );
        assert!(found[0].contains(what), "{found:#?}");
    }
    let both = development(&[
        ("BOOTSTRAP_ADMIN_PASSWORD", "correct horse"),
        ("BOOTSTRAP_ADMIN_PASSWORD_FILE", &path("good")),
    ]);
    assert_eq!(
        problems(both, |loader| loader.secret(key)),
        ["BOOTSTRAP_ADMIN_PASSWORD: is set twice: remove it or BOOTSTRAP_ADMIN_PASSWORD_FILE"]
    );
}

#[test]
fn a_service_alone_takes_names_without_prefix_and_standalone_does_not() {
    let pairs = [
        ("APP_ENV", "development"),
        ("PORT", "9000"),
        ("INTERNAL_PORT", "9100"),
        ("DATABASE_URL", "sqlite://a.db"),
        ("ROLE_DATABASE_URL", "sqlite://b.db"),
        ("ROLE_HTTP_PORT", "9001"),
    ];
    let mut loader = Loader::from_pairs(pairs);
    let auth = HttpConfig::load(&mut loader, Service::Auth);
    assert_eq!((auth.port, auth.internal_port), (9000, 9100));
    let database = DatabaseConfig::load(&mut loader, Service::Auth);
    assert_eq!(database.url.expose_secret(), "sqlite://a.db");
    let role = HttpConfig::load(&mut loader, Service::Role);
    assert_eq!(role.port, 9001, "the prefixed name wins");
    let database = DatabaseConfig::load(&mut loader, Service::Role);
    assert_eq!(database.url.expose_secret(), "sqlite://b.db");
    loader.finish().unwrap();

    let mut loader = Loader::from_pairs(pairs).for_standalone();
    let auth = DatabaseConfig::load(&mut loader, Service::Auth);
    assert_eq!(auth.url.expose_secret(), "sqlite://./data/auth.db");
    let role = DatabaseConfig::load(&mut loader, Service::Role);
    assert_eq!(role.url.expose_secret(), "sqlite://b.db");
    loader.finish().unwrap();
}

#[test]
fn what_is_not_text_is_reported_for_known_keys_only() {
    let bytes = || OsString::from_vec(vec![0xff]);
    let env = [
        (OsString::from("JWT_AUDIENCE"), bytes()),
        (OsString::from("OTHER"), bytes()),
        (bytes(), bytes()),
    ];
    let found = problems(Loader::from_parts(env, None), |loader| {
        assert_eq!(loader.text(&keys::JWT_AUDIENCE), None);
    });
    assert_eq!(found, ["JWT_AUDIENCE: is not UTF-8"]);
}

#[test]
fn an_unreadable_env_file_is_a_problem() {
    let found = problems(
        Loader::from_parts([], Some(Path::new("/none/.env"))),
        |_| (),
    );
    assert_eq!(found, ["`/none/.env`: cannot be read: entity not found"]);
}
