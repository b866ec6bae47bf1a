//! A wrong configuration is told, whole, by a container that has ended.

use std::fs;

use crate::stack::{Project, inspect, text_of, try_compose, try_docker};

#[test]
fn a_wrong_configuration_is_an_ended_container_that_names_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yml");
    let text = "services:\n  audit-migrate: &wrong\n    environment:\n      ISSUER_URL: nonsense\n      AUDIT_URL: ftp://x\n      \
                AUDIT_DATABASE_POOL_SIZE: many\n  audit: *wrong\n";
    fs::write(&wrong, text).unwrap();
    let project = Project::new(1, &[&wrong]);
    let run = |arguments: &[&str]| project.try_run(arguments);
    let up = run(&["up", "--detach", "audit"]);
    assert!(!up.status.success(), "{}", text_of(&up));
    let logs = text_of(&run(&["logs", "--no-color", "audit-migrate"]));
    for key in ["ISSUER_URL", "AUDIT_URL", "AUDIT_DATABASE_POOL_SIZE"] {
        assert!(logs.contains(key), "{key}: {logs}");
    }
    let container = text_of(&run(&["ps", "--all", "--quiet", "audit-migrate"]));
    let state = inspect(
        container.trim(),
        "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}",
    );
    let started = text_of(&run(&["ps", "--quiet", "audit"]));
    assert_eq!(state, "exited 78 0", "{logs}");
    assert_eq!(started.trim(), "", "the service itself has not begun");
}

#[test]
fn what_the_files_say_is_what_compose_understands() {
    for files in [
        &["docker-compose.yml"][..],
        &["docker-compose.yml", "docker-compose.mysql.yml"],
        &["docker-compose.yml", "docker-compose.dev.yml"],
    ] {
        let mut arguments = vec!["compose"];
        for file in files {
            arguments.extend(["--file", file]);
        }
        arguments.extend(["config", "--quiet"]);
        let output = try_docker(&arguments);
        assert!(output.status.success(), "{files:?}: {}", text_of(&output));
    }
    let output = try_compose(&["config", "--quiet"]);
    assert!(output.status.success(), "{}", text_of(&output));
}
