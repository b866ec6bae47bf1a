//! No secret is where it does not belong: in an image, a log, or what the engine tells of a container.

use std::{collections::BTreeMap, fs};

use aho_corasick::AhoCorasick;

use crate::stack::{compose, docker, platform};

/// The secrets of the stack: every file of the volume, by its path.
fn secrets() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().display().to_string();
    compose(&["cp", "setup:/var/lib/user-domain/.", &target]);
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.path().to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("peers.json") {
                let name = path
                    .strip_prefix(folder.path())
                    .unwrap()
                    .display()
                    .to_string();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// Takes out of a file the part that nobody is to see: the key of a ring, the private half of an identity, the password of a URL.
fn secret_part(name: &str, text: &str) -> String {
    let text = text.trim();
    if name.ends_with("identity-key.json") {
        let key: serde_json::Value = serde_json::from_str(text).unwrap();
        return key["d"].as_str().unwrap().to_owned();
    }
    let after = |at: &str| text.split_once(at).unwrap().1.to_owned();
    if name.ends_with("-keys") {
        return after(":");
    }
    if name.ends_with("-url") {
        let password = text.rsplit_once('@').unwrap().0;
        return password.rsplit_once(':').unwrap().1.to_owned();
    }
    if name.ends_with("redis.conf") {
        return after(" ");
    }
    text.to_owned()
}

#[tokio::test]
async fn no_secret_is_in_an_image_a_log_or_an_inspection() {
    let platform = platform().await;
    // Something is in the logs.
    let (person, _) = platform.client.newcomer_in().await;
    let secrets = secrets();
    assert!(secrets.len() > 25, "{:?}", secrets.keys());
    let mut parts: Vec<_> = secrets
        .iter()
        .map(|(name, text)| secret_part(name, text))
        .collect();
    assert!(
        parts.iter().all(|part| part.len() >= 20),
        "each is long enough to be told from chance"
    );
    parts.push(person.password.clone());
    let search = AhoCorasick::new(&parts).unwrap();
    let clean = |what: &str, text: &[u8]| {
        let found = search.find(text);
        let found = found.map(|found| secrets.keys().nth(found.pattern().as_usize()));
        assert!(found.is_none(), "{what} holds {found:?}");
    };
    clean(
        "the log",
        compose(&["logs", "--no-color", "--no-log-prefix"]).as_bytes(),
    );
    let containers = compose(&["ps", "--all", "--quiet"]);
    for container in containers.lines() {
        clean("an inspection", docker(&["inspect", container]).as_bytes());
    }
    clean("the configuration", compose(&["config"]).as_bytes());

    let folder = tempfile::tempdir().unwrap();
    let images = compose(&["config", "--images"]);
    for image in images
        .lines()
        .filter(|image| image.starts_with("user-domain/"))
    {
        let file = folder.path().join("image.tar");
        docker(&["save", "--output", &file.display().to_string(), image]);
        let layers = fs::read(&file).unwrap();
        let known = AhoCorasick::new(["user-domain:x:65532:65532:"]).unwrap();
        let is_readable = image.contains("gateway") || known.find(&layers).is_some();
        assert!(
            is_readable,
            "the layers are compressed: nothing would be found in them"
        );
        clean(image, &layers);
        clean(image, docker(&["history", "--no-trunc", image]).as_bytes());
    }
}
