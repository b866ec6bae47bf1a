//! The lists of services in the files of Compose.

use deployment::Listed;
use serde_yaml_ng::{Mapping, Value};

/// File, what it is a list of, how it is read, and the entries of one service.
type Row = (
    &'static str,
    &'static str,
    fn(&str) -> Vec<String>,
    fn(&Listed) -> Vec<String>,
);

/// Containers that are no service's.
const OTHERS: [&str; 5] = ["setup", "postgres", "databases", "redis", "gateway"];
/// Names in ALLOW_PLAINTEXT that are no service's.
const STORES: [&str; 2] = ["database-server", "redis"];

const STACK: &str = "docker-compose.yml";
const INSTANCE: &str = "deploy/ec2/compose.yml";
const DEVELOPMENT: &str = "docker-compose.dev.yml";

/// Reads a file, its merge keys resolved.
fn parsed(text: &str) -> Value {
    let mut value: Value = serde_yaml_ng::from_str(text).unwrap();
    value.apply_merge().unwrap();
    value
}

/// Returns the containers of services and of their migrations.
fn services(text: &str) -> Vec<(String, Value)> {
    let value = parsed(text);
    let all = value["services"].as_mapping().unwrap().clone();
    all.into_iter()
        .map(|(name, container)| (name.as_str().unwrap().to_owned(), container))
        .filter(|(name, _)| !OTHERS.contains(&name.as_str()))
        .collect()
}

/// Returns the names of these containers.
pub fn containers(text: &str) -> Vec<String> {
    services(text).into_iter().map(|(name, _)| name).collect()
}

/// Returns `CONTAINER ENTRY` for each entry that `read` finds in a container.
fn in_each(text: &str, read: impl Fn(&Value) -> Vec<String>) -> Vec<String> {
    let all = services(text).into_iter();
    all.flat_map(|(name, container)| {
        let entries = read(&container).into_iter();
        entries
            .map(move |entry| format!("{name} {entry}"))
            .collect::<Vec<_>>()
    })
    .collect()
}

fn strings(value: &Value) -> Vec<String> {
    let values = value.as_sequence().into_iter().flatten();
    values
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn keys(value: &Value) -> Vec<String> {
    let keys = value.as_mapping().into_iter().flat_map(Mapping::keys);
    keys.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Returns image and binary of each container.
fn images(text: &str) -> Vec<String> {
    in_each(text, |container| {
        let image = container["image"].as_str().unwrap_or_default();
        let binary = container["build"]["args"]["SERVICE"].as_str();
        vec![format!("{image} {}", binary.unwrap_or_default())]
    })
}

fn images_wanted(one: &Listed) -> Vec<String> {
    let (prefix, binary) = (one.prefix(), &one.line.binary);
    let image = format!("${{{prefix}_IMAGE:-user-domain/{binary}:${{IMAGE_VERSION:-local}}}}");
    both(one, |name| vec![format!("{name} {image} {binary}")])
}

/// Returns what `entries` gives for the container of the service, and for that of its migrations.
fn both(one: &Listed, entries: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let name = one.name();
    [entries(name), entries(&format!("{name}-migrate"))].concat()
}

fn urls(text: &str) -> Vec<String> {
    let value = parsed(text);
    let environment = value["x-environment"].as_mapping().unwrap();
    let pairs = environment
        .iter()
        .filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?)));
    pairs
        .filter(|(key, _)| key.ends_with("_URL") && *key != "ISSUER_URL")
        .map(|(key, value)| format!("{key} {value}"))
        .collect()
}

fn plaintext(text: &str) -> Vec<String> {
    let value = parsed(text);
    let names = value["x-environment"]["ALLOW_PLAINTEXT"].as_str().unwrap();
    let names = names.split(',').filter(|name| !STORES.contains(name));
    names.map(str::to_owned).collect()
}

/// Returns the folders of secrets that each container has.
fn subpaths(text: &str) -> Vec<String> {
    in_each(text, |container| {
        let volumes = container["volumes"].as_sequence().into_iter().flatten();
        let paths = volumes.filter_map(|volume| volume["volume"]["subpath"].as_str());
        paths.map(str::to_owned).collect()
    })
}

/// Returns the same where they are folders of the machine.
fn sources(text: &str) -> Vec<String> {
    in_each(text, |container| {
        let volumes = container["volumes"].as_sequence().into_iter().flatten();
        let paths = volumes.filter_map(|volume| volume["source"].as_str());
        paths
            .filter_map(|path| path.split_once("/etc/user-domain/secrets/"))
            .map(|(_, folder)| folder.to_owned())
            .collect()
    })
}

fn secrets_wanted(one: &Listed) -> Vec<String> {
    let name = one.name();
    let mut entries = both(one, |container| vec![format!("{container} {name}")]);
    if one.line.sql {
        entries.push(format!("{name}-migrate {name}-owner"));
    }
    entries
}

