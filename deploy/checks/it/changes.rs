//! Made-up pushes, and the workflows that they start.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use deployment::{repository, services, workflows};
use serde_json::{Value, json};

/// Asks picomatch, by the script that knows GitHub's rules, which workflows each change starts.
fn started(filters: &Value, changes: &Value) -> BTreeMap<String, Vec<String>> {
    let script = repository("scripts/check-tools/triggered.mjs");
    assert!(
        repository("scripts/check-tools/node_modules/picomatch").exists(),
        "picomatch is not installed: run scripts/install-test-tools --lint"
    );
    let path = std::env::var("PATH").unwrap();
    let mut child = Command::new(script)
        .env(
            "PATH",
            format!("{path}:{}", repository(".tools/bin").display()),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js; scripts/install-test-tools --lint installs it");
    let question = json!({ "filters": filters, "changes": changes }).to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(question.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every workflow that a push to main starts, with its filter.
fn filters() -> Value {
    let started_by_a_push: BTreeMap<String, Value> = workflows()
        .unwrap()
        .into_iter()
        .filter(|(_, workflow)| workflow.at("/on/push/branches").is_some())
        .map(|(name, workflow)| (name, json!(workflow.filter())))
        .collect();
    json!(started_by_a_push)
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    all.push("ci".to_owned());
    all.sort();
    all
}

#[test]
fn a_change_starts_the_workflows_of_what_it_concerns() {
    let lines = services().unwrap();
    let every: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let cases: [(&str, &[&str], &[&str]); 18] = [
        ("one crate", &["crates/role/src/routes.rs"], &["role"]),
        ("its manifest", &["crates/role/Cargo.toml"], &["role"]),
        (
            "two crates",
            &["crates/role/src/lib.rs", "crates/auth/README.md"],
            &["auth", "role"],
        ),
        ("the kernel", &["shared/kernel/src/lib.rs"], &every),
        ("the sealer", &["shared/seal/src/lib.rs"], &every),
        (
            "Idempotency-Keys",
            &["shared/idempotency/src/lib.rs"],
            &["audit", "profile"],
        ),
        ("the test servers", &["shared/testkit/src/lib.rs"], &[]),
        (
            "a migration of one",
            &["migrations/role/postgres/00000000000001_x/up.sql"],
            &["role"],
        ),
        (
            "a migration of the event tables",
            &["migrations/events/sqlite/00000000000001_x/up.sql"],
            &every,
        ),
        ("the gateway", &["nginx/conf/proxy.conf"], &["gateway"]),
        (
            "its image",
            &["deploy/docker/gateway.Dockerfile"],
            &["gateway"],
        ),
        (
            "the image of the services",
            &["deploy/docker/service.Dockerfile"],
            &every,
        ),
        (
            "documents alone",
            &["README.md", "docs/API.md", "docs/adr/0001-databases.md"],
            &[],
        ),
        ("standalone", &["crates/standalone/src/start.rs"], &[]),
        ("tests of the platform", &["tests/it/roles.rs"], &[]),
        ("another workflow", &[".github/workflows/heavy.yml"], &[]),
        (
            "one service's workflow",
            &[".github/workflows/audit.yml"],
            &["audit"],
        ),
        (
            "a name that only begins like one",
            &[
                "crates/role-model/src/lib.rs",
                "shared/kernel2/a",
                "nginx.md",
            ],
            &[],
        ),
    ];
    let everything = [&every[..], &["gateway"]].concat();
    let mut changes = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for (case, files, names) in cases {
        changes.insert(case, json!(files));
        expected.insert(case.to_owned(), sorted(names));
    }
    for (case, file) in [
        ("the reusable workflow", ".github/workflows/service.yml"),
        ("the workflow of images", ".github/workflows/image.yml"),
        ("a script of deployment", "scripts/deploy/run-on-instance"),
        ("what images may see", ".dockerignore"),
    ] {
        changes.insert(case, json!([file]));
        expected.insert(case.to_owned(), sorted(&everything));
    }
    changes.insert("the lock", json!(["Cargo.lock"]));
    expected.insert("the lock".to_owned(), sorted(&every));
    assert_eq!(started(&filters(), &json!(changes)), expected);
}

/// The script itself, with patterns that the workflows do not have: GitHub goes by the last pattern that matches.
#[test]
fn the_order_of_patterns_decides_as_it_does_at_github() {
    let filters = json!({
        "plain": ["docs/**"],
        "without": ["docs/**", "!docs/adr/**"],
        "again": ["docs/**", "!docs/adr/**", "docs/adr/README.md"],
        "turned": ["!docs/adr/**", "docs/**"],
        "one-level": ["docs/*"],
        "hidden": ["**"],
        "always": null,
    });
    let changes = json!({
        "a record": ["docs/adr/0001.md"],
        "its list": ["docs/adr/README.md"],
        "a record and a page": ["docs/adr/0001.md", "docs/API.md"],
        "a hidden file": [".github/x"],
        "nothing": [],
    });
    let answer = started(&filters, &changes);
    let names = |list: &[&str]| -> Vec<String> { list.iter().map(|&n| n.to_owned()).collect() };
    assert_eq!(
        answer["a record"],
        names(&["always", "hidden", "plain", "turned"])
    );
    assert_eq!(
        answer["its list"],
        names(&["again", "always", "hidden", "plain", "turned"])
    );
    assert_eq!(
        answer["a record and a page"],
        names(&[
            "again",
            "always",
            "hidden",
            "one-level",
            "plain",
            "turned",
            "without"
        ])
    );
    assert_eq!(answer["a hidden file"], names(&["always", "hidden"]));
    assert_eq!(answer["nothing"], names(&["always"]));
}
