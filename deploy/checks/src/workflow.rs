//! Reads the workflows.

use std::{collections::BTreeMap, fs, io};

use serde_json::{Map, Value};

use crate::repository;

/// A file in `.github/workflows`.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// The file's name without `.yml`.
    pub name: String,
    /// The file's text.
    pub text: String,
    content: Value,
}

/// One job of a workflow.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Its key.
    pub name: &'a str,
    content: &'a Value,
}

/// One step of a job.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a>(&'a Value);

/// Reads every workflow, by its name.
///
/// # Errors
/// If one cannot be read, or is not YAML.
pub fn workflows() -> io::Result<BTreeMap<String, Workflow>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(repository(".github/workflows"))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
            all.insert(name.to_owned(), workflow(name)?);
        }
    }
    Ok(all)
}

/// Reads one workflow.
///
/// # Errors
/// If it cannot be read, or is not YAML.
pub fn workflow(name: &str) -> io::Result<Workflow> {
    let text = fs::read_to_string(repository(&format!(".github/workflows/{name}.yml")))?;
    let content = serde_yaml_ng::from_str(&text).map_err(io::Error::other)?;
    Ok(Workflow {
        name: name.to_owned(),
        text,
        content,
    })
}

impl Workflow {
    /// Returns the value at a JSON pointer (RFC 6901).
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.content.pointer(pointer)
    }

    /// Returns the events that start it.
    #[must_use]
    pub fn events(&self) -> Vec<&str> {
        match self.at("/on") {
            Some(Value::Object(events)) => events.keys().map(String::as_str).collect(),
            Some(Value::Array(events)) => events.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(event)) => vec![event],
            _ => Vec::new(),
        }
    }

    /// Returns the path filter of pushes.
    #[must_use]
    pub fn filter(&self) -> Option<Vec<String>> {
        let paths = self.at("/on/push/paths")?.as_array()?;
        Some(
            paths
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Returns its jobs.
    pub fn jobs(&self) -> impl Iterator<Item = Job<'_>> {
        self.at("/jobs")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, content)| Job { name, content })
    }

    /// Returns the reusable workflows of this repository that it calls, directly or not.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn called(&self) -> io::Result<Vec<Self>> {
        let mut called = Vec::new();
        for job in self.jobs() {
            let Some(path) = job.uses() else { continue };
            let name = path
                .strip_prefix("./.github/workflows/")
                .and_then(|file| file.strip_suffix(".yml"));
            if let Some(name) = name {
                let callee = workflow(name)?;
                called.extend(callee.called()?);
                called.push(callee);
            }
        }
        called.sort_by(|a, b| a.name.cmp(&b.name));
        called.dedup_by(|a, b| a.name == b.name);
        Ok(called)
    }
}

impl<'a> Job<'a> {
    /// Returns a member of the job.
    #[must_use]
    pub fn get(&self, member: &str) -> Option<&'a Value> {
        self.content.get(member)
    }

    /// Returns the reusable workflow that it calls.
    #[must_use]
    pub fn uses(&self) -> Option<&'a str> {
        self.get("uses")?.as_str()
    }

    /// Returns the jobs that it waits for.
    #[must_use]
    pub fn needs(&self) -> Vec<&'a str> {
        match self.get("needs") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the permissions of its token.
    #[must_use]
    pub fn permissions(&self) -> Option<&'a Map<String, Value>> {
        self.get("permissions")?.as_object()
    }

    /// Returns its steps.
    pub fn steps(&self) -> impl Iterator<Item = Step<'a>> {
        self.get("steps")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(Step)
    }

    /// Returns whether a step uses this action, in any version.
    #[must_use]
    pub fn uses_action(&self, action: &str) -> bool {
        self.steps()
            .any(|step| step.action().is_some_and(|(name, _)| name == action))
    }
}

impl<'a> Step<'a> {
    /// Returns a member of the step.
    #[must_use]
    pub fn get(&self, member: &str) -> Option<&'a Value> {
        self.0.get(member)
    }

    /// Returns its command.
    #[must_use]
    pub fn run(&self) -> Option<&'a str> {
        self.get("run")?.as_str()
    }

    /// Returns the action that it uses, and the version.
    #[must_use]
    pub fn action(&self) -> Option<(&'a str, &'a str)> {
        self.get("uses")?.as_str()?.split_once('@')
    }

    /// Returns an input of the action.
    #[must_use]
    pub fn with(&self, input: &str) -> Option<&'a Value> {
        self.get("with")?.get(input)
    }
}
