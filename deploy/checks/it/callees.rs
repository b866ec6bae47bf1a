//! `scripts/deploy/await-callees`: callees first, and none after a failed one. GitHub is a program that reads files.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use deployment::services;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::{Fake, copy, git, text, write};

/// Answers `gh api` for the runs of NAME from `NAME.json`, a list of answers of which the last stays, and for comparisons
/// from `compare.json`. Where `state` is a folder, the runs are made from what it holds instead.
const GH: &str = r##"#!/usr/bin/env python3
import json, os, re, sys
fake = os.environ["FAKE"]
assert sys.argv[1] == "api", sys.argv
path = sys.argv[2]
with open(f"{fake}/asked", "a") as asked:
    asked.write(path + "\n")
if "/compare/" in path:
    print(open(f"{fake}/compare.json").read())
    sys.exit()
name = re.search(r"^repos/someone/user-domain/actions/workflows/([a-z]+)\.yml/runs\?branch=main", path).group(1)
state = f"{fake}/state/{name}"
if os.path.isdir(f"{fake}/state"):
    runs = json.load(open(state)) if os.path.exists(state) else []
else:
    answers = json.load(open(f"{fake}/{name}.json"))
    runs = answers[0]
    if len(answers) > 1:
        with open(f"{fake}/{name}.json", "w") as rest:
            json.dump(answers[1:], rest)
if runs == "broken":
    sys.exit("HTTP 502")
print(json.dumps({"workflow_runs": runs}))
"##;

/// A repository, and what GitHub answers about it.
pub struct Ground {
    repository: TempDir,
    pub fake: Fake,
}

/// A run, started in the order of its number.
pub fn run(number: u64, commit: &str, status: &str) -> Value {
    let (status, conclusion) = match status {
        "queued" | "in_progress" | "waiting" => (status, None),
        ended => ("completed", Some(ended)),
    };
    json!({
        "run_number": number, "head_sha": commit, "status": status, "conclusion": conclusion, "event": "push",
        "run_started_at": format!("2026-01-01T00:00:{number:02}Z"), "html_url": format!("run-{number}"),
    })
}

impl Ground {
    /// A repository with one commit, which every service is deployed from.
    pub fn new() -> Self {
        let ground = Self {
            repository: TempDir::new().unwrap(),
            fake: Fake::new().program("gh", GH),
        };
        let root = ground.root();
        git(root, &["init", "--quiet"]);
        copy(root, &["deploy/services"]);
        for service in services().unwrap() {
            let workflow = format!(".github/workflows/{}.yml", service.name);
            copy(root, &[&workflow]);
            write(root, &format!("{}/src/lib.rs", service.folder), "1");
        }
        let first = ground.commit("shared/kernel/src/lib.rs");
        for service in services().unwrap() {
            ground.runs(&service.name, json!([[run(1, &first, "success")]]));
        }
        ground
    }

    pub fn root(&self) -> &Path {
        self.repository.path()
    }

    /// Changes a file and commits it.
    pub fn commit(&self, file: &str) -> String {
        let path = self.root().join(file);
        let before = fs::read_to_string(path).unwrap_or_default();
        write(self.root(), file, &format!("{before}x"));
        git(self.root(), &["add", "--all"]);
        git(self.root(), &["commit", "--quiet", "--message", "m"]);
        git(self.root(), &["rev-parse", "HEAD"])
    }

    /// Sets GitHub's answers about a service's runs: the first, and those that follow.
    fn runs(&self, service: &str, answers: Value) {
        fs::write(
            self.fake.path(&format!("{service}.json")),
            answers.to_string(),
        )
        .unwrap();
    }

    pub fn command(&self, service: &str, commit: &str) -> Command {
        let mut command = self
            .fake
            .script(self.root(), "scripts/deploy/await-callees");
        command
            .arg(service)
            .env("GITHUB_SHA", commit)
            .env("AWAIT_POLL_SECONDS", "0.02")
            .env("AWAIT_UNLISTED_SECONDS", "60")
            .env("AWAIT_LIMIT_SECONDS", "60");
        command
    }

