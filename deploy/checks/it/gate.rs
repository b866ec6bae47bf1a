//! The one check that branch protection requires.

use deployment::{repository, workflow};
use serde_json::{Value, json};

use crate::fake::Fake;

fn gate(needs: &Value) -> bool {
    Fake::new()
        .script(&repository(""), "scripts/ci/gate")
        .env("NEEDS", needs.to_string())
        .output()
        .unwrap()
        .status
        .success()
}

#[test]
fn what_was_skipped_counts_as_passed_and_nothing_else_does() {
    let passed = json!({"result": "success", "outputs": {}});
    assert!(gate(
        &json!({"suite": passed, "compose": {"result": "skipped"}})
    ));
    for other in ["failure", "cancelled", "", "neutral"] {
        assert!(
            !gate(&json!({"suite": passed, "lint": {"result": other}})),
            "{other}"
        );
    }
    assert!(!gate(&json!({})));
}

/// A job that fails makes those that need it skipped: the gate has to see each by itself.
#[test]
fn the_gate_needs_every_other_job_and_always_runs() {
    let ci = workflow("ci").unwrap();
    let gate = ci.jobs().find(|job| job.name == "gate").unwrap();
    let mut needed = gate.needs();
    needed.sort_unstable();
    let mut others: Vec<&str> = ci
        .jobs()
        .map(|job| job.name)
        .filter(|name| *name != "gate")
        .collect();
    others.sort_unstable();
    assert_eq!(needed, others);
    assert_eq!(gate.get("if").and_then(Value::as_str), Some("always()"));
    let step = gate.steps().find(|step| step.run().is_some()).unwrap();
    assert_eq!(step.get("env").unwrap()["NEEDS"], "${{ toJSON(needs) }}");
    assert_eq!(step.run(), Some("scripts/ci/gate"));
}

/// A pull request cannot leave its suite out, whatever it changes.
#[test]
fn the_suite_and_the_checks_run_for_every_pull_request() {
    let ci = workflow("ci").unwrap();
    assert!(ci.events().contains(&"pull_request"));
    assert!(ci.at("/on/pull_request").unwrap().is_null(), "no filter");
    for name in ["changes", "lint", "deny", "suite"] {
        let job = ci.jobs().find(|job| job.name == name).unwrap();
        assert!(job.get("if").is_none() && job.needs().is_empty(), "{name}");
        assert!(job.get("continue-on-error").is_none(), "{name}");
    }
    let suite = ci.jobs().find(|job| job.name == "suite").unwrap();
    assert!(suite.steps().any(|step| step.run() == Some(".ci/run")));
}
