//! A program that can be stopped and started again as it was.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use testkit::Process;

/// How long what a killed program wrote may take to be read.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `program` in `folder` with this environment alone: its exit code, and all it wrote.
///
/// # Panics
/// If it cannot be run.
#[must_use]
pub fn run_to_end(
    program: &Path,
    arguments: &[&str],
    folder: &Path,
    environment: &[(&str, &str)],
) -> (Option<i32>, String) {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    command.env_clear().envs(environment.iter().copied());
    let output = command.output().expect("the program can be run");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// A process, and how to start it again.
#[derive(Debug)]
pub struct Running {
    program: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    /// Names of variables that its program does not know: an earlier release refuses to start with them.
    withheld: Vec<String>,
    ready: String,
    process: Process,
    log_file: Option<PathBuf>,
    earlier: String,
    shown: usize,
}

impl Running {
    /// Starts `program` in `folder`; it is ready when `GET ready` answers 200 ([`Running::until_ready`]).
    #[must_use]
    pub fn start(
        program: PathBuf,
        folder: &Path,
        environment: Vec<(String, String)>,
        ready: String,
    ) -> Self {
        Self::start_with(program, folder, environment, ready, None)
    }

    /// The same, its output going to `log_file` where one is given
    /// ([`testkit::Process::start_logging_to`]).
    #[must_use]
    pub fn start_with(
        program: PathBuf,
        folder: &Path,
        environment: Vec<(String, String)>,
        ready: String,
        log_file: Option<PathBuf>,
    ) -> Self {
        Self::start_without(Vec::new(), program, folder, environment, ready, log_file)
    }

    /// The same for a program of another release: it gets those variables alone that it knows.
    #[must_use]
    pub(crate) fn start_other(
        program: PathBuf,
        folder: &Path,
        environment: Vec<(String, String)>,
        ready: String,
        log_file: Option<PathBuf>,
    ) -> Self {
        let withheld = unknown_to(&program, folder, &environment);
        Self::start_without(withheld, program, folder, environment, ready, log_file)
    }

    fn start_without(
        withheld: Vec<String>,
        program: PathBuf,
        folder: &Path,
        environment: Vec<(String, String)>,
        ready: String,
        log_file: Option<PathBuf>,
    ) -> Self {
        let known = without(&environment, &withheld);
        let process = spawn(&program, folder, &known, log_file.as_deref());
        Self {
            program,
            folder: folder.to_owned(),
            environment,
            withheld,
            ready,
            process,
            log_file,
            earlier: String::new(),
            shown: 0,
        }
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// If it ends before.
    pub async fn until_ready(&self) {
        self.process.wait_until_ready(&self.ready).await;
    }

    /// Returns whether it is ready now.
    pub async fn is_ready(&self) -> bool {
        matches!(testkit::http_get(&self.ready).await, Ok((200, _)))
    }

    /// The process that runs now.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// Kills it (SIGKILL); it is gone when this returns.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Runs the same program with other arguments, in the same folder and environment: exit code and all it wrote.
    ///
    /// # Panics
    /// If it cannot be run.
    pub async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let environment = without(&self.environment, &self.withheld);
        self.run_program(&self.program, arguments, environment)
            .await
    }

    /// Runs another program in its place, with the whole environment.
    ///
    /// # Panics
    /// If it cannot be run.
    pub async fn run_as(&self, program: &Path, arguments: &[&str]) -> (Option<i32>, String) {
        let environment = self.environment.clone();
        self.run_program(program, arguments, environment).await
    }

    /// Makes the next start that of this program, of a release that may know fewer variables.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn become_program(&mut self, program: PathBuf) {
        self.withheld = unknown_to(&program, &self.folder, &self.environment);
        self.program = program;
    }

    /// The same on a terminal, by `script` of util-linux: what is shown on one alone is in the output, too.
    ///
    /// # Panics
    /// If it cannot be run.
    pub async fn run_on_a_terminal(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let words: Vec<_> = std::iter::once(self.program.display().to_string())
            .chain(arguments.iter().map(|word| (*word).to_owned()))
            .map(|word| format!("'{word}'"))
            .collect();
        let command = words.join(" ");
        let script = ["--quiet", "--return", "--command", &command, "/dev/null"];
        let environment = without(&self.environment, &self.withheld);
        let script = self.run_program(Path::new("script"), &script, environment);
        let (code, output) = script.await;
        (code, output.replace('\r', ""))
    }

    async fn run_program(
        &self,
        program: &Path,
        arguments: &[&str],
        environment: Vec<(String, String)>,
    ) -> (Option<i32>, String) {
        let (program, folder) = (program.to_owned(), self.folder.clone());
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let run = move || {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let pairs = environment.iter();
            let environment: Vec<_> = pairs.map(|(n, v)| (n.as_str(), v.as_str())).collect();
            run_to_end(&program, &arguments, &folder, &environment)
        };
        tokio::task::spawn_blocking(run)
            .await
            .expect("the program can be run")
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// If it does not.
    pub async fn stop(&self) -> ExitStatus {
        self.process.terminate();
        self.process.wait().await
    }

    /// Sets a variable of the environment for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(n, _)| n != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it again, killing it if it still runs. Not yet ready when this returns.
    pub fn start_again(&mut self) {
        self.process.kill();
        // What it had written is read to its end.
        assert!(self.process.ends_within(PATIENCE), "it was killed");
        self.earlier = self.log();
        let log_file = self.log_file.as_deref();
        let known = without(&self.environment, &self.withheld);
        self.process = spawn(&self.program, &self.folder, &known, log_file);
    }

    /// What it wrote since this was asked last.
    pub fn fresh_log(&mut self) -> String {
        let log = self.log();
        let fresh = log.get(self.shown..).unwrap_or_default().to_owned();
        self.shown = log.len();
        fresh
    }

    /// All it wrote, in all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}{}", self.earlier, self.process.output())
    }
}

/// Names of the variables that `program` does not know, as it tells itself.
fn unknown_to(program: &Path, folder: &Path, environment: &[(String, String)]) -> Vec<String> {
    let pairs = environment.iter();
    let pairs: Vec<_> = pairs.map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let (_, said) = run_to_end(program, &["check-config"], folder, &pairs);
    let problems = said.lines().filter_map(|line| line.trim().split_once(": "));
    let unknown = problems.filter(|(_, text)| text.starts_with("is not a known key"));
    unknown.map(|(name, _)| name.to_owned()).collect()
}

fn without(environment: &[(String, String)], names: &[String]) -> Vec<(String, String)> {
    let pairs = environment.iter();
    let known = pairs.filter(|(name, _)| !names.contains(name));
    known.cloned().collect()
}

fn spawn(
    program: &Path,
    folder: &Path,
    environment: &[(String, String)],
    log_file: Option<&Path>,
) -> Process {
    let environment = environment.iter().cloned();
    match log_file {
        Some(file) => Process::start_logging_to(file, program, &[], folder, environment),
        None => Process::start(program, &[], folder, environment),
    }
}
