//! Which ring seals what a service keeps (SECURITY rule 30): its own; the one for all in development and standalone, and
//! in production for a deployment of before, which is told.

use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_config::{KeyRing, Loader, SealingConfig, SigningConfig, keys};
use ud_kernel::Service;

use crate::{development, problems, production, sections::key};

const SEALING: [Service; 3] = [Service::Auth, Service::Profile, Service::Audit];

/// The first id of the ring, what is wrong, and what is warned of.
type Outcome = (Option<String>, Vec<String>, Vec<String>);

fn load(mut loader: Loader, service: Service) -> Outcome {
    let ring = SealingConfig::load(&mut loader, service).key_encryption;
    let id = ring.map(|ring| ring.current().0.to_owned());
    let warnings = loader.warnings().iter().map(ToString::to_string).collect();
    let problems = match loader.finish() {
        Ok(()) => Vec::new(),
        Err(errors) => errors.problems.iter().map(ToString::to_string).collect(),
    };
    (id, problems, warnings)
}

fn own(service: Service) -> String {
    format!("{}_KEY_ENCRYPTION_KEYS", service.config_prefix())
}

fn quietly(id: &str) -> Outcome {
    (Some(id.to_owned()), Vec::new(), Vec::new())
}

#[test]
fn a_services_own_ring_goes_first_and_production_is_told_of_the_other() {
    let (theirs, everybodys) = (format!("own:{}", key(1)), format!("all:{}", key(2)));
    let common = ("KEY_ENCRYPTION_KEYS", everybodys.as_str());
    for service in SEALING {
        let name = own(service);
        let alone = (name.as_str(), theirs.as_str());
        for loader in [production, development] {
            assert_eq!(load(loader(&[alone]), service), quietly("own"), "{name}");
            let standalone = loader(&[alone, common]).for_standalone();
            assert_eq!(load(standalone, service), quietly("own"), "{name}");
            let standalone = loader(&[common]).for_standalone();
            assert_eq!(load(standalone, service), quietly("all"), "{name}");
        }
        let both = load(development(&[alone, common]), service);
        assert_eq!(both, quietly("own"), "{name}");
        assert_eq!(load(development(&[common]), service), quietly("all"));
        assert_eq!(load(development(&[]), service), (None, vec![], vec![]));

        let (id, problems, warnings) = load(production(&[common]), service);
        assert_eq!((id.as_deref(), problems.len()), (Some("all"), 0), "{name}");
        assert_eq!(warnings.len(), 1, "{name}");
        assert!(warnings[0].starts_with("KEY_ENCRYPTION_KEYS: is used in place of"));
        for word in [name.as_str(), "k2:NEW,k1:OLD", "rewrap", "docs/KEYS.md"] {
            assert!(warnings[0].contains(word), "{word}: {warnings:?}");
        }
        let (id, problems, warnings) = load(production(&[alone, common]), service);
        assert_eq!((id.as_deref(), problems.len()), (Some("own"), 0), "{name}");
        let ignored = format!("KEY_ENCRYPTION_KEYS: is ignored, because {name} is set: remove it");
        assert_eq!(warnings, [ignored]);
        let missing = format!("{name}: is missing");
        let nothing = load(production(&[]), service);
        assert_eq!(nothing, (None, vec![missing], vec![]));
    }
}

#[test]
fn rings_can_be_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ring");
    fs::write(&file, format!("own:{}\n", key(1))).unwrap();
    let path = file.to_str().unwrap();
    for service in SEALING {
        let name = format!("{}_FILE", own(service));
        assert_eq!(load(production(&[(&name, path)]), service), quietly("own"));
        let pair = ("KEY_ENCRYPTION_KEYS_FILE", path);
        let (id, problems, warnings) = load(production(&[pair]), service);
        assert_eq!((id.as_deref(), problems.len()), (Some("own"), 0));
        assert!(warnings[0].starts_with("KEY_ENCRYPTION_KEYS: is used in place of"));
    }
}

/// A good ring for all is not taken for an own one that is wrong: what is sealed under it would be lost to view.
#[test]
fn a_wrong_ring_is_not_replaced_by_another() {
    let everybodys = format!("all:{}", key(2));
    for service in SEALING {
        let name = own(service);
        for wrong in ["", "k1", "k1:AAAA", &format!("k1:{}", "A".repeat(43))] {
            let pairs = [(name.as_str(), wrong), ("KEY_ENCRYPTION_KEYS", &everybodys)];
            let (id, problems, _) = load(production(&pairs), service);
            if wrong.is_empty() {
                assert_eq!(id.as_deref(), Some("all"), "an empty value is none");
                continue;
            }
            assert_eq!(id, None, "{name}={wrong}");
            assert!(problems[0].starts_with(&name), "{problems:?}");
        }
    }
}

