//! Six deployments that one push has started, at the same time.

use std::{
    fs,
    process::{Command, Stdio},
};

use deployment::{repository, services};
use serde_json::json;

use crate::callees::{Ground, run};

/// One run after its image is built: waits, deploys (notes the begin and the end), and ends, in failure if the wait or the
/// deployment failed.
const RUN: &str = r##"#!/usr/bin/env bash
set -euo pipefail
finish() {
    sed "s/in_progress/completed/; s/null/\"$1\"/" "$FAKE/state/$NAME" >"$FAKE/$NAME.next"
    mv "$FAKE/$NAME.next" "$FAKE/state/$NAME"
}
if ! "$AWAIT" "$NAME"; then
    finish failure
    exit 1
fi
echo "begin $NAME" >>"$FAKE/log"
if [ "$NAME" = "$FAILING" ]; then
    echo "fail $NAME" >>"$FAKE/log"
    finish failure
else
    echo "end $NAME" >>"$FAKE/log"
    finish success
fi
"##;

/// Returns the names in the order of deployment.
fn order() -> Vec<String> {
    let services = services().unwrap().into_iter().map(|line| line.name);
    services.chain(["gateway".to_owned()]).collect()
}

/// Runs of one push, one for each name, that wait at the same time, callers first. The lines that they wrote.
fn deployed_by_one_push(failing: &str) -> Vec<String> {
    let mut ground = Ground::new();
    ground.fake = ground.fake.program("run-one", RUN);
    let commit = ground.commit("shared/kernel/src/lib.rs");
    fs::create_dir(ground.fake.path("state")).unwrap();
    let names = order();
    for name in &names {
        let state = ground.fake.path(&format!("state/{name}"));
        fs::write(state, json!([run(2, &commit, "in_progress")]).to_string()).unwrap();
    }
    let children: Vec<_> = names
        .iter()
        .rev()
        .map(|name| {
            let waits = ground.command(name, &commit);
            let mut command = Command::new(ground.fake.path("run-one"));
            command
                .current_dir(ground.root())
                .env_clear()
                .envs(
                    waits
                        .get_envs()
                        .filter_map(|(key, value)| Some((key, value?))),
                )
                .env("AWAIT", repository("scripts/deploy/await-callees"))
                .env("NAME", name)
                .env("FAILING", failing)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    for mut child in children {
        child.wait().unwrap();
    }
    let log = ground.fake.read("log");
    log.lines().map(str::to_owned).collect()
}

/// Where two services call each other the table of calls does not say which goes first; deploy/services does, and why.
#[test]
fn of_services_that_call_each_other_the_one_that_is_reported_to_goes_first() {
    let order = order();
    let place = |name: &str| order.iter().position(|one| one == name).unwrap();
    let decided = ["audit", "session", "role", "auth", "profile", "gateway"];
    assert!(decided.map(place).is_sorted(), "{order:?}");
}

fn both(names: &[&str]) -> Vec<String> {
    names
        .iter()
        .flat_map(|name| [format!("begin {name}"), format!("end {name}")])
        .collect()
}

#[test]
fn the_deployments_of_one_push_go_one_after_the_other() {
    let order = order();
    let order: Vec<&str> = order.iter().map(String::as_str).collect();
    assert_eq!(deployed_by_one_push("nobody"), both(&order));
}

#[test]
fn a_failed_deployment_stops_the_rest() {
    let mut expected = both(&["audit", "session"]);
    expected.extend(["begin role".to_owned(), "fail role".to_owned()]);
    assert_eq!(deployed_by_one_push("role"), expected);
}
