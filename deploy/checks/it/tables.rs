//! The lists of services: where each is, how it is read, and what it should have for a service.

use deployment::Listed;

use crate::compose;

/// One list.
pub struct List {
    /// Where it is; a folder stands for its files (`== NAME` is above the text of each).
    pub file: &'static str,
    /// What it is a list of.
    pub what: &'static str,
    /// Reads its entries.
    pub found: fn(&str) -> Vec<String>,
    /// Returns the entries of one service.
    pub wanted: fn(&Listed) -> Vec<String>,
}

fn name(service: &Listed) -> Vec<String> {
    vec![service.name().to_owned()]
}

fn with_migrations(service: &Listed) -> Vec<String> {
    let name = service.name();
    vec![name.to_owned(), format!("{name}-migrate")]
}

/// Returns `entry` for a service with an SQL database.
fn with_database(service: &Listed, entry: String) -> Vec<String> {
    if service.line.sql {
        vec![entry]
    } else {
        Vec::new()
    }
}

/// Returns the lines that begin so, without the beginning.
fn lines_after(text: &str, beginning: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter_map(|line| line.strip_prefix(beginning))
        .map(str::to_owned)
        .collect()
}

/// Returns each server of each group of NGINX: `NAME ADDRESS`.
fn upstreams(text: &str) -> Vec<String> {
    let mut group = "";
    let mut found = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.trim().trim_end_matches(';').split(' ').collect();
        match words[..] {
            ["upstream", name, "{"] => group = name,
            ["server", address, ..] if address != "{" => found.push(format!("{group} {address}")),
            _ => {}
        }
    }
    found
}

/// Returns each server of NGINX that is nothing but a way to a group: `ADDRESS NAME`.
fn forwarded(text: &str) -> Vec<String> {
    let listening = lines_after(text, "listen ");
    let groups = lines_after(text, "proxy_pass http://");
    let pairs = listening.iter().zip(&groups);
    let plain = |value: &String| value.trim_end_matches(';').to_owned();
    pairs
        .map(|(address, group)| format!("{} {}", plain(address), plain(group)))
        .collect()
}

/// Splits the text of a folder into names and texts of files.
fn files(text: &str) -> Vec<(&str, &str)> {
    let sections = text.split("== ").skip(1);
    sections
        .filter_map(|section| section.split_once('\n'))
        .collect()
}

/// Returns the groups that the files of the gateway lead to; those of one file are one entry.
fn led_to(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (file, text) in files(text) {
        let mut groups = lines_after(text, "proxy_pass http://");
        groups.sort();
        groups.dedup();
        let groups: Vec<&str> = groups.iter().map(|one| one.trim_end_matches(';')).collect();
        let entry = match groups[..] {
            [one] => one.to_owned(),
            _ => format!("{file}: {}", groups.join(" ")),
        };
        if !found.contains(&entry) {
            found.push(entry);
        }
    }
    found
}

/// Returns the workflows that deploy a service: `FILE NAME JOB SERVICE`.
fn workflows(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in files(text) {
        if !text.contains("uses: ./.github/workflows/service.yml\n") {
            continue;
        }
        let (_, job) = text.split_once("\njobs:\n  ").unwrap_or_default();
        let service = lines_after(text, "with: {service: ").concat();
        found.push(format!(
            "{file} {} {} {}",
            lines_after(text, "name: ").concat(),
            job.split(':').next().unwrap_or_default(),
            service.trim_end_matches('}')
        ));
    }
    found.retain(|entry| !entry.starts_with("gateway.yml "));
    found
}

/// Returns the order of the units: `UNIT after UNITS`.
fn order(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in files(text) {
        let Some((unit, _)) = file.split_once(".d/") else {
            continue;
        };
        if unit.starts_with("user-domain@") {
            found.push(format!(
                "{unit} after {}",
                lines_after(text, "After=").concat()
            ));
        }
    }
    found
}

/// Returns what the scripts say of the databases of files, one by one.
fn in_turn(text: &str) -> Vec<String> {
    let loops = lines_after(text, "for service in ");
    let names = loops.iter().filter(|words| !words.starts_with('"'));
    names
        .flat_map(|words| words.trim_end_matches("; do").split(' '))
        .map(str::to_owned)
        .collect()
}

