//! A configuration that cannot work: every problem at once, exit code 78.

use std::path::Path;

use end_to_end::{SERVICES, program_of, run_to_end, standalone};
use testkit::new_key_ring;
use ud_kernel::Service;

/// What a program with this environment writes before it ends, and its exit code.
fn run(program: &Path, arguments: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    run_to_end(program, arguments, folder.path(), env)
}

#[test]
fn every_program_tells_its_name_and_version() {
    let services = SERVICES.map(|(service, name)| (program_of(service), name));
    for (program, name) in services.into_iter().chain([(standalone(), "standalone")]) {
        let (code, output) = run(&program, &["--version"], &[]);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            (code, output.trim()),
            (Some(0), &*format!("{name} {version}"))
        );
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    for (service, name) in SERVICES {
        let prefix = service.config_prefix();
        let port = format!("{prefix}_HTTP_PORT");
        let typo = format!("{prefix}_HTTTP_PORT");
        let url = format!("{prefix}_DATABASE_URL");
        let env = [
            ("APP_ENV", "development"),
            (port.as_str(), "not-a-port"),
            (&typo, "8001"),
            (&url, "postgress://127.0.0.1/x"),
            ("TRUSTED_PROXIES", "everybody"),
            ("LOG_FORMAT", "xml"),
            ("AUTH_URL", "not an address"),
        ];
        for arguments in [["serve"].as_slice(), &[], &["check-config"], &["migrate"]] {
            let (code, output) = run(&program_of(service), arguments, &env);
            assert_eq!(code, Some(78), "{name} {arguments:?}: {output}");
            for key in [
                port.as_str(),
                &typo,
                "TRUSTED_PROXIES",
                "LOG_FORMAT",
                "AUTH_URL",
            ] {
                assert!(output.contains(key), "{name}: {key} is not in\n{output}");
            }
            let has_database = service != Service::Session;
            assert!(
                !has_database || output.contains(&url),
                "{name}: {url} is not in\n{output}"
            );
            // The typo is told with what was meant.
            assert!(
                output.matches(&port).count() >= 2,
                "{name}: {port} is not offered in\n{output}"
            );
        }
    }
    let env = [
        ("PORT", "x"),
        ("HOST", "0.0.0.0"),
        ("LOG_FORMAT", "xml"),
        ("AUTH_HTTTP_PORT", "1"),
    ];
    let (code, output) = run(&standalone(), &[], &env);
    assert_eq!(code, Some(78), "{output}");
    for key in ["PORT", "HOST", "LOG_FORMAT", "AUTH_HTTTP_PORT"] {
        assert!(output.contains(key), "{key} is not in\n{output}");
    }
}

