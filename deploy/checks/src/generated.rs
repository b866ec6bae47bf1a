//! What is written by `make generated`: the lists of services in files that cannot read `deploy/services` themselves.

use std::io;

use crate::{
    Service,
    filter::{filter_of, written},
    services, texts,
};

/// The line before what is generated in a file.
pub const FROM: &str = "# Written by `make generated`, from here";
/// The line after it.
pub const TO: &str = "# to here.";

/// A service as the lists have it: its line of `deploy/services`, and what the code says of it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its line.
    pub line: Service,
    /// Its public port.
    pub port: u16,
    /// Its internal port.
    pub internal_port: u16,
    /// The services that are deployed before it.
    pub before: Vec<String>,
    /// True if it has keys that seal what it keeps.
    pub seals: bool,
}

impl Listed {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.line.name
    }

    /// Returns the beginning of its own variables.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.line.name.to_uppercase()
    }
}

/// Returns the services in the order of `ud_kernel::Service::ALL`, which is the order of the lists.
///
/// # Errors
/// If a file cannot be read, or `deploy/services` does not have one of them.
pub fn listed() -> io::Result<Vec<Listed>> {
    let lines = services()?;
    let of = |known: &ud_kernel::Service| {
        let place = lines.iter().position(|line| line.name == known.as_str());
        let (before, line) = place
            .and_then(|place| lines.split_at_checked(place))
            .and_then(|(before, rest)| Some((before, rest.first()?)))
            .ok_or_else(|| io::Error::other(format!("deploy/services does not have {known}")))?;
        let declared = known.declaration();
        if (line.binary.as_str(), line.sql) != (declared.binary, declared.has_database_server) {
            return Err(io::Error::other(format!(
                "deploy/services and the declaration of {known} differ in its program or its store"
            )));
        }
        let port = declared.public_port.ok_or_else(|| {
            io::Error::other(format!(
                "{known} has no public port, which each list here names"
            ))
        })?;
        Ok(Listed {
            line: line.clone(),
            port,
            internal_port: declared.internal_port,
            before: before.iter().map(|line| line.name.clone()).collect(),
            seals: declared.key_encryption_keys.is_some(),
        })
    };
    ud_kernel::Service::ALL.iter().map(of).collect()
}

/// A file in which regions are generated, in the order in which they stand there.
pub type Regions = (String, Vec<String>);

/// Returns the files with regions, for these services.
#[must_use]
pub fn regions(services: &[Listed]) -> Vec<Regions> {
    let mut all = vec![
        ("nginx/upstreams.conf", vec![texts::upstreams(services)]),
        (
            "nginx/examples/internal.conf",
            vec![
                texts::internal_upstreams(services),
                texts::internal_servers(services),
            ],
        ),
        (
            "deploy/docker/gateway/upstreams.conf",
            vec![texts::container_upstreams(services)],
        ),
        (
            "deploy/ec2/nginx/upstreams-standalone.conf",
            vec![texts::standalone_upstreams(services)],
        ),
        (
            "deploy/ec2/compose.yml",
            vec![texts::plaintext(services), texts::instance(services)],
        ),
        ("deploy/ec2/env/common.env", vec![texts::urls(services)]),
        (
            "deploy/ec2/libexec/backup",
            vec![texts::databases(services)],
        ),
        (
            "deploy/ec2/systemd/service.conf",
            vec![texts::sealing_keys(services)],
        ),
        (
            "deploy/ec2/systemd/user-domain-backup.service",
            vec![texts::credentials(services)],
        ),
        ("docker-compose.dev.yml", vec![texts::development(services)]),
        (
            "tests/containers/compose.yml",
            vec![texts::tested(services)],
        ),
        (
            "tests/containers/rds.yml",
            vec![texts::with_database(services)],
        ),
    ]
    .into_iter()
    .map(|(file, regions)| (file.to_owned(), regions))
    .collect::<Vec<_>>();
    for service in services.iter().filter(|service| !service.before.is_empty()) {
        let folder = format!(
            "deploy/ec2/systemd/user-domain@{}.service.d",
            service.name()
        );
        all.push((
            format!("{folder}/service.conf"),
            vec![texts::order(service)],
        ));
    }
    all
}

/// Returns the workflows of the services and of the gateway: name of the file, and content.
///
/// # Errors
/// If a filter cannot be derived.
pub fn workflows_of(services: &[Listed]) -> io::Result<Vec<(String, String)>> {
    let mut all: Vec<(&str, Option<&Service>)> = vec![("gateway", None)];
    all.extend(services.iter().map(|one| (one.name(), Some(&one.line))));
    all.into_iter()
        .map(|(name, service)| {
            let content = texts::workflow(name, &written(&filter_of(service)?));
            Ok((format!(".github/workflows/{name}.yml"), content))
        })
        .collect()
}

/// Returns `text` with these regions in place of what is between the marks; each mark keeps its line. A file that is not there
/// yet, the empty text, becomes its one region.
///
/// # Errors
/// If the text does not have as many regions.
pub fn with_regions(text: &str, regions: &[String]) -> io::Result<String> {
    if let ("", [only]) = (text, regions) {
        return Ok(format!("{FROM}\n{only}{TO}\n"));
    }
    let mut result = String::new();
    let mut left = regions.iter();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        match line.trim() {
            TO if inside => inside = false,
            FROM if !inside => {
                inside = true;
                result.push_str(line);
                let region = left.next();
                result.push_str(region.ok_or_else(|| wrong_number(regions))?);
                continue;
            }
            _ => {}
        }
        if !inside {
            result.push_str(line);
        }
    }
    if inside || left.next().is_some() {
        return Err(wrong_number(regions));
    }
    Ok(result)
}

fn wrong_number(regions: &[String]) -> io::Error {
    let wanted = regions.len();
    io::Error::other(format!("not {wanted} regions between `{FROM}` and `{TO}`"))
}