    fn wait(&self, service: &str, commit: &str) -> Output {
        self.command(service, commit).output().unwrap()
    }

    fn goes(&self, service: &str, commit: &str) -> String {
        let output = self.wait(service, commit);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        text(&output)
    }

    /// Nothing is waited for that is not listed.
    fn stops(&self, service: &str, commit: &str) -> String {
        let mut command = self.command(service, commit);
        let output = command.env("AWAIT_UNLISTED_SECONDS", "0").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("may need"), "{}", text(&output));
        text(&output)
    }
}

#[test]
fn a_change_of_one_service_waits_for_nobody() {
    let ground = Ground::new();
    let commit = ground.commit("crates/profile/src/lib.rs");
    let said = ground.goes("profile", &commit);
    for callee in ["audit", "session", "role", "auth"] {
        assert!(
            said.contains(&format!("{callee} is deployed by run 1")),
            "{said}"
        );
    }
    assert!(!said.contains("profile is"), "{said}");
}

#[test]
fn the_first_of_the_list_asks_nobody() {
    let ground = Ground::new();
    let commit = ground.commit("shared/kernel/src/lib.rs");
    ground.goes("audit", &commit);
    assert_eq!(ground.fake.read("asked"), "");
}

#[test]
fn a_callee_under_way_is_waited_for() {
    let ground = Ground::new();
    let before = ground.commit("README.md");
    let commit = ground.commit("crates/session/src/lib.rs");
    let old = run(1, &before, "success");
    ground.runs(
        "session",
        json!([
            [run(2, &commit, "queued"), old],
            [run(2, &commit, "in_progress"), old],
            [run(2, &commit, "success"), old],
        ]),
    );
    let said = ground.goes("role", &commit);
    assert!(said.contains("session: run 2 is queued"), "{said}");
    assert!(said.contains("session: run 2 is in_progress"), "{said}");
    assert!(said.contains("session is deployed by run 2"), "{said}");
}

#[test]
fn a_failed_callee_stops_its_callers_at_once() {
    let ground = Ground::new();
    let before = ground.commit("README.md");
    let commit = ground.commit("crates/session/src/lib.rs");
    for ended in ["failure", "timed_out", "startup_failure", "cancelled"] {
        ground.runs(
            "session",
            json!([[run(2, &commit, ended), run(1, &before, "success")]]),
        );
        let said = ground.stops("role", &commit);
        assert!(
            said.contains(&format!("session: run 2 ended in {ended}: run-2")),
            "{said}"
        );
    }
    // audit comes before session.
    ground.goes("session", &commit);
}

#[test]
fn the_failure_of_an_earlier_push_stops_a_caller_that_may_need_it() {
    let ground = Ground::new();
    let before = ground.commit("README.md");
    let broken = ground.commit("crates/session/src/lib.rs");
    let commit = ground.commit("crates/role/src/lib.rs");
    ground.runs(
        "session",
        json!([[run(2, &broken, "failure"), run(1, &before, "success")]]),
    );
    ground.stops("role", &commit);
    // It was repeated meanwhile, and went well.
    ground.runs("session", json!([[run(2, &broken, "success")]]));
    ground.goes("role", &commit);
}

#[test]
fn a_run_that_a_later_push_has_replaced_is_no_failure() {
    let ground = Ground::new();
    let before = ground.commit("README.md");
    let commit = ground.commit("shared/kernel/src/lib.rs");
    let later = ground.commit("crates/session/src/lib.rs");
    let old = run(1, &before, "success");
    ground.runs(
        "session",
        json!([
            [run(3, &later, "queued"), run(2, &commit, "cancelled"), old],
            [run(3, &later, "success"), run(2, &commit, "cancelled"), old],
        ]),
    );
    ground.runs("audit", json!([[run(2, &commit, "success"), old]]));
    ground.goes("role", &commit);
}

