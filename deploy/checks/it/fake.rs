//! Programs that stand in for `gh`, `aws` and `docker`, and the scripts that are run with them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use deployment::repository;
use tempfile::TempDir;

/// A folder of programs that is first in the PATH of what is run with it, and a place for what they write.
pub struct Fake {
    folder: TempDir,
}

impl Fake {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    /// Adds a program; it finds the folder in `FAKE`.
    pub fn program(self, name: &str, source: &str) -> Self {
        let path = self.path(name);
        fs::write(&path, source).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads what a program has written there; empty if it has written nothing.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A script of the repository, in `directory`, without any variable of the tests' own environment but PATH and HOME.
    pub fn script(&self, directory: &Path, script: &str) -> Command {
        let mut command = Command::new(repository(script));
        let path = std::env::var("PATH").unwrap();
        command
            .current_dir(directory)
            .env_clear()
            .env("PATH", format!("{}:{path}", self.folder.path().display()))
            .env("HOME", self.folder.path())
            .env("FAKE", self.folder.path())
            .env("GITHUB_REPOSITORY", "someone/user-domain");
        command
    }
}

/// Runs `git` in `directory`, untouched by the configuration of the machine, and returns what it prints.
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@localhost"])
        .args([
            "-c",
            "commit.gpgsign=false",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        text(&output)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Everything that a program has printed.
pub fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(all).unwrap()
}

pub fn write(root: &Path, file: &str, content: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Copies files of the repository into `root`.
pub fn copy(root: &Path, files: &[&str]) {
    for file in files {
        write(root, file, "");
        fs::copy(repository(file), root.join(file)).unwrap();
    }
}