/// Returns the packages of the workspace that are services: `PACKAGE FOLDER`.
fn packages(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .filter_map(|line| line.split_once(" = { path = \"crates/"));
    lines
        .map(|(package, rest)| {
            let folder = rest.split('"').next().unwrap_or_default();
            format!("{package} crates/{folder}")
        })
        .collect()
}

/// Returns the variables with this end: `VARIABLE=VALUE`.
fn urls(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .filter(|line| line.contains("_URL=http://127.0.0.1"));
    lines.map(str::to_owned).collect()
}

fn address(service: &Listed, further: u16) -> String {
    format!("127.0.0.1:{}", service.port + further)
}

/// Returns every list.
pub fn all() -> Vec<List> {
    let list = |file, what, found, wanted| List {
        file,
        what,
        found,
        wanted,
    };
    let mut all = vec![
        list("Cargo.toml", "packages", packages, |one| {
            vec![format!("{} {}", one.line.package, one.line.folder)]
        }),
        list("nginx/upstreams.conf", "upstreams", upstreams, |one| {
            vec![format!("{} {}", one.name(), address(one, 0))]
        }),
        list("nginx/services", "upstreams in use", led_to, name),
        list(
            "nginx/examples/internal.conf",
            "upstreams",
            upstreams,
            |one| {
                [100, 300]
                    .map(|further| format!("{} {}", one.name(), address(one, further)))
                    .to_vec()
            },
        ),
        list(
            "nginx/examples/internal.conf",
            "servers",
            forwarded,
            |one| vec![format!("{} {}", address(one, 200), one.name())],
        ),
        list(
            "deploy/docker/gateway/upstreams.conf",
            "upstreams",
            upstreams,
            |one| vec![format!("{} {}:{}", one.name(), one.name(), one.port)],
        ),
        list(
            "deploy/ec2/nginx/upstreams-standalone.conf",
            "upstreams",
            upstreams,
            |one| vec![format!("{} 127.0.0.1:8080", one.name())],
        ),
        list(".github/workflows", "workflows", workflows, |one| {
            let name = one.name();
            vec![format!("{name}.yml {name} {name} {name}")]
        }),
        list("deploy/ec2/env/common.env", "URLs", urls, |one| {
            vec![format!("{}_URL=http://{}", one.prefix(), address(one, 100))]
        }),
        list(
            "deploy/ec2/systemd/user-domain-backup.service",
            "credentials",
            |text| lines_after(text, "LoadCredential="),
            |one| {
                let name = one.name();
                let path = format!("/etc/user-domain/secrets/{name}-owner/database-url");
                with_database(one, format!("{name}.url:{path}"))
            },
        ),
        list(
            "deploy/ec2/systemd/service.conf",
            "keys that seal",
            sealing,
            |one| {
                let entry = format!("{}_KEY_ENCRYPTION_KEYS_FILE", one.prefix());
                if one.seals { vec![entry] } else { Vec::new() }
            },
        ),
        list("deploy/ec2/systemd", "order of the units", order, |one| {
            let unit = |name: &str| format!("user-domain@{name}.service");
            let before: Vec<String> = one.before.iter().map(|name| unit(name)).collect();
            if before.is_empty() {
                return Vec::new();
            }
            vec![format!("{} after {}", unit(one.name()), before.join(" "))]
        }),
        list("deploy/ec2/libexec/backup", "databases", in_turn, |one| {
            with_database(one, one.name().to_owned())
        }),
        list(
            "tests/containers/compose.yml",
            "containers",
            compose::containers,
            with_migrations,
        ),
        list(
            "tests/containers/rds.yml",
            "containers",
            compose::containers,
            |one| {
                let name = one.name();
                let both = with_database(one, name.to_owned());
                let migration = with_database(one, format!("{name}-migrate"));
                [both, migration].concat()
            },
        ),
    ];
    all.extend(
        compose::lists()
            .into_iter()
            .map(|(file, what, found, wanted)| list(file, what, found, wanted)),
    );
    all
}

fn sealing(text: &str) -> Vec<String> {
    let lines = lines_after(text, "Environment=");
    let names = lines.iter().filter_map(|line| line.split('=').next());
    names
        .filter(|name| name.ends_with("_KEY_ENCRYPTION_KEYS_FILE"))
        .map(str::to_owned)
        .collect()
}