#[test]
fn a_commit_that_came_after_the_clone_is_compared_at_github() {
    let ground = Ground::new();
    let commit = ground.commit("crates/session/src/lib.rs");
    let unknown = "f".repeat(40);
    ground.runs("session", json!([[run(3, &unknown, "success")]]));
    fs::write(ground.fake.path("compare.json"), r#"{"status": "ahead"}"#).unwrap();
    ground.goes("role", &commit);
    let asked = ground.fake.read("asked");
    assert!(
        asked.contains(&format!("compare/{commit}...{unknown}")),
        "{asked}"
    );

    fs::write(
        ground.fake.path("compare.json"),
        r#"{"status": "diverged"}"#,
    )
    .unwrap();
    ground.stops("role", &commit);
}

#[test]
fn a_run_that_is_not_listed_yet_is_waited_for_and_not_for_ever() {
    let ground = Ground::new();
    let before = ground.commit("README.md");
    let commit = ground.commit("crates/session/src/lib.rs");
    let old = run(1, &before, "success");
    ground.runs(
        "session",
        json!([[old], [old], [run(2, &commit, "success"), old]]),
    );
    ground.goes("role", &commit);

    ground.runs("session", json!([[old]]));
    let said = ground.stops("role", &commit);
    assert!(
        said.contains("session has changed, and no run deploys it"),
        "{said}"
    );

    // Never deployed at all.
    ground.runs("session", json!([[]]));
    ground.stops("role", &commit);
}

#[test]
fn an_old_run_that_was_repeated_counts_as_what_is_deployed() {
    let ground = Ground::new();
    let before = ground.commit("README.md");
    let commit = ground.commit("crates/session/src/lib.rs");
    let mut rolled_back = run(1, &before, "success");
    rolled_back["run_started_at"] = json!("2026-01-02T00:00:00Z");
    ground.runs(
        "session",
        json!([[run(2, &commit, "success"), rolled_back]]),
    );
    ground.stops("role", &commit);
}

#[test]
fn only_runs_that_can_deploy_count() {
    let ground = Ground::new();
    let commit = ground.commit("crates/session/src/lib.rs");
    let mut foreign = run(2, &commit, "success");
    foreign["event"] = json!("pull_request");
    ground.runs("session", json!([[foreign]]));
    ground.stops("role", &commit);
}

#[test]
fn github_may_fail_for_a_moment() {
    let ground = Ground::new();
    let commit = ground.commit("crates/role/src/lib.rs");
    let good = json!([run(1, &commit, "success")]);
    let pending = json!([run(1, &commit, "queued")]);
    let b = "broken";
    ground.runs(
        "audit",
        json!([b, b, b, b, b, pending, b, b, b, b, b, good]),
    );
    ground.goes("role", &commit);
    ground.runs("audit", json!(["broken"]));
    assert_eq!(ground.wait("role", &commit).status.code(), Some(69));
}

#[test]
fn what_it_cannot_work_with_it_refuses() {
    let ground = Ground::new();
    let commit = ground.commit("crates/role/src/lib.rs");
    assert_eq!(ground.wait("nobody", &commit).status.code(), Some(64));

    let file = ".github/workflows/session.yml";
    let workflow = fs::read_to_string(ground.root().join(file)).unwrap();
    let negative = workflow.replace("paths: [", "paths: [!docs/x, ");
    write(ground.root(), file, &negative);
    assert_eq!(ground.wait("role", &commit).status.code(), Some(64));
    write(ground.root(), file, &workflow);
    ground.goes("role", &commit);

    let shallow = TempDir::new().unwrap();
    let from = format!("file://{}", ground.root().display());
    git(
        shallow.path(),
        &["clone", "--quiet", "--depth=1", &from, "clone"],
    );
    let output = ground
        .command("role", &commit)
        .current_dir(shallow.path().join("clone"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
}
