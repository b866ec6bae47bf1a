//! `deploy/services`: its order, and what goes by it.

use std::{collections::BTreeSet, fs, process::Command};

use deployment::{folders_of, repository, services, workflows};

use crate::fake::text;

/// Who calls whom, by the table of internal routes in docs/ARCHITECTURE.md. What every service calls is left out: somebody
/// has to come first.
fn calls() -> BTreeSet<(String, String)> {
    let names: BTreeSet<String> = services().unwrap().into_iter().map(|s| s.name).collect();
    let document = fs::read_to_string(repository("docs/ARCHITECTURE.md")).unwrap();
    let mut calls = BTreeSet::new();
    for line in document.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, route, callee, callers, _, _] = cells[..] else {
            continue;
        };
        if !route.contains("`/internal/v1/") || !names.contains(callee) {
            continue;
        }
        for caller in callers.split(", ").filter(|caller| names.contains(*caller)) {
            calls.insert((caller.to_owned(), callee.to_owned()));
        }
    }
    calls
}

#[test]
fn a_callee_comes_before_its_callers_unless_they_call_each_other() {
    let order: Vec<String> = services().unwrap().into_iter().map(|s| s.name).collect();
    let place = |name: &str| order.iter().position(|one| one == name);
    let calls = calls();
    assert!(calls.len() >= 6, "the table is read wrongly: {calls:?}");
    for (caller, callee) in &calls {
        let mutual = calls.contains(&(callee.clone(), caller.clone()));
        assert!(
            mutual || place(callee) < place(caller),
            "{caller} calls {callee}, which comes later"
        );
    }
    assert_eq!(order[0], "audit", "every service sends events to it");
}

/// What holds for every service is asserted by the tests of each one.
#[test]
fn every_service_asserts_what_is_alike() {
    let mut missing = Vec::new();
    for service in services().unwrap() {
        let file = format!("{}/tests/it/alike.rs", service.folder);
        let tests = fs::read_to_string(repository(&file)).unwrap_or_default();
        for assertion in ["assert_store_failures", "assert_reverts"] {
            if !tests.contains(&format!("testkit::{assertion}(")) {
                missing.push(format!("{file} does not call testkit::{assertion}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_list_has_every_service_and_its_package() {
    for service in services().unwrap() {
        let folders = folders_of(&service.package).unwrap();
        assert!(folders.contains(&service.folder), "{service:?}");
        let manifest = fs::read_to_string(repository(&service.folder).join("Cargo.toml")).unwrap();
        let binary = format!("name = \"{}\"", service.binary);
        assert!(manifest.contains(&binary), "{service:?}");
    }
    // Every crate with a program but standalone is in the list.
    let listed: BTreeSet<String> = services().unwrap().into_iter().map(|s| s.folder).collect();
    for entry in fs::read_dir(repository("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let folder = format!("crates/{name}");
        let program = repository(&folder).join("src/main.rs").exists();
        assert!(
            !program || name == "standalone" || listed.contains(&folder),
            "{folder}"
        );
    }
}

#[test]
fn each_service_has_a_workflow_and_nothing_else_has_one() {
    let mut names: BTreeSet<String> = services().unwrap().into_iter().map(|s| s.name).collect();
    names.insert("gateway".to_owned());
    let callers: BTreeSet<String> = workflows()
        .unwrap()
        .into_values()
        .filter(|one| {
            one.jobs()
                .any(|job| job.uses() == Some("./.github/workflows/service.yml"))
        })
        .map(|one| one.name)
        .collect();
    assert_eq!(callers, names);
}

/// Runs `scripts/service` with a `cargo` that only says what it was asked.
fn script(arguments: &[&str]) -> (Option<i32>, String) {
    let fake = crate::fake::Fake::new()
        .program("cargo", "#!/bin/sh\necho cargo \"$@\"\n")
        .program("cargo-nextest", "#!/bin/sh\n");
    let output = fake
        .script(&repository(""), "scripts/service")
        .args(arguments)
        .output()
        .unwrap();
    (output.status.code(), text(&output))
}

#[test]
fn the_script_knows_the_list() {
    let (_, names) = script(&["names"]);
    let mut listed: Vec<String> = services().unwrap().into_iter().map(|s| s.name).collect();
    listed.push("gateway".to_owned());
    assert_eq!(names.lines().collect::<Vec<_>>(), listed);
    for service in services().unwrap() {
        assert_eq!(script(&["binary", &service.name]).1.trim(), service.binary);
        assert_eq!(
            script(&["package", &service.name]).1.trim(),
            service.package
        );
    }
    assert_eq!(script(&["binary", "gateway"]), (Some(0), String::new()));
    for wrong in [
        &["check", "roles"][..],
        &["check", ""],
        &["test", "role auth"],
        &["test", "role\nauth"],
        &["test", "#"],
        &["binary", "ro.e"],
        &["remove", "role"],
        &[],
    ] {
        assert_eq!(script(wrong).0, Some(64), "{wrong:?}");
    }
}

#[test]
fn one_service_is_checked_and_tested_by_itself() {
    let (_, said) = script(&["check", "audit"]);
    assert!(
        said.contains("cargo fmt --check --package user-audit-service"),
        "{said}"
    );
    assert!(
        said.contains("clippy --locked --package user-audit-service --all-targets --all-features -- -D warnings"),
        "{said}"
    );
    let (_, said) = script(&["test", "audit"]);
    assert!(
        said.contains("--package testkit -- with -- cargo nextest run --no-fail-fast --package user-audit-service"),
        "{said}"
    );
    let (_, said) = script(&["test", "gateway"]);
    assert!(said.contains("cargo build --workspace --bins"), "{said}");
    assert!(
        said.contains("--package end-to-end -E test(/^gateway/)"),
        "{said}"
    );
}

/// No place that lists services by hand leaves a new one out.
#[test]
fn no_other_list_of_services_is_kept() {
    for file in [
        "Makefile",
        "deploy/ec2/libexec/restore",
        "scripts/check-boundaries",
        "scripts/check-units",
        "scripts/image-sizes",
        "scripts/test-compose",
        "scripts/test-compose-rds",
        "scripts/test-upgrade",
    ] {
        let text = fs::read_to_string(repository(file)).unwrap();
        assert!(text.contains("deploy/services"), "{file}");
        for service in services().unwrap() {
            assert!(
                !text.contains(&service.binary),
                "{file} names {}",
                service.binary
            );
        }
    }
    let make = Command::new("make")
        .args(["--dry-run", "bench-build"])
        .current_dir(repository(""))
        .output()
        .unwrap();
    for service in services().unwrap() {
        assert!(text(&make).contains(&format!("-p {}", service.package)));
    }
}
