//! The path filter of a service's workflow: what its image is made from, and nothing else.

use std::{collections::BTreeSet, fs, io};

use crate::{Service, Workflow, copied_by, folders_of, read_at_compile_time, repository, workflow};

/// Returns the patterns of the paths whose change has to start the workflow of a service; of the gateway for `None`.
///
/// # Errors
/// If cargo does not know the package, or a file cannot be read.
pub fn filter_of(service: Option<&Service>) -> io::Result<BTreeSet<String>> {
    let mut filter = BTreeSet::from([".dockerignore".to_owned()]);
    let dockerfile = if let Some(service) = service {
        filter.extend([".cargo/**", "Cargo.lock", "Cargo.toml"].map(str::to_owned));
        filter.extend(sources_of(service)?);
        "deploy/docker/service.Dockerfile"
    } else {
        filter.insert("nginx/**".to_owned());
        "deploy/docker/gateway.Dockerfile"
    };
    filter.insert(dockerfile.to_owned());
    filter.extend(copied_by(dockerfile)?);
    let own = service.map_or("gateway", |service| &service.name);
    filter.insert(format!(".github/workflows/{own}.yml"));
    let common = workflow("service")?;
    let mut involved = common.called()?;
    involved.push(common);
    for workflow in &involved {
        filter.insert(format!(".github/workflows/{}.yml", workflow.name));
        filter.extend(scripts_of(workflow)?);
    }
    Ok(filter)
}

/// Returns the patterns of the sources that a service is compiled from.
///
/// # Errors
/// If cargo does not know the package, or a file cannot be read.
pub fn sources_of(service: &Service) -> io::Result<BTreeSet<String>> {
    let folders = folders_of(&service.package)?;
    let mut sources = BTreeSet::new();
    for folder in &folders {
        sources.extend(read_at_compile_time(folder)?);
    }
    // What a crate compiles in of the folder of another that is there anyway.
    sources.retain(|path| {
        !folders
            .iter()
            .any(|folder| path.starts_with(&format!("{folder}/")))
    });
    sources.extend(folders.iter().map(|folder| format!("{folder}/**")));
    Ok(sources)
}

/// Returns the scripts that a workflow runs, and those that these run. `deploy/services`, which they read, is left out: a line
/// for a new service is nothing to the others.
fn scripts_of(workflow: &Workflow) -> io::Result<BTreeSet<String>> {
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
        let source = fs::read_to_string(repository(&script))?;
        let code = source
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        open.extend(code.flat_map(scripts_in).filter(|other| *other != script));
    }
    Ok(found)
}

/// Returns the paths below `scripts/` in a text that are files.
fn scripts_in(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || "\"'();`".contains(c))
        .filter(|word| word.starts_with("scripts/") && repository(word).is_file())
        .map(str::to_owned)
        .collect()
}

/// Returns the filter as it stands in a workflow: one sequence over lines of 120 characters.
#[must_use]
pub fn written(filter: &BTreeSet<String>) -> String {
    let mut text = String::new();
    let mut line = "    paths: [".to_owned();
    for pattern in filter {
        if line.ends_with('[') {
            line.push_str(pattern);
        } else if line.len() + pattern.len() + 3 <= 120 {
            line.push_str(", ");
            line.push_str(pattern);
        } else {
            text.push_str(&line);
            text.push_str(",\n");
            line = format!("            {pattern}");
        }
    }
    text + &line + "]"
}
