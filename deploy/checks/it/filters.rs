//! The path filter of each service's workflow names what its image is made from, and nothing else.

use std::fs;

use deployment::{
    filter::sources_of, folders_of, read_at_compile_time_below, repository, services,
};
use tempfile::TempDir;

use crate::fake::write;

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

/// A crate is compiled from what others depend on, wherever that is.
#[test]
fn modules_in_another_folder_are_sources_too() {
    let root = TempDir::new().unwrap();
    for (file, source) in [
        (
            "shared/kernel/src/services.rs",
            "#[path = \"../../../crates/role/declaration.rs\"]\nmod role;\n\
             #[path = \"tests_of_services.rs\"]\nmod tests;\n",
        ),
        ("shared/kernel/src/tests_of_services.rs", ""),
        (
            "crates/role/declaration.rs",
            "const TEXT: &str = include_str!(\"../../texts/role.txt\");\n\
             #[path = \"declared/codes.rs\"]\nmod codes;\n",
        ),
        ("crates/role/declared/codes.rs", ""),
        ("crates/role/src/lib.rs", "fn role() {}\n"),
        ("texts/role.txt", ""),
    ] {
        write(root.path(), file, source);
    }
    let found = |folder| {
        let found = read_at_compile_time_below(root.path(), folder).unwrap();
        found.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        found("shared/kernel"),
        [
            "crates/role/declaration.rs",
            "crates/role/declared/codes.rs",
            "texts/role.txt"
        ]
    );
    assert!(found("crates/role").is_empty());
}

/// `COPY . .` of the Dockerfile carries what `.dockerignore` lets through.
#[test]
fn all_sources_get_into_the_build_of_an_image() {
    let dockerfile = repository("deploy/docker/service.Dockerfile");
    assert!(
        fs::read_to_string(dockerfile)
            .unwrap()
            .contains("\nCOPY . .\n")
    );
    let ignored = fs::read_to_string(repository(".dockerignore")).unwrap();
    let admitted: Vec<&str> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    // Besides these only what is never a source is left out.
    let left_out = ["*", "**/target", "nginx/run"];
    assert!(
        ignored
            .lines()
            .all(|line| line.starts_with(['#', '!']) || left_out.contains(&line)),
        "{ignored}"
    );
    let mut missing = Vec::new();
    for service in services().unwrap() {
        let mut sources = sources_of(&service).unwrap();
        // Where declarations of services are.
        sources.insert(format!("{}/declaration.rs", service.folder));
        missing.extend(sources.into_iter().filter(|source| {
            !admitted.iter().any(|path| {
                source
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.starts_with('/'))
            })
        }));
    }
    assert!(missing.is_empty(), ".dockerignore: {missing:?}");
}
