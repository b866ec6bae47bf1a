//! The containers, by the commands that an operator types.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use end_to_end::{Platform, Stack};

/// Folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs `docker` with these arguments in the repository's folder.
pub fn try_docker(arguments: &[&str]) -> Output {
    let mut docker = Command::new("docker");
    docker
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null());
    docker.output().expect("docker can be run")
}

/// The same; what it wrote to its standard output, without the line break at the end.
pub fn docker(arguments: &[&str]) -> String {
    let output = try_docker(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// Joins what a command wrote to both outputs, whether it succeeded or not.
pub fn text_of(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// Runs `docker compose` on the stack that scripts/test-compose brought up.
pub fn compose(arguments: &[&str]) -> String {
    docker(&[&["compose"], arguments].concat())
}

/// The same, whether it succeeds or not.
pub fn try_compose(arguments: &[&str]) -> Output {
    try_docker(&[&["compose"], arguments].concat())
}

/// Ids of the running containers of a service.
pub fn containers_of(service: &str) -> Vec<String> {
    let ids = compose(&["ps", "--quiet", service]);
    ids.lines().map(str::to_owned).collect()
}

/// One value of what `docker inspect` tells of a container.
pub fn inspect(container: &str, format: &str) -> String {
    docker(&["inspect", "--format", format, container])
}

/// The platform behind the stack's gateway.
pub async fn platform() -> Platform {
    let stack = Stack::told().expect("scripts/test-compose tells where the stack is");
    Platform::attach(&stack).await
}

/// A further project beside the stack, on networks of its own; removed, volumes included, when it is dropped.
pub struct Project {
    name: String,
    prefix: String,
    files: Vec<String>,
}

impl Project {
    /// Nothing runs yet. `number` (1 to 40) tells its networks from those of other tests; `files` follow docker-compose.yml and
    /// that of the tests.
    pub fn new(number: u8, files: &[&Path]) -> Self {
        let own = ["docker-compose.yml", "tests/containers/compose.yml"];
        let own = own.iter().map(|file| root().join(file));
        let files = own.chain(files.iter().map(|file| file.to_path_buf()));
        Self {
            name: format!("user-domain-test-{number}"),
            prefix: format!("10.213.{}", 80 + number),
            files: files.map(|file| file.display().to_string()).collect(),
        }
    }

    /// Runs `docker compose` on it.
    pub fn try_run(&self, arguments: &[&str]) -> Output {
        let mut docker = Command::new("docker");
        docker.arg("compose").args(arguments);
        docker.current_dir(root()).stdin(Stdio::null());
        self.tell(&mut docker);
        docker.output().expect("docker can be run")
    }

    /// Has the `docker compose` that this command runs mean this project.
    pub fn tell(&self, command: &mut Command) {
        command.env("COMPOSE_PROJECT_NAME", &self.name);
        command.env("COMPOSE_FILE", self.files.join(":"));
        command.env("GATEWAY_NETWORK_PREFIX", &self.prefix);
        command.env("GATEWAY_PORT", "0");
    }

    /// The same; it must succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text_of(&output)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Base address of its gateway.
    pub fn gateway(&self) -> String {
        // `127.0.0.1:49153`
        format!("http://{}", self.run(&["port", "gateway", "8080"]))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = self.try_run(&["down", "--volumes", "--timeout", "1"]);
    }
}
