//! Tests of all that is delivered with the code.

use deployment::{repository, workflow, workflows};

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
        ".dkr.ecr.",
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
        // Debian's package of the engine has the name of a host.
        let text = text
            .replace("docker.io/trixie", "")
            .replace("docker.io docker-cli", "");
        for host in hosts {
            assert!(!text.contains(host), "{}: {host}", path.display());
        }
    }
}

/// Every target of make that a workflow names, directly or in a matrix, is in the Makefile.
#[test]
fn the_targets_that_workflows_make_are_there() {
    let makefile = std::fs::read_to_string(repository("Makefile")).unwrap();
    let is_target = |name: &str| {
        makefile.lines().any(|line| {
            line.split(':')
                .next()
                .unwrap()
                .split(' ')
                .any(|word| word == name)
        })
    };
    let mut named = 0;
    for (name, workflow) in workflows().unwrap() {
        for job in workflow.jobs() {
            let matrix = job
                .get("strategy")
                .and_then(|s| s.pointer("/matrix/target"));
            let of_matrix = matrix.and_then(|targets| targets.as_array());
            let of_matrix = of_matrix.into_iter().flatten();
            let mut targets: Vec<String> = of_matrix
                .map(|target| target.as_str().unwrap().to_owned())
                .collect();
            for run in job.steps().filter_map(|step| step.run()) {
                let words = run.strip_prefix("make ").unwrap_or_default();
                let plain = words.split(' ').filter(|word| {
                    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
                });
                targets.extend(plain.map(str::to_owned));
            }
            for target in targets {
                assert!(is_target(&target), "{name}.yml: make {target}");
                named += 1;
            }
        }
    }
    assert!(named >= 6, "{named}");
}
