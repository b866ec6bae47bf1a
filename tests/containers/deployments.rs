//! Images and commands for the tests of deploy/ec2/deploy.sh.

use std::{
    fs,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::stack::{docker, inspect, root};

/// The services in the order of deployment, with the names of their images.
pub fn services() -> Vec<(String, String)> {
    let list = fs::read_to_string(root().join("deploy/services")).unwrap();
    let lines = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let words = lines.map(|line| line.split_whitespace().map(str::to_owned));
    words
        .map(|mut words| (words.next().unwrap(), words.next().unwrap()))
        .collect()
}

pub fn image_of(service: &str) -> String {
    let found = services().into_iter().find(|(name, _)| name == service);
    let name = found.map_or_else(|| "gateway".to_owned(), |(_, image)| image);
    format!("user-domain/{name}:local")
}

/// Pushes a local image to the registry of the run, under `name`: what names it by its digest.
pub fn push(image: &str, name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "tells tests what runs")]
    let registry = std::env::var("CONTAINERS_REGISTRY").expect("CONTAINERS_REGISTRY");
    let repository = format!("{registry}/user-domain/{name}");
    docker(&["tag", image, &format!("{repository}:test")]);
    docker(&["push", "--quiet", &format!("{repository}:test")]);
    let digests = inspect(image, "{{range .RepoDigests}}{{println .}}{{end}}");
    let own = |line: &&str| line.starts_with(&format!("{repository}@"));
    digests.lines().find(own).expect(&digests).to_owned()
}

/// The image of `service` with a fault, by its digest.
pub fn faulty(service: &str, fault: &str) -> String {
    let tag = format!("user-domain/faulty-{service}:{fault}");
    let (base, fault) = (
        format!("IMAGE={}", image_of(service)),
        format!("FAULT={fault}"),
    );
    docker(&[
        "build",
        "--quiet",
        "--build-arg",
        &base,
        "--build-arg",
        &fault,
        "--tag",
        &tag,
        "tests/containers/faulty",
    ]);
    push(&tag, &format!("faulty-{service}"))
}

/// Deployments of one test, with a state of their own.
pub struct Deployments {
    pub state: TempDir,
}

impl Deployments {
    pub fn new() -> Self {
        Self {
            state: tempfile::tempdir().unwrap(),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(root().join("deploy/ec2/deploy.sh"));
        command.args(arguments).stdin(Stdio::null());
        command.env("DEPLOY_STATE", self.state.path());
        command.env("READY_SECONDS", "15");
        command
    }

    /// Runs one to its end, while clients go on.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    /// Begins one, in the background.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Reads the records of the deployments.
    pub fn told(&self) -> Vec<Value> {
        let lines = fs::read_to_string(self.state.path().join("deployments.jsonl"));
        let lines = lines.unwrap_or_default();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub fn phase_of(&self, service: &str) -> Option<String> {
        let file = self.state.path().join(format!("{service}.unfinished"));
        let text = fs::read_to_string(file).ok()?;
        text.lines().next().map(str::to_owned)
    }
}

/// Tells whether others find this container under the name of `service`, on every network that it is on.
pub fn has_name(container: &str, service: &str) -> bool {
    let format =
        "{{range .NetworkSettings.Networks}}{{range .Aliases}}{{println .}}{{end}}--\n{{end}}";
    let names = inspect(container, format);
    let networks = names.split("--").filter(|names| !names.trim().is_empty());
    // While it leaves one network and comes back, it may be on none.
    let mut networks = networks.peekable();
    networks.peek().is_some() && networks.all(|names| names.lines().any(|name| name == service))
}
