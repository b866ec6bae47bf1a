//! No update and no delete of a record exists, in the code, the migrations or the API. Who adds one meets this
//! test first.

use std::{fs, path::Path};

use ud_http::ServiceBinary as _;
use user_audit_service::AuditService;

fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push((
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
    found
}

#[test]
fn no_statement_updates_or_deletes_a_record() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = files(&root.join("src"), "rs");
    assert!(sources.len() > 10);
    let mut changes = Vec::new();
    for (path, text) in &sources {
        // Statements are only made through diesel's own names, so that the search below finds them all.
        for hidden in [
            "batch_execute",
            "SimpleConnection",
            "dsl::sql",
            "replace_into",
            "on_conflict",
            "AsChangeset",
            "save_changes",
            "use diesel::{",
            "use diesel::update",
            "use diesel::delete",
        ] {
            assert!(!text.contains(hidden), "{path}: {hidden}");
        }
        // The one statement that is written out says at once what it does.
        for (at, found) in text.match_indices("sql_query") {
            let statement = &text[at + found.len()..];
            let statement = statement.trim_start_matches(['(', ' ', '\n']);
            let only = "\"INSERT INTO records (";
            assert!(statement.starts_with(only), "{path}: {statement:.40}");
        }
        for verb in ["diesel::update(", "diesel::delete("] {
            for (at, _) in text.match_indices(verb) {
                let target = text[at + verb.len()..].trim_start();
                let table = target.split("::table").next().unwrap();
                changes.push((verb, table.to_owned()));
            }
        }
    }
    changes.sort();
    let allowed = [
        ("diesel::delete(", "idempotency_keys".to_owned()),
        ("diesel::update(", "record_counter".to_owned()),
    ];
    assert_eq!(changes, allowed);
}

#[test]
fn no_migration_changes_records() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/audit");
    let migrations = files(&root, "sql");
    assert_eq!(migrations.len(), 30);
    for (path, text) in migrations {
        let statements: String = text
            .lines()
            .filter(|line| !line.starts_with("--"))
            .collect();
        let words = statements.to_lowercase();
        let changes = [
            "update ",
            "delete from records",
            "truncate",
            "trigger",
            "cascade",
        ];
        for word in changes {
            assert!(!words.contains(word), "{path}: {word}");
        }
    }
}

#[test]
fn no_operation_changes_a_record() {
    let document = serde_json::to_value(AuditService::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.push(format!("{method} {path}"));
        }
    }
    operations.sort();
    let expected = [
        "get /api/v1/audits",
        "get /api/v1/audits/{id}",
        "post /api/v1/audits",
    ];
    assert_eq!(operations, expected);
}
