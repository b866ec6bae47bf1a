//! Every list of services outside of Rust names those of `ud_kernel::Service::ALL`, with what belongs to each.
//!
//! A list is a file, what it tells of services, and what it should tell of one. Whatever differs is named at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use deployment::{
    Listed, Service,
    generated::{listed, regions, with_regions},
    repository, services,
};
use ud_kernel::Service as Known;

use crate::{
    fake::git,
    tables::{List, all},
};

/// Returns the text of a file; of a folder its files one after the other, each below `== NAME`.
fn text_of(path: &str) -> String {
    let at = repository(path);
    if !at.is_dir() {
        return fs::read_to_string(at).unwrap();
    }
    let mut files = BTreeMap::new();
    let mut open = vec![at.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                open.push(entry);
                continue;
            }
            let name = entry.strip_prefix(&at).unwrap().display().to_string();
            files.insert(name, fs::read_to_string(entry).unwrap());
        }
    }
    let sections = files
        .iter()
        .map(|(name, text)| format!("== {name}\n{text}\n"));
    sections.collect()
}

/// Returns a line for each entry that the list lacks, and for each that it has without being one of a service.
fn differences(list: &List, text: &str, services: &[Listed]) -> Vec<String> {
    let mut left = (list.found)(text);
    let mut lines = Vec::new();
    for wanted in services.iter().flat_map(|service| (list.wanted)(service)) {
        match left.iter().position(|found| *found == wanted) {
            Some(place) => {
                left.swap_remove(place);
            }
            None => lines.push(format!(
                "{}, {}: `{wanted}` is missing",
                list.file, list.what
            )),
        }
    }
    let unneeded = left.iter();
    lines.extend(
        unneeded.map(|found| format!("{}, {}: `{found}` is one too many", list.file, list.what)),
    );
    lines
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn deploy_services_has_the_services_of_the_code() {
    let known: BTreeSet<String> = Known::ALL.iter().map(ToString::to_string).collect();
    let lines = services().unwrap();
    let names: BTreeSet<String> = lines.iter().map(|line| line.name.clone()).collect();
    let missing = known
        .difference(&names)
        .map(|name| format!("{name} is missing"));
    let unknown = names
        .difference(&known)
        .map(|name| format!("{name} is no service"));
    let mut wrong: Vec<String> = missing.chain(unknown).collect();
    if names.len() != lines.len() {
        wrong.push("a name is there twice".to_owned());
    }
    assert_none(&wrong);
}

#[test]
fn every_list_names_the_services() {
    let services = listed().unwrap();
    let wrong = all()
        .into_iter()
        .flat_map(|list| differences(&list, &text_of(list.file), &services));
    assert_none(&wrong.collect::<Vec<_>>());
}

/// A service that is nowhere but in the code.
fn sixth() -> Listed {
    Listed {
        line: Service {
            name: "sixth".to_owned(),
            binary: "sixth-service".to_owned(),
            package: "sixth-service".to_owned(),
            folder: "crates/sixth".to_owned(),
            sql: true,
        },
        port: 8042,
        internal_port: 8142,
        before: services()
            .unwrap()
            .into_iter()
            .map(|line| line.name)
            .collect(),
        seals: true,
    }
}

/// Each check fails for a service that the list has not, for one that it has and the code has not, for an entry that is there
/// twice, and for one that has another's name.
#[test]
fn every_check_can_fail() {
    let services = listed().unwrap();
    let more = [&services[..], &[sixth()]].concat();
    // It has a database and keys: no list is without it.
    let fewer: Vec<Listed> = services
        .iter()
        .filter(|one| one.name() != "profile")
        .cloned()
        .collect();
    let mut blind = Vec::new();
    for list in all() {
        let text = text_of(list.file);
        let renamed = text.replace("profile", "sixth").replace("PROFILE", "SIXTH");
        let cases = [
            ("misses", &text, &more, "sixth", "is missing"),
            ("has too many", &text, &fewer, "profile", "is one too many"),
            ("has another", &renamed, &services, "profile", "is missing"),
            (
                "has another",
                &renamed,
                &services,
                "sixth",
                "is one too many",
            ),
        ];
        for (case, text, services, name, end) in cases {
            let lines = differences(&list, text, services);
            let told = lines.iter().any(|line| {
                let line = line.to_lowercase();
                line.contains(name) && line.ends_with(end)
            });
            if !told {
                blind.push(format!("{}, {}: {case}: {lines:?}", list.file, list.what));
            }
        }
    }
    let twice = [services.clone(), services.clone()].concat();
    let list = &all()[0];
    if differences(list, &text_of(list.file), &twice).is_empty() {
        blind.push("an entry for two".to_owned());
    }
    assert_none(&blind);
}

/// The lists that are generated are right for a further service before somebody adds one.
#[test]
fn what_is_generated_has_a_further_service() {
    let more = [&listed().unwrap()[..], &[sixth()]].concat();
    let mut wrong = Vec::new();
    let mut unchecked = Vec::new();
    for (file, regions) in regions(&more) {
        let stands = fs::read_to_string(repository(&file)).unwrap_or_default();
        let text = with_regions(&stands, &regions).unwrap();
        let lists: Vec<List> = all().into_iter().filter(|list| list.file == file).collect();
        // The order of units is a list over several files.
        if lists.is_empty() && !file.contains(".service.d/") {
            unchecked.push(format!("{file} is in no list"));
        }
        for list in lists {
            wrong.extend(differences(&list, &text, &more));
        }
    }
    wrong.extend(unchecked);
    assert_none(&wrong);
}

/// Files that name the services and are no lists of them, and why.
const NO_LISTS: [(&str, &str); 6] = [
    (".env.example", "written by `make openapi`"),
    ("bench/gate.json", "written by `make gate-write`"),
    ("deploy/services", "what all go by"),
    (
        "scripts/test-restore",
        "asks these services, and reads their names from deploy/services",
    ),
    (
        "tests/in-process/Cargo.toml",
        "dependencies of tests in Rust",
    ),
    ("tests/schemathesis_hooks.py", "asks these services"),
];

/// Returns how many of the names are words of a text.
fn named(text: &str, names: &[String]) -> usize {
    let text = text.to_lowercase();
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    names
        .iter()
        .filter(|name| words.contains(name.as_str()))
        .count()
}

#[test]
fn no_file_has_a_list_that_is_not_looked_at() {
    let names: Vec<String> = Known::ALL.iter().map(ToString::to_string).collect();
    let all = all();
    let known = |path: &str| {
        // These are one list, that of the folder.
        let orders = "deploy/ec2/systemd/user-domain@";
        let excepted = NO_LISTS.iter().any(|(file, _)| *file == path);
        // Written whole: their filters name the declarations of all services.
        let workflows = names
            .iter()
            .any(|name| path == format!(".github/workflows/{name}.yml"));
        excepted
            || workflows
            || path.starts_with(orders)
            || all.iter().any(|list| list.file == path)
    };
    let mut wrong = Vec::new();
    for path in git(&repository(""), &["ls-files"]).lines() {
        let folders = ["bench/src/", "crates/", "docs/", "migrations/", "shared/"];
        let elsewhere = folders.iter().any(|folder| path.starts_with(folder));
        if elsewhere
            || [".rs", ".md", ".lock"]
                .iter()
                .any(|end| path.ends_with(end))
        {
            continue;
        }
        let text = fs::read(repository(path)).unwrap_or_default();
        // One may be left out for a reason, as session is where it is about databases.
        if named(&String::from_utf8_lossy(&text), &names) + 1 < names.len() {
            continue;
        }
        if !known(path) {
            wrong.push(format!("{path} names the services; add it to the lists"));
        }
    }
    let gone = NO_LISTS
        .iter()
        .filter(|(file, _)| !repository(file).exists());
    wrong.extend(gone.map(|(file, _)| format!("{file} is not there any more")));
    assert_none(&wrong);
    assert_eq!(named("AUTH_URL, role-service: roles", &names), 2);
}

#[test]
fn nobody_counts_the_services() {
    let numbers = ["four", "five", "six", "seven"];
    let counts = |text: &str| {
        let words: Vec<String> = text
            .split_whitespace()
            .map(|word| {
                word.trim_matches(|c: char| !c.is_alphanumeric())
                    .to_lowercase()
            })
            .filter(|word| !word.is_empty())
            .collect();
        words.windows(2).any(|pair| {
            let (first, second) = (pair[0].as_str(), pair[1].as_str());
            numbers.contains(&first) && ["services", "upstreams"].contains(&second)
                || first == "all" && numbers.contains(&second)
        })
    };
    assert!(counts("# All five, in") && counts("the\nsix services."));
    assert!(!counts("five minutes") && !counts("all services"));
    let mut wrong = Vec::new();
    for path in git(&repository(""), &["ls-files"]).lines() {
        let folders = ["bench/src/", "crates/", "docs/", "migrations/", "shared/"];
        let elsewhere = folders.iter().any(|folder| path.starts_with(folder));
        if elsewhere || [".rs", ".md"].iter().any(|end| path.ends_with(end)) {
            continue;
        }
        if counts(&fs::read_to_string(repository(path)).unwrap_or_default()) {
            wrong.push(format!("{path} counts the services"));
        }
    }
    assert_none(&wrong);
}
