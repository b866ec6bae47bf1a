//! Tests of the scripts that build the binaries, carry them to another job, and make images of them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
};

use deployment::{repository, services};
use tempfile::TempDir;

use crate::fake::{Fake, copy, text};

const SCRIPTS: [&str; 7] = [
    "deploy/services",
    "scripts/service",
    "scripts/deploy/build",
    "scripts/deploy/fetch-binaries",
    "scripts/deploy/describe-image",
    "scripts/deploy/index",
    "scripts/release/build",
];

/// Puts a "binary" where cargo would.
const CARGO: &str = r##"#!/usr/bin/env bash
set -euo pipefail
echo "$*" >>"$FAKE/cargo.log"
while [ "$1" != --bin ]; do shift; done
mkdir -p target/release
cp /bin/true "target/release/$2"
"##;

/// Downloads what is in `artifact`, as an artifact comes: without permissions.
const GH: &str = r##"#!/usr/bin/env bash
set -euo pipefail
echo "$*" >>"$FAKE/gh.log"
[ "$1 $2" = "run download" ]
while [ "$1" != --dir ]; do shift; done
cp "$FAKE"/artifact/* "$2"
chmod 0644 "$2"/*
"##;

const DOCKER: &str = r##"#!/usr/bin/env bash
set -euo pipefail
echo "$*" >>"$FAKE/docker.log"
if [ "$3" = inspect ]; then echo "$INSPECTED"; fi
"##;

fn copied() -> TempDir {
    let root = TempDir::new().unwrap();
    copy(root.path(), &SCRIPTS);
    root
}

/// Runs the copy of a script that is in `root`.
fn run(
    fake: &Fake,
    root: &TempDir,
    script: &str,
    arguments: &[&str],
    env: &[(&str, &str)],
) -> Output {
    let copy = root.path().join(script);
    let mut command = fake.script(root.path(), copy.to_str().unwrap());
    command.args(arguments).envs(env.iter().copied());
    command.env("GITHUB_OUTPUT", fake.path("output"));
    command.output().unwrap()
}

fn outputs(fake: &Fake) -> BTreeMap<String, String> {
    let written = fake.read("output");
    let pairs = written.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    }
}

#[test]
fn each_binary_is_compiled_alone_and_its_checksum_is_given_on() {
    let (fake, root) = (Fake::new().program("cargo", CARGO), copied());
    let output = run(
        &fake,
        &root,
        "scripts/release/build",
        &[architecture()],
        &[],
    );
    assert!(output.status.success(), "{}", text(&output));
    let log = fake.read("cargo.log");
    for service in services().unwrap() {
        let expected = format!(
            "build --locked --release --package {} --bin {}\n",
            service.package, service.binary
        );
        assert!(log.contains(&expected), "{log}");
    }
    assert!(
        log.contains("--package standalone --bin standalone --features postgres,mysql"),
        "{log}"
    );
    assert!(
        !log.contains("gateway") && !log.contains("workspace"),
        "{log}"
    );
    let given = fake.read("output");
    assert!(
        given.starts_with(&format!("{}<<END\n", architecture())),
        "{given}"
    );
    assert!(given.contains("  standalone\n"), "{given}");
    let built = fs::read_dir(root.path().join("dist")).unwrap().count();
    assert_eq!(built, services().unwrap().len() + 1);

    let other = if architecture() == "amd64" {
        "arm64"
    } else {
        "amd64"
    };
    let output = run(&fake, &root, "scripts/deploy/build", &[other, "role"], &[]);
    assert_eq!(output.status.code(), Some(64), "another machine's binaries");
    let output = run(
        &fake,
        &root,
        "scripts/deploy/build",
        &[architecture(), "roles"],
        &[],
    );
    assert!(!output.status.success(), "an unknown service");
}

#[test]
fn binaries_that_are_not_the_built_ones_are_refused() {
    let (fake, root) = (Fake::new().program("gh", GH), copied());
    fs::create_dir(fake.path("artifact")).unwrap();
    fs::write(fake.path("artifact/role-service"), "the binary").unwrap();
    let sums = Command::new("sha256sum")
        .arg("role-service")
        .current_dir(fake.path("artifact"))
        .output()
        .unwrap();
    let sums = text(&sums).trim().to_owned();
    let env = [("SHA256SUMS", sums.as_str()), ("GITHUB_RUN_ID", "7")];
    let fetch = || {
        run(
            &fake,
            &root,
            "scripts/deploy/fetch-binaries",
            &["arm64"],
            &env,
        )
    };
    assert!(fetch().status.success(), "{}", text(&fetch()));
    assert!(
        fake.read("gh.log")
            .contains("7 --repo someone/user-domain --name binaries-arm64")
    );
    let mode = fs::metadata(root.path().join("dist/role-service"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o755);

    fs::write(fake.path("artifact/another"), "besides").unwrap();
    assert!(!fetch().status.success(), "a file too many");
    fs::remove_file(fake.path("artifact/another")).unwrap();
    fs::write(fake.path("artifact/role-service"), "not the binary").unwrap();
    assert!(!fetch().status.success(), "another file");
    fs::remove_file(fake.path("artifact/role-service")).unwrap();
    fs::write(fake.path("artifact/x"), "").unwrap();
    assert!(!fetch().status.success(), "no file");
}

#[test]
fn the_gateway_has_nothing_to_fetch() {
    let (fake, root) = (Fake::new(), copied());
    let output = run(
        &fake,
        &root,
        "scripts/deploy/fetch-binaries",
        &["amd64"],
        &[("SHA256SUMS", "")],
    );
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(fs::read_dir(root.path().join("dist")).unwrap().count(), 0);
}

#[test]
fn an_image_is_described_by_its_name() {
    let expected = |file: &str, target: &str, binary: &str, name: &str| {
        BTreeMap::from([
            (
                "file".to_owned(),
                format!("deploy/docker/{file}.Dockerfile"),
            ),
            ("target".to_owned(), target.to_owned()),
            ("binary".to_owned(), binary.to_owned()),
            ("repository".to_owned(), format!("user-domain/{name}")),
        ])
    };
    let describe = |name: &str| {
        let (fake, root) = (Fake::new(), copied());
        let output = run(&fake, &root, "scripts/deploy/describe-image", &[name], &[]);
        (output.status.success(), outputs(&fake))
    };
    for service in services().unwrap() {
        assert_eq!(
            describe(&service.name),
            (
                true,
                expected("service", "service", &service.binary, &service.name)
            )
        );
    }
    assert_eq!(
        describe("gateway"),
        (true, expected("gateway", "", "", "gateway"))
    );
    let standalone = expected("service", "standalone", "standalone", "standalone");
    assert_eq!(describe("standalone"), (true, standalone));
    assert_eq!(describe("roles"), (false, BTreeMap::new()));
}

#[test]
fn the_images_of_both_machines_are_joined_by_their_digests() {
    let digest = |c: &str| format!("sha256:{}", c.repeat(64));
    let (amd64, arm64, joined) = (digest("a"), digest("b"), digest("c"));
    let index = |arguments: &[&str], inspected: &str| {
        let (fake, root) = (Fake::new().program("docker", DOCKER), copied());
        let env = [("INSPECTED", inspected)];
        let output = run(&fake, &root, "scripts/deploy/index", arguments, &env);
        (
            output.status.code(),
            fake.read("docker.log"),
            outputs(&fake),
        )
    };
    let (code, log, outputs) = index(&["r.example/n", "1.2.3", &amd64, &arm64], &joined);
    assert_eq!(code, Some(0));
    let create = format!(
        "imagetools create --tag r.example/n:1.2.3 r.example/n@{amd64} r.example/n@{arm64}"
    );
    assert!(log.contains(&create), "{log}");
    assert_eq!(outputs["digest"], joined);
    assert_eq!(outputs["image"], format!("r.example/n@{joined}"));

    for wrong in [
        &["r.example/n", "1.2.3", amd64.as_str(), ""][..],
        &["r.example/n", "1.2.3", "latest"],
        &["r.example/n", "1.2.3"],
    ] {
        let (code, log, _) = index(wrong, &joined);
        assert_eq!((code, log.as_str()), (Some(64), ""), "{wrong:?}");
    }
    let (code, _, outputs) = index(&["r.example/n", "1", &amd64], "none");
    assert_eq!(code, Some(69));
    assert!(outputs.is_empty());
}

/// The job that compiles does it in the image that the Dockerfile compiles in.
#[test]
fn every_job_with_rust_is_in_the_image_of_the_declared_version() {
    let manifest = fs::read_to_string(repository("Cargo.toml")).unwrap();
    let line = manifest
        .lines()
        .find(|line| line.starts_with("rust-version"))
        .unwrap();
    let image = format!("rust:{}-bookworm", line.split('"').nth(1).unwrap());
    let mut found = 0;
    for workflow in deployment::workflows().unwrap().into_values() {
        for job in workflow.jobs() {
            if let Some(container) = job.get("container") {
                assert_eq!(
                    container["image"],
                    image.as_str(),
                    "{} {}",
                    workflow.name,
                    job.name
                );
                found += 1;
            }
        }
    }
    assert!(found >= 5, "{found}");
    if let Ok(dockerfile) = fs::read_to_string(repository("deploy/docker/service.Dockerfile")) {
        assert!(dockerfile.contains(&image), "service.Dockerfile");
    }
}
