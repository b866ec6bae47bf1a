//! The program that compares documents, on our own and on two folders.

use std::{fs, process::Command};

use deployment::{breaks::breaks, repository};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::breaks::{GET, changed, document};

/// Our own documents, each with every one of its parts taken away once.
#[test]
fn no_operation_status_or_member_of_ours_goes_unnoticed() {
    let mut removed = 0;
    for entry in fs::read_dir(repository("docs/openapi")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        let document: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(
            breaks(&document, &document).is_empty(),
            "{}",
            path.display()
        );
        for pointer in parts(&document) {
            let mut without = document.clone();
            let (parent, last) = pointer.rsplit_once('/').unwrap();
            let member = last.replace("~1", "/").replace("~0", "~");
            without
                .pointer_mut(parent)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(&member);
            assert!(
                !breaks(&document, &without).is_empty(),
                "{} {pointer}",
                path.display()
            );
            removed += 1;
        }
    }
    assert!(removed > 200, "{removed}");
}

/// Pointers to all paths, operations, statuses, and members of schemas.
fn parts(document: &Value) -> Vec<String> {
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    let mut pointers = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = format!("/paths/{}", escaped(path));
        for (method, operation) in item.as_object().unwrap() {
            for status in operation["responses"]
                .as_object()
                .into_iter()
                .flat_map(|all| all.keys())
            {
                pointers.push(format!("{path}/{method}/responses/{status}"));
            }
            pointers.push(format!("{path}/{method}"));
        }
        pointers.push(path);
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for member in schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(|all| all.keys())
        {
            pointers.push(format!(
                "/components/schemas/{name}/properties/{}",
                escaped(member)
            ));
        }
    }
    pointers
}

#[test]
fn the_program_compares_folders_and_takes_what_was_accepted() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["before", "after"] {
        fs::create_dir(at(name)).unwrap();
    }
    let compare = || {
        let output = Command::new(env!("CARGO_BIN_EXE_openapi-breaks"))
            .args([at("before"), at("after"), at("accepted")])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    fs::write(at("accepted"), "# nothing\n").unwrap();
    fs::write(at("before/role.json"), document().to_string()).unwrap();
    fs::write(at("after/role.json"), document().to_string()).unwrap();
    fs::write(at("after/new.json"), "{}").unwrap();
    assert_eq!(compare().0, Some(0));

    fs::write(at("after/role.json"), changed(GET, json!(null)).to_string()).unwrap();
    assert_eq!(
        compare(),
        (Some(1), "role: GET /things is gone\n".to_owned())
    );
    fs::write(at("accepted"), "role: GET /things is gone\n").unwrap();
    assert_eq!(compare().0, Some(0));

    fs::remove_file(at("after/role.json")).unwrap();
    assert_eq!(
        compare(),
        (Some(1), "role: the document is gone\n".to_owned())
    );
    fs::write(at("before/role.json"), "no JSON").unwrap();
    fs::write(at("after/role.json"), "{}").unwrap();
    assert_eq!(compare().0, Some(66));
}