/// Returns the variables of each container that are named after a service.
fn variables(text: &str) -> Vec<String> {
    const ENDS: [&str; 3] = [
        "_IDENTITY_KEY_FILE",
        "_DATABASE_URL_FILE",
        "_KEY_ENCRYPTION_KEYS_FILE",
    ];
    in_each(text, |container| {
        let mut keys = keys(&container["environment"]);
        keys.retain(|key| ENDS.iter().any(|end| key.ends_with(end)));
        keys
    })
}

fn variables_wanted(one: &Listed) -> Vec<String> {
    let (name, prefix) = (one.name(), one.prefix());
    let mut entries = both(one, |container| {
        let mut names = vec!["IDENTITY_KEY_FILE"];
        if one.line.sql {
            names.push("DATABASE_URL_FILE");
        }
        if one.seals {
            names.push("KEY_ENCRYPTION_KEYS_FILE");
        }
        let names = names.iter();
        names
            .map(|key| format!("{container} {prefix}_{key}"))
            .collect()
    });
    if one.line.sql {
        entries.push(format!(
            "{name}-migrate {prefix}_MIGRATION_DATABASE_URL_FILE"
        ));
    }
    entries
}

/// Returns what each container waits for, and its networks.
fn surroundings(text: &str) -> Vec<String> {
    in_each(text, |container| {
        let waits = keys(&container["depends_on"]).into_iter();
        let waits = waits.map(|name| format!("after {name}"));
        let networks = strings(&container["networks"]).into_iter();
        waits
            .chain(networks.map(|name| format!("in {name}")))
            .collect()
    })
}

fn surroundings_wanted(one: &Listed) -> Vec<String> {
    let name = one.name();
    let migrations = format!("{name}-migrate");
    let (own, of_migrations) = if one.line.sql {
        (vec!["in database"], ["after databases", "in database"])
    } else {
        (vec!["after redis", "in redis"], ["after setup", "in redis"])
    };
    let common = ["after gateway", "in gateway", "in services"];
    let mut entries = vec![format!("{name} after {migrations}")];
    let all = common.iter().chain(&own);
    entries.extend(all.map(|entry| format!("{name} {entry}")));
    entries.extend(of_migrations.map(|entry| format!("{migrations} {entry}")));
    entries
}

/// Returns image and ports of each container of the developer's loop.
fn developed(text: &str) -> Vec<String> {
    in_each(text, |container| {
        let mut entries = strings(&container["ports"]);
        entries.extend(container["image"].as_str().map(str::to_owned));
        let watched = container["develop"]["watch"].as_sequence();
        let watched = watched.into_iter().flatten();
        let paths = watched.filter_map(|one| one["path"].as_str());
        let own = paths.filter(|path| {
            let common = ["./shared", "./migrations/events", "./Cargo.lock"];
            !common.contains(path)
        });
        entries.extend(own.map(str::to_owned));
        entries
    })
}

fn developed_wanted(one: &Listed) -> Vec<String> {
    let (name, binary, port) = (one.name(), &one.line.binary, one.port);
    let mut entries = both(one, |container| {
        vec![format!("{container} user-domain/{binary}:development")]
    });
    entries.push(format!("{name} 127.0.0.1:{port}:{port}"));
    entries.push(format!("{name} ./{}", one.line.folder));
    entries.push(format!("{name} ./migrations/{name}"));
    entries
}

/// Returns the lists.
pub fn lists() -> Vec<Row> {
    vec![
        (STACK, "containers", containers, |one| {
            both(one, |name| vec![name.to_owned()])
        }),
        (STACK, "images", images, images_wanted),
        (STACK, "URLs", urls, |one| {
            let (name, port) = (one.name(), one.internal_port);
            vec![format!("{}_URL http://{name}:{port}", one.prefix())]
        }),
        (STACK, "ALLOW_PLAINTEXT", plaintext, |one| {
            vec![one.name().to_owned()]
        }),
        (STACK, "secrets", subpaths, secrets_wanted),
        (STACK, "variables", variables, variables_wanted),
        (
            STACK,
            "order and networks",
            surroundings,
            surroundings_wanted,
        ),
        (INSTANCE, "containers", containers, |one| {
            both(one, |name| vec![name.to_owned()])
        }),
        (INSTANCE, "ALLOW_PLAINTEXT", plaintext, |one| {
            vec![one.name().to_owned()]
        }),
        (INSTANCE, "secrets", sources, secrets_wanted),
        (DEVELOPMENT, "containers", containers, |one| {
            both(one, |name| vec![name.to_owned()])
        }),
        (
            DEVELOPMENT,
            "images, ports and sources",
            developed,
            developed_wanted,
        ),
    ]
}
