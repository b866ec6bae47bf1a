//! `scripts/deploy/run-on-instance`: one command on the instance, and its end is ours. AWS is a program that reads files.

use std::process::Output;

use deployment::{repository, services};
use serde_json::Value;

use crate::fake::{Fake, text};

/// Sends a command, and answers the states in `states`, one for each question; `lost` is one that fails.
const AWS: &str = r##"#!/usr/bin/env bash
set -euo pipefail
echo "$*" >>"$FAKE/aws.log"
case "$1 $2" in
    "ssm send-command") echo command-1 ;;
    "ssm get-command-invocation")
        case $* in
            *StandardOutputContent*) echo "what it said" ;;
            *StandardErrorContent*) echo "what went wrong" ;;
            *)
                state=$(head -n 1 "$FAKE/states")
                if [ "$(wc -l <"$FAKE/states")" -gt 1 ]; then sed -i 1d "$FAKE/states"; fi
                if [ "$state" = lost ]; then exit 255; fi
                echo "$state"
                ;;
        esac
        ;;
esac
"##;

fn image() -> String {
    format!(
        "1.registry.example/user-domain/role@sha256:{}",
        "0a".repeat(32)
    )
}

fn deploy(service: &str, image: &str, states: &str) -> (Output, String) {
    deploy_within("60", service, image, states)
}

fn deploy_within(seconds: &str, service: &str, image: &str, states: &str) -> (Output, String) {
    let fake = Fake::new().program("aws", AWS);
    std::fs::write(fake.path("states"), states.replace(' ', "\n") + "\n").unwrap();
    let output = fake
        .script(&repository(""), "scripts/deploy/run-on-instance")
        .args([service, image])
        .env("INSTANCE_ID", "i-1")
        .env("SSM_DOCUMENT", "user-domain-deploy")
        .env("POLL_SECONDS", "0.01")
        .env("LIMIT_SECONDS", seconds)
        .output()
        .unwrap();
    (output, fake.read("aws.log"))
}

#[test]
fn a_deployment_ends_as_it_ended_on_the_instance() {
    let (output, log) = deploy(
        "role",
        &image(),
        "lost Pending InProgress lost Delayed Success",
    );
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("what it said"));
    let sent = format!(
        "--document-name user-domain-deploy --instance-ids i-1 --parameters {{\"Service\": [\"role\"], \"Image\": [\"{}\"]}}",
        image()
    );
    assert!(log.contains(&sent), "{log}");
    assert_eq!(log.matches("send-command").count(), 1, "{log}");

    // Many that fail, but never ten in a row.
    let lost = "lost ".repeat(9);
    let (output, _) = deploy("role", &image(), &format!("{lost}InProgress {lost}Success"));
    assert!(output.status.success(), "{}", text(&output));

    for state in ["Failed", "TimedOut", "Cancelled", "Undeliverable", "None"] {
        let (output, _) = deploy("role", &image(), &format!("InProgress {state}"));
        assert_eq!(output.status.code(), Some(1), "{state}");
        let said = text(&output);
        assert!(
            said.contains("what it said") && said.contains("what went wrong"),
            "{said}"
        );
        assert!(said.contains(&format!("role ended in {state}")), "{said}");
    }
}

#[test]
fn it_ends_when_nothing_is_heard() {
    let (output, _) = deploy("role", &image(), "lost");
    assert_eq!(output.status.code(), Some(69), "{}", text(&output));
    let (output, _) = deploy_within("1", "role", &image(), "InProgress");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("has not ended"));
}

/// A parameter becomes part of a command line on the instance.
fn unfit() -> Vec<(String, String)> {
    let digest = "0a".repeat(32);
    let mut cases: Vec<(String, String)> =
        ["", "roles", "role;reboot", "role\nauth", "../role", "$(id)"]
            .iter()
            .map(|service| ((*service).to_owned(), image()))
            .collect();
    for image in [
        String::new(),
        "registry.example/role:latest".to_owned(),
        "role@sha256:0a".to_owned(),
        format!("r.example/role@sha256:{digest}0"),
        format!("r.example/role@sha256:{digest};id"),
        format!("r.example/role@sha256:{digest}\nid"),
        format!("$(id)/role@sha256:{digest}"),
        format!("r.example/role --privileged@sha256:{digest}"),
        format!("r.example/role,Service=auth@sha256:{digest}"),
        format!("-r/role@sha256:{}", digest.to_uppercase()),
    ] {
        cases.push(("role".to_owned(), image));
    }
    cases
}

#[test]
fn what_is_no_service_or_digest_is_not_sent() {
    for (service, image) in unfit() {
        let (output, log) = deploy(&service, &image, "Success");
        assert!(!output.status.success(), "{service:?} {image:?}");
        assert_eq!(log, "", "{service:?} {image:?}");
    }
}

/// The document is the last line of defence: whoever gets hold of the role can send it anything that it allows.
#[test]
fn the_document_runs_one_script_with_parameters_of_one_form() {
    let text = std::fs::read_to_string(repository("deploy/github/ssm-document.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let pattern = |name: &str| {
        document["parameters"][name]["allowedPattern"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let matches = |name: &str, value: &str| {
        let script = "import re,sys\nsys.exit(0 if re.search(sys.argv[1], sys.argv[2]) else 1)";
        std::process::Command::new("python3")
            .args(["-c", script, &pattern(name), value])
            .status()
            .unwrap()
            .success()
    };
    for service in services().unwrap() {
        assert!(matches("Service", &service.name));
    }
    assert!(matches("Service", "gateway") && matches("Image", &image()));
    // A name of the right form that is no service's is for deploy.sh to refuse.
    for (service, image) in unfit()
        .into_iter()
        .filter(|(service, _)| service != "roles")
    {
        let both = matches("Image", &image) && matches("Service", &service);
        assert!(!both, "{service:?} {image:?}");
    }
    let steps = document["mainSteps"].as_array().unwrap();
    assert_eq!(steps.len(), 1);
    let command = steps[0]["inputs"]["runCommand"].as_array().unwrap();
    assert_eq!(command.len(), 1);
    let command = command[0].as_str().unwrap();
    assert!(
        command.ends_with("deploy/ec2/deploy.sh '{{ Service }}' '{{ Image }}'"),
        "{command}"
    );
}
