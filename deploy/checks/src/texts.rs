//! The texts that `make generated` writes, each from the list of services.

use crate::Listed;

/// Joins what each service gives.
fn each(services: &[Listed], text: impl Fn(&Listed) -> String) -> String {
    services.iter().map(text).collect()
}

/// Joins what each service with an SQL database gives.
fn each_with_database(services: &[Listed], text: impl Fn(&Listed) -> String) -> String {
    services
        .iter()
        .filter(|one| one.line.sql)
        .map(text)
        .collect()
}

fn names(services: &[Listed]) -> String {
    let names: Vec<&str> = services.iter().map(Listed::name).collect();
    names.join(",")
}

/// Returns a group of NGINX with these lines.
fn upstream(name: &str, indent: &str, first: &[String]) -> String {
    let keep = ["keepalive 32;", "keepalive_timeout 2s;"].map(str::to_owned);
    let lines: String = first
        .iter()
        .chain(&keep)
        .map(|line| format!("{indent}    {line}\n"))
        .collect();
    format!("{indent}upstream {name} {{\n{lines}{indent}}}\n")
}

fn here(port: u16) -> String {
    format!("server 127.0.0.1:{port} max_fails=0;")
}

pub(crate) fn upstreams(services: &[Listed]) -> String {
    each(services, |one| upstream(one.name(), "", &[here(one.port)]))
}

/// Returns all groups with the port of standalone.
pub(crate) fn standalone_upstreams(services: &[Listed]) -> String {
    each(services, |one| upstream(one.name(), "", &[here(8080)]))
}

pub(crate) fn container_upstreams(services: &[Listed]) -> String {
    each(services, |one| {
        let (name, port) = (one.name(), one.port);
        let lines = [
            format!("zone {name} 64k;"),
            format!("server {name}:{port} resolve max_fails=0;"),
        ];
        upstream(name, "", &lines)
    })
}

/// Returns the groups of the internal listeners of two replicas each.
pub(crate) fn internal_upstreams(services: &[Listed]) -> String {
    each(services, |one| {
        let servers = [here(one.internal_port), here(one.internal_port + 200)];
        upstream(one.name(), "    ", &servers)
    })
}

/// Returns the servers in front of these groups.
pub(crate) fn internal_servers(services: &[Listed]) -> String {
    each(services, |one| {
        let (name, port) = (one.name(), one.port + 200);
        format!(
            "    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{name};
        }}
    }}
"
        )
    })
}

/// Returns where services on one machine find each other.
pub(crate) fn urls(services: &[Listed]) -> String {
    each(services, |one| {
        let (prefix, port) = (one.prefix(), one.internal_port);
        format!("{prefix}_URL=http://127.0.0.1:{port}\n")
    })
}

/// Returns to whom connections need no TLS where a database's certificate is verified.
pub(crate) fn plaintext(services: &[Listed]) -> String {
    format!("  ALLOW_PLAINTEXT: {},redis\n", names(services))
}

/// Returns the containers of an instance of EC2.
pub(crate) fn instance(services: &[Listed]) -> String {
    const SECRETS: &str = "${USER_DOMAIN_ROOT:-}/etc/user-domain/secrets";
    each(services, |one| {
        let name = one.name();
        let (authority, migrate, owner) = if one.line.sql {
            let owner = format!(", {{<<: *owner, source: \"{SECRETS}/{name}-owner\"}}, *authority");
            (", *authority", "migrate", owner)
        } else {
            ("", "service", String::new())
        };
        format!(
            "  {name}:
    <<: *service
    volumes: [&{name} {{<<: *secrets, source: \"{SECRETS}/{name}\"}}{authority}]
  {name}-migrate:
    <<: *{migrate}
    volumes: [*{name}{owner}]
"
        )
    })
}

/// Returns the containers of the developer's loop.
pub(crate) fn development(services: &[Listed]) -> String {
    let blocks: Vec<String> = services.iter().map(developed).collect();
    blocks.join("\n")
}

fn developed(one: &Listed) -> String {
    let (name, binary, port) = (one.name(), &one.line.binary, one.port);
    let common = format!(
        "    <<: *development
    image: user-domain/{binary}:development
    build: {{target: development}}
    environment: *environment
"
    );
    let folder = &one.line.folder;
    format!(
        "  {name}:
{common}    ports: [\"127.0.0.1:{port}:{port}\"]
    networks: [public]
    volumes: [\"target:/src/target\"]
    develop:
      watch:
        - *shared
        - *events
        - *lock
        - {{action: sync+restart, path: ./{folder}, target: /src/{folder}}}
        - {{action: sync+restart, path: ./migrations/{name}, target: /src/migrations/{name}}}
  {name}-migrate:
{common}    volumes: [\"target:/src/target\"]
"
    )
}

/// Returns what `make test-compose` changes of each container.
pub(crate) fn tested(services: &[Listed]) -> String {
    each(services, |one| {
        let name = one.name();
        format!(
            "  {name}: {{<<: *tested, build: *build}}\n  {name}-migrate: {{<<: *tested, build: *build}}\n"
        )
    })
}

/// Returns the containers that reach the database of `scripts/test-compose-rds`.
pub(crate) fn with_database(services: &[Listed]) -> String {
    each_with_database(services, |one| {
        let name = one.name();
        format!("  {name}: *database\n  {name}-migrate: *database\n")
    })
}

/// Returns the databases of a back-up of files, the audit log last.
pub(crate) fn databases(services: &[Listed]) -> String {
    let (last, first): (Vec<_>, Vec<_>) = services
        .iter()
        .filter(|one| one.line.sql)
        .map(Listed::name)
        .partition(|name| *name == "audit");
    let names: Vec<&str> = first.into_iter().chain(last).collect();
    format!("    for service in {}; do\n", names.join(" "))
}

/// Returns the credentials of the back-up: the connections of the owners.
pub(crate) fn credentials(services: &[Listed]) -> String {
    each_with_database(services, |one| {
        let name = one.name();
        format!("LoadCredential={name}.url:/etc/user-domain/secrets/{name}-owner/database-url\n")
    })
}

/// Returns where the units find the keys that seal.
pub(crate) fn sealing_keys(services: &[Listed]) -> String {
    let sealing = services.iter().filter(|one| one.seals);
    sealing
        .map(|one| {
            let prefix = one.prefix();
            format!("Environment={prefix}_KEY_ENCRYPTION_KEYS_FILE=%d/secret_key-encryption-keys\n")
        })
        .collect()
}

/// Returns after which others the unit of a service is started.
pub(crate) fn order(service: &Listed) -> String {
    let before: Vec<String> = service
        .before
        .iter()
        .map(|name| format!("user-domain@{name}.service"))
        .collect();
    format!(
        "# Who is called comes before the caller. Each waits for the others by itself; this spares the first callers a 503.
[Unit]
After={}
",
        before.join(" ")
    )
}

/// Returns a workflow with this path filter.
pub(crate) fn workflow(name: &str, paths: &str) -> String {
    format!(
        "# Written by `make generated`.
name: {name}
on:
  workflow_dispatch:
  push:
    branches: [main]
{paths}
permissions: {{}}
concurrency: {{group: \"{name} ${{{{ github.ref }}}}\", cancel-in-progress: false}}
jobs:
  {name}:
    permissions: {{actions: read, attestations: write, contents: read, id-token: write}}
    uses: ./.github/workflows/service.yml
    with: {{service: {name}}}
"
    )
}
