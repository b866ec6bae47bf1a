//! Finds keys nobody reads: a misspelt key must not be a silent default.

use std::collections::BTreeMap;

use ud_kernel::Service;

use crate::{
    Problem, keys,
    source::{Origin, Value, shown},
};

/// Prefixes that are ours besides those of the services and those that they declare.
const PREFIXES: [&str; 4] = ["JWT_", "LIMIT_", "IDENTITY_", "KEY_ENCRYPTION_"];

/// Set by desktop sessions, though the prefix is ours.
const DESKTOP: [&str; 2] = ["SESSION_MANAGER", "SESSION_ID"];

/// What other programs read from the same `.env`.
const FOREIGN: [&str; 4] = ["COMPOSE_", "DOCKER_", "RUST_", "TEST_"];

pub(crate) fn find(values: &BTreeMap<String, Value>) -> Vec<Problem> {
    let known = keys::every_name();
    values
        .iter()
        .filter(|(name, value)| {
            let ours = match value.origin {
                Origin::DotEnv => !FOREIGN.iter().any(|prefix| name.starts_with(prefix)),
                Origin::Environment => is_ours(name) && !value.text.is_empty(),
            };
            ours && known.binary_search(name).is_err()
        })
        .map(|(name, _)| Problem {
            key: shown(name).trim_matches('`').to_owned(),
            text: nearest(name, &known).map_or_else(
                || "is not a known key".to_owned(),
                |near| format!("is not a known key; did you mean {near}?"),
            ),
        })
        .collect()
}

fn is_ours(name: &str) -> bool {
    let service = Service::ALL.into_iter().find_map(|service| {
        name.strip_prefix(service.config_prefix())?
            .strip_prefix('_')
    });
    match service {
        Some(rest) => !is_injected(rest) && !DESKTOP.contains(&name),
        None => {
            let declared = Service::ALL
                .into_iter()
                .flat_map(|service| service.declaration().key_prefixes);
            let mut prefixes = PREFIXES.iter().chain(declared);
            prefixes.any(|prefix| name.starts_with(prefix))
        }
    }
}

/// Whether Kubernetes sets `<SERVICE>_<rest>` for a Service object named after one of ours.
fn is_injected(rest: &str) -> bool {
    rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_")
}

fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    known
        .iter()
        .map(|key| (strsim::damerau_levenshtein(&upper, key), key.as_str()))
        .min()
        .filter(|(distance, key)| *distance * 3 <= key.len())
        .map(|(_, key)| key)
}
