//! Tests of what every workflow must do, and of what none may.

use std::collections::{BTreeMap, BTreeSet};

use deployment::{Job, Workflow, workflow, workflows};
use serde_json::Value;

/// Workflows that somebody without rights here can start, by a pull request.
fn started_by_strangers(workflow: &Workflow) -> bool {
    workflow.events().contains(&"pull_request")
}

fn each_job(mut check: impl FnMut(&Workflow, Job<'_>)) {
    let all = workflows().unwrap();
    assert!(all.len() >= 11);
    for workflow in all.values() {
        for job in workflow.jobs() {
            check(workflow, job);
        }
    }
}

#[test]
fn no_job_has_more_rights_than_it_names() {
    for workflow in workflows().unwrap().into_values() {
        let top = workflow.at("/permissions").and_then(Value::as_object);
        assert!(
            top.is_some_and(serde_json::Map::is_empty),
            "{}",
            workflow.name
        );
    }
    each_job(|workflow, job| {
        let place = format!("{}.yml {}", workflow.name, job.name);
        let rights = job.permissions().expect(&place);
        for (right, value) in rights {
            let allowed = match right.as_str() {
                "actions" | "contents" | "pull-requests" => value == "read",
                "id-token" | "attestations" => value == "write" && !started_by_strangers(workflow),
                _ => false,
            };
            // Only what publishes a release writes to the repository.
            let publishes = (workflow.name.as_str(), job.name) == ("release", "publish");
            assert!(
                allowed || (publishes && right == "contents"),
                "{place}: {right}"
            );
        }
    });
}

/// Pull requests of strangers run ci.yml alone, which has no secret, no variable, no environment and no identity.
#[test]
fn a_pull_request_reaches_no_role() {
    let strangers: Vec<String> = workflows()
        .unwrap()
        .into_values()
        .inspect(|workflow| {
            for event in workflow.events() {
                let known = [
                    "merge_group",
                    "pull_request",
                    "push",
                    "schedule",
                    "workflow_call",
                    "workflow_dispatch",
                ];
                assert!(known.contains(&event), "{}.yml: {event}", workflow.name);
            }
            assert!(!workflow.text.contains("secrets."), "{}", workflow.name);
            assert!(
                !workflow.text.contains("secrets: inherit"),
                "{}",
                workflow.name
            );
        })
        .filter(started_by_strangers)
        .map(|workflow| workflow.name)
        .collect();
    assert_eq!(strangers, ["ci"]);
    let ci = workflow("ci").unwrap();
    assert!(!ci.text.contains("vars."), "ci.yml");
    assert!(ci.called().unwrap().is_empty());
    for job in ci.jobs() {
        assert!(job.get("environment").is_none(), "{}", job.name);
        assert!(job.uses().is_none(), "{}", job.name);
    }
}

/// The environments let main (and tags, for images) in alone; the conditions keep other branches from even asking.
#[test]
fn a_role_is_assumed_in_an_environment_and_on_main_only() {
    each_job(|workflow, job| {
        let place = format!("{}.yml {}", workflow.name, job.name);
        if job.uses_action("aws-actions/configure-aws-credentials") {
            let environment = job
                .get("environment")
                .and_then(Value::as_str)
                .expect(&place);
            assert!(["production", "registry"].contains(&environment), "{place}");
            for step in job.steps().filter(|step| {
                step.action()
                    .is_some_and(|(name, _)| name.starts_with("aws-actions/configure"))
            }) {
                let role = step.with("role-to-assume").and_then(Value::as_str);
                assert_eq!(role, Some("${{ vars.AWS_ROLE_ARN }}"), "{place}");
                for key in ["aws-access-key-id", "aws-secret-access-key"] {
                    assert!(step.with(key).is_none(), "{place}");
                }
            }
        }
        let on_main = job
            .get("if")
            .and_then(Value::as_str)
            .is_some_and(|condition| condition.contains("github.ref == 'refs/heads/main'"));
        let deploys = job.get("environment").and_then(Value::as_str) == Some("production");
        let images = workflow.name == "service" && job.uses().is_some();
        assert!(!(deploys || images) || on_main, "{place}");
    });
    // Called by tags (release.yml, which nobody starts by hand) and by service.yml's job above, and by nothing else.
    for workflow in workflows().unwrap().into_values() {
        let calls_image = workflow
            .jobs()
            .any(|job| job.uses() == Some("./.github/workflows/image.yml"));
        assert_eq!(
            calls_image,
            ["release", "service"].contains(&workflow.name.as_str())
        );
    }
    assert_eq!(workflow("release").unwrap().events(), ["push"]);
    assert!(
        workflow("release")
            .unwrap()
            .at("/on/push/branches")
            .is_none()
    );
}

/// Text of others is never part of a command: it comes in by the environment.
#[test]
fn no_expression_is_part_of_a_command() {
    each_job(|workflow, job| {
        for run in job.steps().filter_map(|step| step.run()) {
            assert!(
                !run.contains("${{"),
                "{}.yml {}: {run}",
                workflow.name,
                job.name
            );
            let single = run.lines().count() == 1;
            assert!(
                single,
                "{}.yml {}: longer commands are scripts",
                workflow.name, job.name
            );
        }
    });
    for workflow in workflows().unwrap().into_values() {
        for text in [
            "github.head_ref",
            "pull_request.title",
            "pull_request.body",
            "head_commit",
            "pull_request.head",
        ] {
            assert!(
                !workflow.text.contains(text),
                "{}.yml: {text}",
                workflow.name
            );
        }
    }
}

#[test]
fn actions_are_pinned_by_commit_and_say_their_version() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for workflow in workflows().unwrap().into_values() {
        for line in workflow.text.lines() {
            let Some((_, uses)) = line.split_once("uses: ") else {
                continue;
            };
            if uses.starts_with("./.github/workflows/") {
                continue;
            }
            let (action, version) = uses.split_once('@').expect(line);
            let (commit, comment) = version.split_once(" # v").expect(line);
            assert!(
                commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()),
                "{line}"
            );
            assert_eq!(comment.split('.').count(), 3, "{line}");
            versions
                .entry(action.to_owned())
                .or_default()
                .insert(version.to_owned());
        }
    }
    for (action, versions) in versions {
        assert_eq!(
            versions.len(),
            1,
            "{action} in several versions: {versions:?}"
        );
    }
}