#[test]
fn production_refuses_what_is_missing_short_or_a_placeholder() {
    let secrets = [
        (
            "AUTH_KEY_ENCRYPTION_KEYS",
            "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ),
        ("REFRESH_TOKEN_KEYS", "r1:c2hvcnQ"),
        ("JWT_SECRET_KEY", "changeme-changeme-changeme-changeme"),
    ];
    let mut env = vec![
        ("APP_ENV", "production"),
        (
            "AUTH_DATABASE_URL",
            "postgres://u:changeme@db.example.com/auth",
        ),
        ("ISSUER_URL", "https://id.example.com"),
        ("SESSION_URL", "http://session.example.com:8103"),
    ];
    env.extend(secrets);
    let (code, output) = run(&program_of(Service::Auth), &["check-config"], &env);
    assert_eq!(code, Some(78), "{output}");
    let expected = [
        "AUTH_KEY_ENCRYPTION_KEYS",
        "REFRESH_TOKEN_KEYS",
        "JWT_SECRET_KEY",
        "AUTH_DATABASE_URL",
        "SESSION_URL",
        "AUTH_IDENTITY_KEY_FILE",
        "IDENTITY_PEERS_FILE",
    ];
    for key in expected {
        assert!(output.contains(key), "{key} is not in\n{output}");
    }
    for secret in ["AAAAAAAA", "c2hvcnQ", "changeme-changeme", "u:changeme"] {
        assert!(
            !output.contains(secret),
            "the value {secret} is in\n{output}"
        );
    }
    // Without anything said, a single service is in production.
    for (service, name) in SERVICES {
        let (code, output) = run(&program_of(service), &["check-config"], &[]);
        assert_eq!(code, Some(78), "{name}: {output}");
        assert!(output.contains("IDENTITY_PEERS_FILE"), "{name}: {output}");
    }
    // Cheap hashes are for tests.
    let (ring, other) = (new_key_ring("k1"), new_key_ring("r1"));
    let env = [
        ("APP_ENV", "production"),
        ("BCRYPT_COST", "4"),
        ("AUTH_KEY_ENCRYPTION_KEYS", ring.as_str()),
        ("REFRESH_TOKEN_KEYS", other.as_str()),
    ];
    let (code, output) = run(&program_of(Service::Auth), &["check-config"], &env);
    assert_eq!(code, Some(78));
    assert!(output.contains("BCRYPT_COST"), "{output}");
    assert!(
        !output.contains("AUTH_KEY_ENCRYPTION_KEYS"),
        "a good key is refused:\n{output}"
    );
}

/// Access tokens have 4 KiB: who signs them and who bounds the names in them refuse what leaves too little (SECURITY rule
/// 14), with everything else that is wrong.
#[test]
fn an_issuer_that_leaves_no_room_is_refused_at_the_start() {
    let issuer = format!("https://id.example.com/{}", "a".repeat(400));
    let programs = [Service::Auth, Service::Role].map(program_of);
    for program in programs.into_iter().chain([standalone()]) {
        let mut env = vec![
            ("APP_ENV", "development"),
            ("ISSUER_URL", issuer.as_str()),
            ("JWT_ALGORITHM", "RS256"),
            ("LOG_FORMAT", "xml"),
        ];
        for arguments in [["serve"].as_slice(), &["check-config"]] {
            let (code, output) = run(&program, arguments, &env);
            assert_eq!(code, Some(78), "{program:?} {arguments:?}: {output}");
            for word in ["ISSUER_URL", "JWT_AUDIENCE", "JWT_ALGORITHM", "LOG_FORMAT"] {
                assert!(output.contains(word), "{word} is not in\n{output}");
            }
        }
        env.truncate(2);
        let (code, output) = run(&program, &["check-config"], &env);
        assert_eq!(code, Some(0), "{program:?}: {output}");
    }
}

/// A deployment of before has one ring for all: each of the three services still starts with it in production, and says
/// what to do. With a ring of its own it says nothing.
#[test]
fn a_ring_of_everybodys_is_told_at_the_start() {
    let (everybodys, theirs, refresh) =
        (new_key_ring("k1"), new_key_ring("k2"), new_key_ring("r1"));
    for service in [Service::Auth, Service::Profile, Service::Audit] {
        let program = program_of(service);
        let folder = tempfile::tempdir().unwrap();
        let prefix = service.config_prefix();
        let key = folder.path().join("key.json").display().to_string();
        let (code, public) = run(&program, &["keygen", &key], &[]);
        assert_eq!(code, Some(0), "{public}");
        let peers = folder.path().join("peers.json").display().to_string();
        std::fs::write(&peers, public).unwrap();
        let (key_file, url) = (
            format!("{prefix}_IDENTITY_KEY_FILE"),
            format!("{prefix}_DATABASE_URL"),
        );
        let database = format!("sqlite://{}/x.db", folder.path().display());
        let mut env = vec![
            (key_file.as_str(), key.as_str()),
            ("IDENTITY_PEERS_FILE", &peers),
            (&url, &database),
            ("ISSUER_URL", "https://id.example.com"),
            ("AUTH_URL", "https://auth.example.com"),
            ("ROLE_URL", "https://role.example.com"),
            ("SESSION_URL", "https://session.example.com"),
            ("AUDIT_URL", "https://audit.example.com"),
            ("PROFILE_URL", "https://profile.example.com"),
        ];
        if service == Service::Auth {
            env.push(("REFRESH_TOKEN_KEYS", &refresh));
        }
        let own = format!("{prefix}_KEY_ENCRYPTION_KEYS");
        let common = ("KEY_ENCRYPTION_KEYS", everybodys.as_str());
        let check = |rings: &[(&str, &str)]| {
            let env = [env.as_slice(), rings].concat();
            run(&program, &["check-config"], &env)
        };
        let (code, output) = check(&[common]);
        assert_eq!(code, Some(0), "{own}: {output}");
        for word in ["KEY_ENCRYPTION_KEYS: is used in place of", &own, "rewrap"] {
            assert!(output.contains(word), "{word} is not in\n{output}");
        }
        let (code, output) = check(&[common, (&own, &theirs)]);
        assert_eq!(code, Some(0), "{own}: {output}");
        assert!(
            output.contains("KEY_ENCRYPTION_KEYS: is ignored"),
            "{output}"
        );
        let (code, output) = check(&[(&own, &theirs)]);
        assert_eq!(code, Some(0), "{own}: {output}");
        assert!(!output.contains("KEY_ENCRYPTION_KEYS"), "{output}");
        let (code, output) = check(&[]);
        assert_eq!(code, Some(78), "{own}: {output}");
        assert!(output.contains(&format!("{own}: is missing")), "{output}");
    }
}

#[test]
fn the_subcommands_work() {
    for (service, name) in SERVICES {
        let env = [("APP_ENV", "development")];
        let (code, output) = run(&program_of(service), &["openapi"], &env);
        assert_eq!(code, Some(0), "{name}: {output}");
        let document: serde_json::Value = serde_json::from_str(&output).unwrap();
        assert!(
            document["openapi"].as_str().unwrap().starts_with("3."),
            "{name}"
        );
        let (code, output) = run(&program_of(service), &["check-config"], &env);
        assert_eq!(code, Some(0), "{name}: {output}");
        // Nobody answers there.
        let port = format!("{}_INTERNAL_HTTP_PORT", service.config_prefix());
        let env = [("APP_ENV", "development"), (port.as_str(), "1")];
        let (code, _) = run(&program_of(service), &["healthcheck"], &env);
        assert_ne!(code, Some(0), "{name}");
        let (code, _) = run(&program_of(service), &["no-such-command"], &env);
        assert_ne!(code, Some(0), "{name}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json").display().to_string();
        let (code, output) = run(&program_of(service), &["keygen", &path], &env);
        assert_eq!(code, Some(0), "{name}: {output}");
        let public: serde_json::Value = serde_json::from_str(&output).unwrap();
        assert_eq!(public["keys"][0]["kid"], service.as_str());
        assert!(
            public["keys"][0].get("d").is_none(),
            "the private key is printed"
        );
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&path).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600, "{name}");
        let (code, _) = run(&program_of(service), &["keygen", &path], &env);
        assert_ne!(code, Some(0), "{name}: a key was overwritten");
    }
}