/// During the move each service's ring is a key of its own and the old one of all; in one process, too. With another use
/// the old key is refused as ever.
#[test]
fn services_that_move_have_the_old_key_in_common() {
    let old = format!("k1:{}", key(9));
    let rings: Vec<(String, String)> = (0..)
        .zip(SEALING)
        .map(|(n, service)| (own(service), format!("k2:{},{old}", key(n))))
        .collect();
    let mut pairs: Vec<(&str, &str)> = rings.iter().map(|(n, r)| (&**n, &**r)).collect();
    let loader = Loader::from_pairs(pairs.iter().copied()).for_standalone();
    let all = |mut loader: Loader| {
        for service in SEALING {
            let ring = SealingConfig::load(&mut loader, service).key_encryption;
            let ids = |ring: &KeyRing| ring.iter().map(|(id, _)| id.to_owned()).collect::<Vec<_>>();
            assert_eq!(ring.as_ref().map(ids).unwrap(), ["k2", "k1"]);
        }
        SigningConfig::load(&mut loader, Service::Auth);
        loader.finish().map_err(|errors| errors.to_string())
    };
    assert_eq!(all(loader), Ok(()));
    pairs.push(("REFRESH_TOKEN_KEYS", &old));
    let told = all(Loader::from_pairs(pairs).for_standalone()).unwrap_err();
    assert!(
        told.contains("REFRESH_TOKEN_KEYS (k1): is the same key as AUTH_KEY_ENCRYPTION_KEYS (k1)"),
        "{told}"
    );
}

#[test]
fn a_service_that_seals_nothing_has_no_ring_to_set() {
    let ring = format!("k1:{}", key(1));
    let names = keys::every_name();
    for service in Service::ALL {
        let name = own(service);
        let seals = SEALING.contains(&service);
        assert_eq!(names.binary_search(&name).is_ok(), seals, "{name}");
        let mut pairs = vec![(name.as_str(), ring.as_str())];
        pairs.push(("APP_ENV", "development"));
        let told = Loader::from_pairs(pairs).finish();
        assert_eq!(told.is_ok(), seals, "{name}: {told:?}");
    }
    let misspelt = [("AUTH_KEY_ENCRYPTION_KEY", ring.as_str())];
    let told = development(&misspelt).finish().unwrap_err().to_string();
    assert!(
        told.contains("did you mean AUTH_KEY_ENCRYPTION_KEYS"),
        "{told}"
    );
}

#[test]
fn a_key_ring_is_read_and_says_what_is_wrong_with_it() {
    let ring: KeyRing = format!("k2:{}, k-1:{}", key(2), key(1)).parse().unwrap();
    assert_eq!(ring.current().0, "k2");
    assert_eq!(URL_SAFE_NO_PAD.encode(ring.get("k-1").unwrap()), key(1));
    assert!(ring.get("k3").is_none());
    assert_eq!(format!("{ring:?}"), r#"["k2", "k-1"]"#);

    let k = key(1);
    for (text, what) in [
        (String::new(), "is not `id:key`"),
        (k.clone(), "is not `id:key`"),
        (format!("a:{k},"), "is not `id:key`"),
        (format!("A:{k}"), "has no id"),
        (format!(":{k}"), "has no id"),
        (format!("{}:{k}", "a".repeat(17)), "has no id"),
        (format!("a:{k},a:{}", key(2)), "has the id a twice"),
        (format!("a:{}", &k[..40]), "key 1 is not 32 bytes"),
        (format!("a:{k}="), "key 1 is not 32 bytes"),
        (format!("{k}:a"), "key 1 is not 32 bytes"),
        (format!("a:{}", "A".repeat(43)), "key a is a placeholder"),
    ] {
        let error = text.parse::<KeyRing>().unwrap_err().to_string();
        assert!(error.contains(what), "{text}: {error}");
        assert!(!error.contains(&k[..40]), "{error}");
    }
}

#[test]
fn no_key_has_two_uses() {
    let k = key(1);
    let loader = development(&[
        ("KEY_ENCRYPTION_KEYS", &format!("a:{k}")),
        ("REFRESH_TOKEN_KEYS", &format!("b:{},c:{k}", key(2))),
    ]);
    let found = problems(loader, |loader| {
        SealingConfig::load(loader, Service::Auth);
        SigningConfig::load(loader, Service::Auth);
        SealingConfig::load(loader, Service::Auth);
        SigningConfig::load(loader, Service::Auth);
    });
    assert_eq!(
        found,
        ["REFRESH_TOKEN_KEYS (c): is the same key as KEY_ENCRYPTION_KEYS (a); no key has two uses"]
    );
    let (refresh, feed) = (format!("b:{k}"), format!("a:{},b:{k}", key(2)));
    let pairs = [
        ("REFRESH_TOKEN_KEYS", &*refresh),
        ("SESSION_FEED_KEYS", &feed),
    ];
    let loader = development(&pairs);
    let found = problems(loader, |loader| {
        SigningConfig::load(loader, Service::Auth);
        loader.key_ring(&ud_config::keys::SESSION_FEED_KEYS);
    });
    assert_eq!(
        found,
        ["SESSION_FEED_KEYS (b): is the same key as REFRESH_TOKEN_KEYS (b); no key has two uses"]
    );
}
