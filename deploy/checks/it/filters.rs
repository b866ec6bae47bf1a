//! The path filter of each service's workflow names what its image is made from, and nothing else.

use std::{collections::BTreeSet, fs};

use deployment::{
    Workflow, copied_by, folders_of, read_at_compile_time, repository, services, workflow,
};

/// Derives the paths whose change has to start the workflow `name`.
fn derived(name: &str) -> BTreeSet<String> {
    let mut filter = BTreeSet::from([".dockerignore".to_owned()]);
    let dockerfile = if name == "gateway" {
        filter.insert("nginx/**".to_owned());
        "deploy/docker/gateway.Dockerfile"
    } else {
        filter.extend([".cargo/**", "Cargo.lock", "Cargo.toml"].map(str::to_owned));
        let service = services().unwrap().into_iter().find(|s| s.name == name);
        for folder in folders_of(&service.expect(name).package).unwrap() {
            filter.extend(read_at_compile_time(&folder).unwrap());
            filter.insert(format!("{folder}/**"));
        }
        "deploy/docker/service.Dockerfile"
    };
    filter.insert(dockerfile.to_owned());
    filter.extend(copied_by(dockerfile).unwrap());
    let own = workflow(name).unwrap();
    let mut involved = own.called().unwrap();
    involved.push(own);
    for workflow in &involved {
        filter.insert(format!(".github/workflows/{}.yml", workflow.name));
        filter.extend(scripts_of(workflow));
    }
    filter
}

/// The scripts that a workflow runs, and those that these run. `deploy/services`, which they read, is left out: a line for a
/// new service is nothing to the others.
fn scripts_of(workflow: &Workflow) -> BTreeSet<String> {
    let runs = workflow.jobs().flat_map(|job| {
        let runs: Vec<&str> = job.steps().filter_map(|step| step.run()).collect();
        runs
    });
    let mut open: Vec<String> = runs.flat_map(scripts_in).collect();
    let mut found = BTreeSet::new();
    while let Some(script) = open.pop() {
        let pattern = match script.strip_prefix("scripts/deploy/") {
            Some(_) => "scripts/deploy/**".to_owned(),
            None => script.clone(),
        };
        found.insert(pattern);
        let source = fs::read_to_string(repository(&script)).expect(&script);
        let code = source
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        open.extend(code.flat_map(scripts_in).filter(|other| *other != script));
    }
    found
}

/// The paths below `scripts/` in a text that are files.
fn scripts_in(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || "\"'();`".contains(c))
        .filter(|word| word.starts_with("scripts/") && repository(word).is_file())
        .map(str::to_owned)
        .collect()
}

/// The filter as it stands in a workflow: one sequence over lines of 120 characters.
fn written(filter: &BTreeSet<String>) -> String {
    let mut lines = vec!["    paths: [".to_owned()];
    for pattern in filter {
        let last = lines.last_mut().unwrap();
        if last.ends_with('[') {
            last.push_str(pattern);
        } else if last.len() + pattern.len() + 3 <= 120 {
            last.push_str(&format!(", {pattern}"));
        } else {
            last.push(',');
            lines.push(format!("            {pattern}"));
        }
    }
    lines.join("\n") + "]"
}

/// `UPDATE_FILTERS=1` writes the filters; otherwise they must be what they would be if written now.
#[test]
fn each_filter_names_what_the_image_is_made_from() {
    let mut names: Vec<String> = services().unwrap().into_iter().map(|s| s.name).collect();
    names.push("gateway".to_owned());
    let mut wrong = Vec::new();
    for name in names {
        let expected = derived(&name);
        let current = workflow(&name).unwrap();
        let stands: BTreeSet<String> = current.filter().expect(&name).into_iter().collect();
        if std::env::var("UPDATE_FILTERS").is_ok() {
            let from = current.text.find("    paths: [").expect(&name);
            let to = from + current.text[from..].find("]\n").expect(&name) + 1;
            let text = [
                &current.text[..from],
                &written(&expected),
                &current.text[to..],
            ]
            .concat();
            fs::write(repository(&format!(".github/workflows/{name}.yml")), text).unwrap();
            continue;
        }
        for missing in expected.difference(&stands) {
            wrong.push(format!("{name}.yml: {missing} is missing"));
        }
        for unneeded in stands.difference(&expected) {
            wrong.push(format!("{name}.yml: {unneeded} is one too many"));
        }
        assert!(
            current.text.contains(&written(&expected)) || !wrong.is_empty(),
            "{name}.yml: the filter is in another form; run `make filters`"
        );
    }
    assert!(
        wrong.is_empty(),
        "{}\nafter a change of dependencies run `make filters`",
        wrong.join("\n")
    );
}

/// The derivation finds crates that every service depends on, and none that only tests use.
#[test]
fn dependencies_are_found_through_others_and_those_of_tests_are_not() {
    for service in services().unwrap() {
        let folders = folders_of(&service.package).unwrap();
        for expected in ["shared/kernel", "shared/http", &service.folder] {
            assert!(folders.contains(expected), "{}: {expected}", service.name);
        }
        for foreign in ["shared/testkit", "tests", "deploy/checks", "bench"] {
            assert!(!folders.contains(foreign), "{}: {foreign}", service.name);
        }
        let crates = folders
            .iter()
            .filter(|folder| folder.starts_with("crates/"));
        assert_eq!(crates.count(), 1, "{}: {folders:?}", service.name);
    }
}

/// GitHub knows more signs than picomatch and `git diff` do, in other meanings: the filters use none but `**` at an end.
#[test]
fn patterns_mean_the_same_to_github_git_and_picomatch() {
    for (name, workflow) in deployment::workflows().unwrap() {
        for pattern in workflow.filter().unwrap_or_default() {
            let plain = pattern.strip_suffix("/**").unwrap_or(&pattern);
            assert!(
                plain
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)),
                "{name}.yml: {pattern}"
            );
        }
    }
}
