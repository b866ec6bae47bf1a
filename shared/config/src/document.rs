//! `.env.example` and docs/CONFIG.md, written from the table of keys.

use std::fmt::Write as _;

use ud_kernel::{Declaration, Service};

use crate::{Key, Scope, keys};

/// The content of `.env.example`: every key, commented out.
#[must_use]
pub fn env_example() -> String {
    let mut out = String::from(
        "# Copy to .env and uncomment what you need; docs/CONFIG.md explains each key.\n\
         # Values set in the environment win. A secret can also be a file: NAME_FILE=/path.\n\
         # The secrets below are placeholders and are refused.\n",
    );
    for (title, keys) in keys::groups() {
        let _ = write!(out, "\n# --- {} ---\n", title);
        for key in keys {
            let _ = writeln!(out, "\n# {}", help(key));
            let value = key.default.or(key.example).unwrap_or_default();
            for name in plain_names(key) {
                let _ = writeln!(out, "#{name}={value}");
            }
        }
    }
    out
}

/// The content of docs/CONFIG.md.
#[must_use]
pub fn markdown() -> String {
    let prefixes = Service::ALL.map(|service| format!("`{}_`", service.config_prefix()));
    let mut out = format!(
        "# Configuration\n\n\
         Keys come from the environment, or from `.env` in the working directory; the environment wins. `<SERVICE>_` stands for\n\
         {}. A key marked *secret* can also be given as a file: `<name>_FILE` holds its\n\
         path, and a line break at the file's end is no part of the value. An empty value counts as unset.\n\n\
         Every problem is reported at once, and the program exits with code 78: missing, malformed and out-of-range values,\n\
         unknown keys (in `.env`, or under our prefixes in the environment), placeholders and short secrets. `check-config` does only that.\n",
        listed(&prefixes)
    );
    for (title, keys) in keys::groups() {
        let _ = write!(
            out,
            "\n## {}\n\n| key | default | meaning |\n|---|---|---|\n",
            title
        );
        for key in keys {
            let name = match key.scope {
                Scope::Shared => format!("`{}`", key.name),
                Scope::PerService { alone: None } => format!("`<SERVICE>_{}`", key.name),
                Scope::PerService { alone: Some(alone) } => {
                    format!("`<SERVICE>_{}`; alone also `{alone}`", key.name)
                }
            };
            let secret = if key.secret { " *(secret)*" } else { "" };
            let default = key.default.map_or_else(String::new, |d| format!("`{d}`"));
            let _ = writeln!(out, "| {name}{secret} | {default} | {} |", help(key));
        }
    }
    out
}

/// The names of a key in `.env.example`: without the unprefixed and the `_FILE` forms.
fn plain_names(key: &Key) -> Vec<String> {
    match key.scope {
        Scope::Shared => vec![key.name.to_string()],
        Scope::PerService { .. } => Service::ALL
            .into_iter()
            .map(|service| key.of(service).name.into_owned())
            .collect(),
    }
}

/// Returns `a, b or c`.
fn listed(names: &[String]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// Returns a key's help, with the ports that the services declare.
fn help(key: &Key) -> String {
    let ports = |port: fn(&Declaration) -> Option<u16>| {
        let each = Service::ALL.into_iter().filter_map(|service| {
            let port = port(service.declaration())?;
            Some(format!("{service} {port}"))
        });
        each.collect::<Vec<_>>().join(", ")
    };
    key.help
        .replace("{public_ports}", &ports(|declared| declared.public_port))
        .replace(
            "{internal_ports}",
            &ports(|declared| Some(declared.internal_port)),
        )
}
