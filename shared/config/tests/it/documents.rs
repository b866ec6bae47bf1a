use std::collections::HashSet;

use ud_config::{Loader, SigningConfig, env_example, keys, markdown};
use ud_kernel::Service;

use crate::problems;

#[test]
fn keys_are_unique_explained_and_in_both_documents() {
    let (example, markdown) = (env_example(), markdown());
    let mut seen = HashSet::new();
    for key in keys::all() {
        assert!(seen.insert(key.name.clone()), "{} twice", key.name);
        assert!(
            key.help.ends_with('.') && !key.help.contains(['|', '\n']),
            "{}",
            key.name
        );
        assert!(
            !(key.secret && key.default.is_some()),
            "{} is a known secret",
            key.name
        );
        // The ports of the services stand where the help of a key names them.
        let mut help = key.help.split(['{', '}']).step_by(2);
        assert!(help.all(|part| markdown.contains(part)), "{}", key.name);
        assert!(example.contains(&format!("{}=", key.name)), "{}", key.name);
    }
    assert!(!markdown.contains("_ports}") && !example.contains("_ports}"));
    for service in Service::ALL {
        let declared = service.declaration();
        for port in declared.public_port.iter().chain([&declared.internal_port]) {
            assert!(markdown.contains(&format!("{service} {port}")), "{service}");
        }
    }
    let names = keys::every_name();
    for name in [
        "AUTH_DATABASE_URL",
        "AUTH_DATABASE_URL_FILE",
        "DATABASE_URL",
        "PORT",
        "PROFILE_INTERNAL_HTTP_PORT",
    ] {
        assert!(names.binary_search(&name.to_owned()).is_ok(), "{name}");
    }
    // Kubernetes sets these for a Service object named after one of ours.
    for name in &names {
        for service in Service::ALL {
            let prefix = service.config_prefix();
            assert_ne!(*name, format!("{prefix}_PORT"));
            assert!(!name.starts_with(&format!("{prefix}_SERVICE_")), "{name}");
        }
    }
}

#[test]
fn every_line_of_the_example_is_a_known_key_and_its_secrets_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    let uncommented: String = env_example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    std::fs::write(&file, uncommented).unwrap();
    let found = problems(Loader::from_parts([], Some(&file)), |_| ());
    assert!(found.is_empty(), "{found:#?}");
    let found = problems(Loader::from_parts([], Some(&file)), |loader| {
        for key in keys::all().filter(|key| key.secret) {
            loader.secret(&key.of(Service::Auth));
        }
        SigningConfig::load(loader, Service::Auth);
    });
    for key in keys::all().filter(|key| key.secret) {
        let name = key.of(Service::Auth).name;
        assert!(
            found
                .iter()
                .any(|line| line.starts_with(&format!("{name}: is a placeholder"))),
            "{name} {found:#?}"
        );
    }
}
