//! The files of the containers say the same as those that they stand for.

use std::{collections::BTreeSet, fs, path::Path};

use end_to_end::SERVICES;
use ud_kernel::Service;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The groups of an `upstreams.conf`, without comments and white space.
fn groups(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with('#') && !line.starts_with("resolver "));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[test]
fn the_gateway_of_containers_differs_in_where_the_services_are() {
    let mut wanted = groups(&read("nginx/upstreams.conf"));
    for service in Service::ALL {
        let port = service.declaration().public_port.unwrap();
        let here = format!("upstream {service} {{\nserver 127.0.0.1:{port} max_fails=0;");
        let there = format!(
            "upstream {service} {{\nzone {service} 64k;\nserver {service}:{port} resolve max_fails=0;"
        );
        assert!(wanted.contains(&here), "{here}");
        wanted = wanted.replace(&here, &there);
    }
    assert_eq!(
        groups(&read("deploy/docker/gateway/upstreams.conf")),
        wanted
    );
}

#[test]
fn every_service_is_in_the_list_and_in_compose() {
    let list = read("deploy/services");
    let listed: BTreeSet<_> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            line.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let known = SERVICES.map(|(service, binary)| format!("{service} {binary}"));
    assert_eq!(listed, BTreeSet::from(known));
    let compose = read("docker-compose.yml");
    let development = read("docker-compose.dev.yml");
    let tested = read("tests/containers/compose.yml");
    for (service, binary) in SERVICES {
        assert!(
            compose.contains(&format!("user-domain/{binary}:")),
            "{binary}"
        );
        assert!(
            compose.contains(&format!("volume: {{subpath: {service}}}")),
            "{service}"
        );
        for text in [&compose, &development, &tested] {
            for part in [format!("\n  {service}:"), format!("\n  {service}-migrate:")] {
                assert!(text.contains(&part), "{part}");
            }
        }
    }
}
