//! What `setup` makes, what it keeps, and who may read it.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _};

use ud_config::KeyRing;

use super::*;

/// Every file below `root` by its path from there, with its text and mode.
fn files(root: &Path) -> BTreeMap<String, (String, u32)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            let name = path.strip_prefix(root).unwrap().display().to_string();
            found.insert(name, (fs::read_to_string(&path).unwrap(), mode));
        }
    }
    found
}

fn arguments(folder: &Path) -> SetupArguments {
    SetupArguments {
        folder: folder.to_owned(),
        database_url: "postgres://{user}:{password}@db/{service}".to_owned(),
        redis_url: "redis://:{password}@redis".to_owned(),
    }
}

#[test]
fn each_reader_has_what_it_needs_and_nobody_elses_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let made = setup(&arguments(dir.path())).unwrap();
    let files = files(dir.path());
    let text = |name: &str| {
        files
            .get(name)
            .unwrap_or_else(|| panic!("{name}"))
            .0
            .clone()
    };

    for service in Service::ALL {
        let key = text(&format!("{service}/identity-key.json"));
        let key = IdentityKey::from_private_jwk(service, key.as_bytes()).unwrap();
        let set = text(&format!("{service}/peers.json"));
        let own = serde_json::to_string(&key.public_jwk()).unwrap();
        assert!(set.contains(&own), "{service}");
        assert!(!set.contains("\"d\""), "a private key among the peers");
        for ring in service.declaration().key_rings {
            let ring: KeyRing = text(&format!("{service}/{ring}")).parse().unwrap();
            assert_eq!(ring.iter().count(), 1);
        }
        if service.declaration().has_database_server {
            let password = text(&format!("database-server/{service}.password"));
            let url = format!("postgres://{service}:{password}@db/{service}");
            assert_eq!(text(&format!("{service}/database-url")), url);
            let password = text(&format!("database-server/{service}_owner.password"));
            let url = format!("postgres://{service}_owner:{password}@db/{service}");
            assert_eq!(text(&format!("{service}-owner/database-url")), url);
        }
    }
    let password = text("redis-server/password");
    assert_eq!(
        text("redis-server/redis.conf"),
        format!("requirepass {password}\n")
    );
    assert_eq!(
        text("session/redis-url"),
        format!("redis://:{password}@redis")
    );
    assert!(text("profile/bootstrap-admin-password").len() >= 20);

    // No two secrets are the same, and of none a part is in the folder of somebody it is not for.
    let secrets: Vec<_> = made
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for (index, secret) in secrets.iter().enumerate() {
        assert!(
            !secrets[..index].contains(secret),
            "{}",
            made[index].display()
        );
    }
    for (name, (text, mode)) in &files {
        let is_for_a_store =
            name.starts_with("database-server") || name.starts_with("redis-server");
        assert_eq!(*mode, if is_for_a_store { 0o644 } else { 0o600 }, "{name}");
        if is_for_a_store {
            continue;
        }
        let folder = name.split('/').next().unwrap();
        for (path, secret) in made.iter().zip(&secrets) {
            let owner = path.strip_prefix(dir.path()).unwrap().display().to_string();
            let is_shared = owner
                == format!(
                    "database-server/{}.password",
                    folder.replace("-owner", "_owner")
                )
                || (owner == "redis-server/password" && folder == "session");
            if !owner.starts_with(&format!("{folder}/")) && !is_shared {
                assert!(
                    !text.contains(secret.trim()),
                    "{name} has what is in {owner}"
                );
            }
        }
    }
}

#[test]
fn what_is_there_stays_and_what_is_missing_comes() {
    let dir = tempfile::tempdir().unwrap();
    setup(&arguments(dir.path())).unwrap();
    let first = files(dir.path());
    let made = setup(&arguments(dir.path())).unwrap();
    assert!(made.is_empty(), "{made:?}");
    assert_eq!(files(dir.path()), first);

    // Every file by itself is made again, and nothing else changes but what follows from it.
    for name in first.keys() {
        fs::remove_file(dir.path().join(name)).unwrap();
        setup(&arguments(dir.path())).unwrap();
        let now = files(dir.path());
        assert_eq!(
            now.keys().collect::<Vec<_>>(),
            first.keys().collect::<Vec<_>>()
        );
        let rings = ["identity-key.json", "-keys", "password"];
        let before = |other: &str| first.get(other).map(|(text, _)| text.clone());
        for (other, (text, _)) in &now {
            let is_secret = rings.iter().any(|end| other.ends_with(end));
            if is_secret && other != name {
                assert_eq!(Some(text.clone()), before(other), "{other}, after {name}");
            }
        }
        // Back to the first set, for the next round.
        for (other, (text, mode)) in &first {
            replace(&dir.path().join(other), text, *mode).unwrap();
        }
    }
}

#[test]
fn another_server_gets_the_same_passwords() {
    let dir = tempfile::tempdir().unwrap();
    setup(&arguments(dir.path())).unwrap();
    let password = fs::read_to_string(dir.path().join("database-server/auth.password")).unwrap();
    let other = SetupArguments {
        database_url: "mysql://{user}:{password}@other/{service}?ssl_mode=verify_identity"
            .to_owned(),
        ..arguments(dir.path())
    };
    assert!(setup(&other).unwrap().is_empty());
    let url = fs::read_to_string(dir.path().join("auth/database-url")).unwrap();
    let wanted = format!("mysql://auth:{password}@other/auth?ssl_mode=verify_identity");
    assert_eq!(url, wanted);
}

#[test]
fn several_at_once_agree() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| setup(&arguments(dir.path())).unwrap());
        }
    });
    let first = files(dir.path());
    assert!(setup(&arguments(dir.path())).unwrap().is_empty());
    assert_eq!(
        files(dir.path()),
        first,
        "what follows follows from what is there"
    );
}

#[test]
fn a_damaged_secret_is_named_and_kept() {
    for name in [
        "auth/identity-key.json",
        "audit/key-encryption-keys",
        "database-server/role.password",
    ] {
        let dir = tempfile::tempdir().unwrap();
        setup(&arguments(dir.path())).unwrap();
        let path = dir.path().join(name);
        fs::write(&path, "\n").unwrap();
        let error = setup(&arguments(dir.path())).unwrap_err();
        assert_eq!(error.exit_code(), 78, "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "\n");
    }
    // The identity of another service is none.
    let dir = tempfile::tempdir().unwrap();
    setup(&arguments(dir.path())).unwrap();
    let key = fs::read(dir.path().join("role/identity-key.json")).unwrap();
    fs::write(dir.path().join("auth/identity-key.json"), key).unwrap();
    assert!(setup(&arguments(dir.path())).is_err());
}