#[test]
fn checkouts_keep_no_token_and_jobs_end_some_time() {
    each_job(|workflow, job| {
        let place = format!("{}.yml {}", workflow.name, job.name);
        for step in job.steps() {
            if step
                .action()
                .is_some_and(|(name, _)| name == "actions/checkout")
            {
                assert_eq!(
                    step.with("persist-credentials"),
                    Some(&Value::Bool(false)),
                    "{place}"
                );
                assert!(
                    step.with("ref").is_none(),
                    "{place}: another commit than the event's"
                );
            }
        }
        if job.uses().is_none() {
            assert!(
                job.get("timeout-minutes").is_some_and(Value::is_number),
                "{place}"
            );
        }
    });
}

/// Caches are written on main only, those of binaries that are deployed under a name of their own, and a release reads none.
#[test]
fn nothing_that_is_released_or_deployed_comes_from_a_pull_requests_cache() {
    let mut prefixes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    each_job(|workflow, job| {
        let place = format!("{}.yml {}", workflow.name, job.name);
        for step in job.steps() {
            let Some((action, _)) = step.action() else {
                continue;
            };
            assert!(
                !["actions/cache", "actions/cache/restore"].contains(&action),
                "{place}"
            );
            if action == "Swatinem/rust-cache" {
                let prefix = step
                    .with("prefix-key")
                    .and_then(Value::as_str)
                    .expect(&place);
                prefixes
                    .entry(prefix.to_owned())
                    .or_default()
                    .insert(place.clone());
                let saved = step.with("save-if").and_then(Value::as_str);
                assert_eq!(
                    saved,
                    Some("${{ github.ref == 'refs/heads/main' }}"),
                    "{place}"
                );
            }
            if action == "docker/build-push-action" {
                assert!(
                    step.with("cache-from").is_none() && step.with("cache-to").is_none(),
                    "{place}"
                );
            }
        }
    });
    for (prefix, places) in prefixes {
        assert_eq!(places.len(), 1, "{prefix}: {places:?}");
    }
    for name in ["release", "image"] {
        assert!(
            !workflow(name).unwrap().text.contains("rust-cache"),
            "{name}.yml"
        );
    }
}

/// The job that compiles (and so runs build scripts of all dependencies) and the one that tests can neither push nor deploy.
#[test]
fn code_of_dependencies_never_runs_beside_a_role() {
    each_job(|workflow, job| {
        let place = format!("{}.yml {}", workflow.name, job.name);
        if !job.permissions().unwrap().contains_key("id-token") || job.uses().is_some() {
            return;
        }
        assert!(job.get("container").is_none(), "{place}");
        for run in job.steps().filter_map(|step| step.run()) {
            let ours = run.starts_with("scripts/deploy/") || run.starts_with("scripts/release/");
            let compiles = run.contains("/build ");
            assert!(
                (ours && !compiles) || run.starts_with("echo "),
                "{place}: {run}"
            );
        }
    });
}

/// A run that deploys is never cut off in the middle, and runs of two services do not replace each other.
#[test]
fn deployments_have_a_group_for_each_service() {
    let mut groups = BTreeSet::new();
    for workflow in workflows().unwrap().into_values() {
        if workflow
            .jobs()
            .any(|job| job.uses() == Some("./.github/workflows/service.yml"))
        {
            let group = workflow
                .at("/concurrency/group")
                .and_then(Value::as_str)
                .unwrap();
            assert!(
                group.contains("github.ref"),
                "another branch would replace a run of main that waits"
            );
            assert!(groups.insert(group.to_owned()), "{group}");
            assert_eq!(
                workflow.at("/concurrency/cancel-in-progress"),
                Some(&Value::Bool(false))
            );
        }
    }
    assert!(groups.len() >= 6);
    // A second group below the first would make a run wait for itself.
    assert!(workflow("service").unwrap().at("/concurrency").is_none());
}
