//! A release: whether it may be made, its notes, its archives, and that it is made once.

use std::{fs, path::Path, process::Command, process::Output};

use deployment::{repository, services};
use tempfile::TempDir;

use crate::fake::{Fake, copy, git, text, write};

const CHANGELOG: &str = "\
# Changelog

## Unreleased

- Not yet.

## [1.1.0] - 2026-03-04

### Added

- A `## heading` in a line, and [a link](docs/API.md).

## 1.0.0 - 2026-01-02

- First.

## 0.9.0

- Never dated.

## 0.8.0 - 2025-01-01

## 0.7.0 - 2025-01-01 - yanked

- Gone.

[1.1.0]: https://example.org/compare
";

fn notes(version: &str) -> Output {
    let fake = Fake::new();
    fs::write(fake.path("log"), CHANGELOG).unwrap();
    fake.script(&repository(""), "scripts/release/notes")
        .arg(version)
        .env("CHANGELOG", fake.path("log"))
        .output()
        .unwrap()
}

#[test]
fn the_notes_are_the_section_of_the_version() {
    let good = |version: &str| {
        let output = notes(version);
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    assert_eq!(
        good("1.1.0"),
        "### Added\n\n- A `## heading` in a line, and [a link](docs/API.md).\n"
    );
    assert_eq!(good("1.0.0"), "- First.\n");
    for version in [
        "Unreleased",
        "0.9.0",
        "0.8.0",
        "0.7.0",
        "1.0",
        "1",
        "1.1.00",
        ".*",
        "2.0.0",
        "",
        "[1.1.0]",
    ] {
        assert!(!notes(version).status.success(), "{version}");
    }
}

/// A repository with version 1.1.0 on main, and a `gh` that knows for which commits ci.yml has passed.
struct Ground {
    fake: Fake,
    root: TempDir,
}

const GH: &str = r##"#!/usr/bin/env bash
set -euo pipefail
echo "$*" >>"$FAKE/gh.log"
case "$1" in
    api)
        commit=${2#*head_sha=}
        if grep -q "^${commit%%&*}$" "$FAKE/passed"; then echo 1; else echo 0; fi
        ;;
    release)
        if [ -e "$FAKE/released" ]; then
            echo "a release with the same tag name already exists" >&2
            exit 1
        fi
        touch "$FAKE/released"
        while [ $# -gt 0 ]; do
            case $1 in
                --notes-file) cp "$2" "$FAKE/notes" ;;
                release/*) cp "$1" "$FAKE/" ;;
            esac
            shift
        done
        ;;
esac
"##;

impl Ground {
    fn new() -> Self {
        let ground = Self {
            fake: Fake::new().program("gh", GH),
            root: TempDir::new().unwrap(),
        };
        let root = ground.root.path();
        for script in ["check", "notes", "archives", "publish"] {
            copy(root, &[&format!("scripts/release/{script}")]);
        }
        copy(
            root,
            &["scripts/service", "deploy/services", "LICENSE", "README.md"],
        );
        write(root, "CHANGELOG.md", CHANGELOG);
        write(
            root,
            "Cargo.toml",
            "[workspace.package]\nversion = \"1.1.0\"\n[workspace.dependencies]\nversion = \"2\"\n",
        );
        git(root, &["init", "--quiet"]);
        let commit = ground.commit();
        git(root, &["update-ref", "refs/remotes/origin/main", &commit]);
        fs::write(ground.fake.path("passed"), format!("{commit}\n")).unwrap();
        ground
    }

    fn commit(&self) -> String {
        let root = self.root.path();
        git(root, &["add", "--all"]);
        git(
            root,
            &["commit", "--quiet", "--allow-empty", "--message", "m"],
        );
        git(root, &["rev-parse", "HEAD"])
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        let script = self.root.path().join("scripts/release").join(script);
        self.fake
            .script(self.root.path(), script.to_str().unwrap())
            .args(arguments)
            .env("GITHUB_SHA", git(self.root.path(), &["rev-parse", "HEAD"]))
            .env("GITHUB_OUTPUT", self.fake.path("output"))
            .output()
            .unwrap()
    }

    fn refuses(&self, tag: &str, because: &str) {
        let output = self.run("check", &[tag]);
        assert_eq!(output.status.code(), Some(1), "{tag}");
        assert!(text(&output).contains(because), "{tag}: {}", text(&output));
    }
}

#[test]
fn a_tag_on_a_commit_of_main_that_passed_is_released() {
    let ground = Ground::new();
    let output = ground.run("check", &["v1.1.0"]);
    assert!(output.status.success(), "{}", text(&output));
    let services = services().unwrap().into_iter().map(|line| line.name);
    let images: Vec<String> = services
        .chain(["gateway", "standalone"].map(str::to_owned))
        .collect();
    let images = serde_json::to_string(&images).unwrap();
    assert_eq!(
        ground.fake.read("output"),
        format!("version=1.1.0\nimages={images}\n")
    );
}

#[test]
fn a_tag_that_somebody_made_up_or_moved_is_not_released() {
    let ground = Ground::new();
    for tag in [
        "1.1.0",
        "v1.1",
        "v1.1.0-",
        "v1.1.0;id",
        "v1.1.0\nv1.0.0",
        "latest",
        "v1.1.0-a/b",
    ] {
        ground.refuses(tag, "a tag is");
    }
    ground.refuses("v1.0.0", "the version in Cargo.toml is 1.1.0");

    // A commit of a branch, though it passed there.
    let commit = ground.commit();
    fs::write(ground.fake.path("passed"), format!("{commit}\n")).unwrap();
    ground.refuses("v1.1.0", "not on main");
    // On main, and its suite has not passed.
    git(
        ground.root.path(),
        &["update-ref", "refs/remotes/origin/main", &commit],
    );
    fs::write(ground.fake.path("passed"), "").unwrap();
    ground.refuses("v1.1.0", "has not passed");
    let asked = ground.fake.read("gh.log");
    assert!(
        asked.contains("ci.yml/runs?branch=main&event=push&head_sha="),
        "{asked}"
    );

    write(
        ground.root.path(),
        "CHANGELOG.md",
        "# Changelog\n\n## 1.1.0\n\n- Not dated.\n",
    );
    ground.refuses("v1.1.0", "has no section");
}

#[test]
fn archives_are_the_same_whenever_they_are_packed() {
    let ground = Ground::new();
    let root = ground.root.path();
    let pack = || {
        let _ = fs::remove_dir_all(root.join("release"));
        let output = ground.run("archives", &["1.1.0", "arm64"]);
        assert!(output.status.success(), "{}", text(&output));
        fs::read(root.join("release/role-service-1.1.0-linux-arm64.tar.gz")).unwrap()
    };
    write(root, "dist/role-service", "a binary");
    write(root, "dist/standalone", "another");
    let first = pack();
    // Written anew, later and by somebody else's umask.
    fs::remove_file(root.join("dist/role-service")).unwrap();
    write(root, "dist/role-service", "a binary");
    assert!(first == pack());
    let listed = list(&root.join("release/role-service-1.1.0-linux-arm64.tar.gz"));
    for (mode, name) in [
        ("-rwxr-xr-x 0/0 ", "/role-service"),
        ("-rw-r--r-- 0/0 ", "/LICENSE"),
    ] {
        let found = |line: &&String| line.starts_with(mode) && line.ends_with(name);
        assert!(listed.iter().any(|line| found(&line)), "{name}: {listed:?}");
    }
    assert_eq!(listed.len(), 5, "{listed:?}");
    let names: Vec<&str> = listed
        .iter()
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    assert!(names.is_sorted(), "{names:?}");
    let time = " 2026-01-02-03:04:05 ";
    assert!(
        listed.iter().all(|line| line.contains(time)),
        "{time}: {listed:?}"
    );
    assert!(
        root.join("release/standalone-1.1.0-linux-arm64.tar.gz")
            .exists()
    );
}

/// Mode, owner, time and name of each entry of an archive.
fn list(archive: &Path) -> Vec<String> {
    let output = Command::new("tar")
        .args(["--numeric-owner", "--utc", "--full-time", "-tvzf"])
        .arg(archive)
        .output()
        .unwrap();
    text(&output)
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [mode, owner, _, day, time, name] = words[..] else {
                panic!("{line}");
            };
            format!("{mode} {owner} {day}-{time} {name}")
        })
        .collect()
}

#[test]
fn a_release_has_checksums_and_notes_and_is_made_once() {
    let ground = Ground::new();
    write(ground.root.path(), "release/a.tar.gz", "a");
    write(ground.root.path(), "release/b.tar.gz", "b");
    let output = ground.run("publish", &["v1.1.0"]);
    assert!(output.status.success(), "{}", text(&output));
    let log = ground.fake.read("gh.log");
    assert!(
        log.contains("release create v1.1.0 --repo someone/user-domain --verify-tag"),
        "{log}"
    );
    assert!(!log.contains("--prerelease"), "{log}");
    assert!(ground.fake.read("notes").starts_with("### Added"));
    let sums = ground.fake.read("SHA256SUMS");
    let names: Vec<&str> = sums
        .lines()
        .filter_map(|line| line.split("  ").nth(1))
        .collect();
    assert_eq!(names, ["a.tar.gz", "b.tar.gz"]);

    assert!(!ground.run("publish", &["v1.1.0"]).status.success());
}
