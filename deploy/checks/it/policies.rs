//! Tests of what AWS lets the workflows do, and that the document says the same as the files.

use std::fs;

use deployment::{repository, workflows};
use serde_json::Value;

fn file(name: &str) -> (String, Value) {
    let text = fs::read_to_string(repository("deploy/github").join(name)).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    (text, value)
}

/// Without both conditions any workflow of anybody could have the role.
#[test]
fn the_role_is_for_one_environment_of_one_repository() {
    let (_, policy) = file("trust-policy.json");
    let statements = policy["Statement"].as_array().unwrap();
    assert_eq!(statements.len(), 1);
    let conditions = statements[0]["Condition"].as_object().unwrap();
    assert_eq!(
        conditions.keys().collect::<Vec<_>>(),
        ["StringEquals"],
        "no pattern"
    );
    let equals = conditions["StringEquals"].as_object().unwrap();
    let issuer = "token.actions.githubusercontent.com";
    assert_eq!(equals[&format!("{issuer}:aud")], "sts.amazonaws.com");
    let subject = "repo:OWNER/REPOSITORY:environment:ENVIRONMENT";
    assert_eq!(equals[&format!("{issuer}:sub")], subject);
}

#[test]
fn no_role_may_do_more_than_its_jobs_do() {
    let actions = |policy: &Value| -> Vec<String> {
        let statements = policy["Statement"].as_array().unwrap();
        let all = statements
            .iter()
            .flat_map(|statement| match &statement["Action"] {
                Value::Array(many) => many.clone(),
                one => vec![one.clone()],
            });
        all.map(|action| action.as_str().unwrap().to_owned())
            .collect()
    };
    let (_, registry) = file("registry-policy.json");
    for action in actions(&registry) {
        let deletes =
            action.contains("Delete") || action.contains('*') || action.contains("Policy");
        assert!(action.starts_with("ecr:") && !deletes, "{action}");
    }
    let (_, production) = file("production-policy.json");
    assert_eq!(
        actions(&production),
        ["ssm:SendCommand", "ssm:GetCommandInvocation"]
    );
    let sending = production["Statement"][0]["Resource"].to_string();
    assert!(!sending.contains('*'), "{sending}");
    assert!(sending.contains("document/user-domain-deploy"), "{sending}");
}

/// The page shows the trust policy and names every setting that a workflow reads.
#[test]
fn the_page_has_what_is_to_be_set() {
    let page = fs::read_to_string(repository("docs/deployment/github.md")).unwrap();
    let trimmed = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    assert!(trimmed(&page).contains(&trimmed(&file("trust-policy.json").0)));
    for name in [
        "registry-policy.json",
        "production-policy.json",
        "ssm-document.json",
    ] {
        assert!(page.contains(&format!("deploy/github/{name}")), "{name}");
    }
    for workflow in workflows().unwrap().into_values() {
        for after in workflow.text.split("vars.").skip(1) {
            let name: String = after
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || *c == '_' || c.is_ascii_digit())
                .collect();
            assert!(
                page.contains(&format!("`{name}`")),
                "{name} of {}.yml",
                workflow.name
            );
        }
        for job in workflow.jobs() {
            if let Some(environment) = job.get("environment").and_then(Value::as_str) {
                assert!(page.contains(&format!("`{environment}`")), "{environment}");
            }
        }
        assert!(
            page.contains(&format!("`{}.yml`", workflow.name)) || page.contains("`<service>.yml`")
        );
    }
}
