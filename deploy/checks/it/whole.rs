//! What holds for everything that is delivered with the code.

use deployment::{repository, workflow};

/// Targets of the Makefile that are too long for each pull request have a job.
#[test]
fn every_long_target_is_run_somewhere() {
    let makefile = std::fs::read_to_string(repository("Makefile")).unwrap();
    let targets = makefile
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name);
    let long = targets
        .filter(|name| name.starts_with("test-") && !["test-all", "test-service"].contains(name));
    let heavy = workflow("heavy").unwrap();
    for target in long {
        let matrix = heavy.at("/jobs/target/strategy/matrix/target").unwrap();
        let listed = matrix.as_array().unwrap().iter().any(|one| one == target);
        let own = heavy.text.contains(&format!("run: make {target}\n"));
        assert!(listed || own, "heavy.yml does not run `make {target}`");
    }
}

/// An address of a registry is what the login answers, and belongs to whoever logs in.
#[test]
fn no_registry_is_named() {
    let hosts = [
        "ghcr.io",
        "docker.io",
        "quay.io",
        "gcr.io",
        "amazonaws.com/",
        "mcr.microsoft",
        "registry.npmjs",
        "pypi.org",
        "files.pythonhosted",
    ];
    let mut open: Vec<_> = [
        ".github",
        "deploy",
        "scripts",
        "docs/deployment",
        "Makefile",
        "deny.toml",
    ]
    .map(repository)
    .to_vec();
    while let Some(path) = open.pop() {
        if path.ends_with("node_modules") || path.ends_with("deploy/checks/it") {
            continue;
        }
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for host in hosts {
            assert!(!text.contains(host), "{}: {host}", path.display());
        }
    }
}
