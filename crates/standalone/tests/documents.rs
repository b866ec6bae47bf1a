//! Documents that are written by the code: they are what they would be if written now.
//! `UPDATE_DOCS=1 cargo test -p standalone --test documents` writes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use ud_kernel::{Code, permissions};
use ud_service::limits::{Counts, Operation};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn is_current(path: &str, text: &str) {
    let file = repository(path);
    if std::env::var("UPDATE_DOCS").is_ok() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == text,
        "{path} is not what the code says; after an intended change run `make openapi`"
    );
}

/// Every operation that has a limit.
fn limited() -> impl Iterator<Item = &'static Operation> {
    standalone::SERVICES.iter().flat_map(|known| known.limited)
}

#[test]
fn openapi_documents_are_current() {
    for (name, document) in standalone::openapi_documents() {
        let text = ud_http::openapi_json(&document) + "\n";
        is_current(&format!("docs/openapi/{name}.json"), &text);
    }
    is_current(
        "docs/openapi.yaml",
        &standalone::joined_openapi().to_yaml().unwrap(),
    );
}

#[test]
fn configuration_documents_are_current() {
    is_current(".env.example", &ud_config::env_example());
    is_current("docs/CONFIG.md", &ud_config::markdown());
}

#[test]
fn problems_are_listed() {
    let mut text = "# Problems\n\n\
        Every error answer is a problem document (RFC 9457), `application/problem+json`. Branch on `code`; it never\n\
        changes its meaning. `type` is `urn:user-domain:problem:` and the code. Generated from `ud_kernel::Code`.\n\n\
        | code | status | title | when, and what to do |\n|---|---|---|---|\n"
        .to_owned();
    for code in Code::all() {
        writeln!(
            text,
            "| `{code}` | {} | {} | {} |",
            code.status(),
            code.title(),
            code.help()
        )
        .unwrap();
    }
    is_current("docs/PROBLEMS.md", &text);
}

#[test]
fn authorization_is_listed() {
    let mut text = "# Who may do what\n\n\
        Generated from the operations' own declarations; tests call each operation without a token, without the\n\
        permission and on somebody else's things. `own` means: any authenticated caller, for their own things; the\n\
        description says what others' things need. Limits are defaults ([CONFIG.md](CONFIG.md#limits)); where there are\n\
        two, the second is that of callers with the permission, or of what presents a good token.\n\n\
        | operation | needs | limit | body members | refusals | about |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for (_, document) in standalone::openapi_documents() {
        let document = serde_json::to_value(&document).unwrap();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let row = row(&document, path, method, operation);
                writeln!(text, "{row}").unwrap();
            }
        }
    }
    is_current("docs/AUTHORIZATION.md", &text);
}

fn row(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let needs = match operation["security"][0]["bearer"].as_array() {
        None => "nothing".to_owned(),
        Some(scopes) if scopes.is_empty() => "own".to_owned(),
        Some(scopes) => {
            let names: Vec<_> = scopes
                .iter()
                .map(|s| format!("`{}`", s.as_str().unwrap()))
                .collect();
            names.join(", ")
        }
    };
    let needs = match operation["x-max-login-age"].as_u64() {
        None => needs,
        Some(seconds) => format!("{needs}, login of the last {seconds} s"),
    };
    let limit = limits(operation).iter().map(shown).collect::<Vec<_>>();
    let limit = limit.join(", ");
    let members = members(document, operation);
    let refusals: Vec<_> = ["401", "403", "404", "409"]
        .into_iter()
        .filter(|status| !operation["responses"][status].is_null())
        .collect();
    let about: Vec<_> = ["summary", "description"]
        .iter()
        .filter_map(|m| operation[*m].as_str())
        .collect();
    let about = about.join(" ");
    let about = about.replace('\n', " ").replace('|', "\\|");
    format!(
        "| `{} {path}` | {needs} | {limit} | {members} | {} | {about} |",
        method.to_uppercase(),
        refusals.join(" ")
    )
}

/// The limits that an operation declares (`x-limit` of its 429).
fn limits(operation: &Value) -> Vec<&'static Operation> {
    let declared = &operation["responses"]["429"]["x-limit"];
    let names = declared.as_array().into_iter().flatten();
    let known = |name: &Value| {
        let found = limited().find(|known| *name == known.name);
        found.unwrap_or_else(|| panic!("{name} is no limit"))
    };
    names.map(known).collect()
}

fn shown(operation: &&Operation) -> String {
    let by = match operation.counts {
        Counts::Sources => "address",
        Counts::Users => "user",
        Counts::Presented => "session, else address",
    };
    let of = |key: &ud_config::Key| format!("`{}` {}", key.name, key.default.unwrap());
    let operators = operation.operators.map(|key| format!(", {}", of(key)));
    format!(
        "{}{} by {by}",
        of(operation.key),
        operators.unwrap_or_default()
    )
}

/// Operations that only read, by a method that could write: their bodies do not belong into an address.
const READS: [&str; 2] = ["check_permission", "search_users"];

#[test]
fn every_operation_that_writes_or_needs_no_token_has_a_limit() {
    let mut declared = Vec::new();
    for (service, document) in standalone::openapi_documents() {
        let document = serde_json::to_value(&document).unwrap();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let name = format!("{method} {path}");
                let limits = limits(operation);
                for limit in &limits {
                    assert_eq!(limit.service.as_str(), service, "{name}");
                }
                let reads = READS.iter().any(|id| operation["operationId"] == *id);
                if method != "get" && !reads {
                    assert!(!limits.is_empty(), "{name} writes and has no limit");
                }
                let is_public = operation["security"].is_null() && path != "/.well-known/jwks.json";
                if is_public {
                    let by_user = |limit: &&Operation| limit.counts == Counts::Users;
                    assert!(!limits.is_empty(), "{name} is open and has no limit");
                    assert!(!limits.iter().any(by_user), "{name} knows no user");
                }
                declared.extend(limits.iter().map(|limit| limit.name));
            }
        }
    }
    declared.sort_unstable();
    let mut all: Vec<_> = limited().map(|limit| limit.name).collect();
    all.sort_unstable();
    assert_eq!(declared, all, "each limit is of one operation");
}

/// 60 a minute unless said otherwise, and each has a key of its own.
#[test]
fn each_limit_has_a_key_of_its_own_and_a_default() {
    let mut keys: Vec<_> = limited()
        .flat_map(|limit| [Some(limit.key), limit.operators])
        .flatten()
        .collect();
    for operation in limited().filter(|limit| limit.operators.is_some()) {
        assert_eq!(operation.key.default, Some("60/60"), "{}", operation.name);
    }
    keys.sort_unstable_by_key(|key| &key.name);
    let count = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), count, "no two share one");
    // Throttling counts what becomes of a login, not calls of an operation.
    let throttling = [
        "LIMIT_LOGIN_FAILURES",
        "LIMIT_LOGIN_STRANGERS",
        "LIMIT_LOGIN_SOURCE_FAILURES",
    ];
    let known = |key: &&&ud_config::Key| !throttling.contains(&&*key.name);
    let documented: Vec<_> = ud_config::keys::limits().collect();
    assert_eq!(documented.iter().filter(known).count(), count);
}

fn members(document: &Value, operation: &Value) -> String {
    let Some(content) = operation["requestBody"]["content"].as_object() else {
        return String::new();
    };
    let schema = &content.values().next().unwrap()["schema"];
    let reference = schema["$ref"]
        .as_str()
        .or(schema["oneOf"][1]["$ref"].as_str());
    let schema = match reference {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let names: Vec<_> = schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(|p| p.keys())
        .collect();
    names
        .iter()
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_operation_has_an_id_and_an_answer_for_each_refusal_it_can_give() {
    for (service, document) in standalone::openapi_documents() {
        let document = serde_json::to_value(&document).unwrap();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let name = format!("{service}: {method} {path}");
                assert!(operation["operationId"].is_string(), "{name}");
                let answers = operation["responses"].as_object().unwrap();
                let must = |status: &str| assert!(answers.contains_key(status), "{name}: {status}");
                if operation["security"][0]["bearer"].is_array() {
                    must("401");
                    must("503");
                }
                if !operation["requestBody"].is_null() {
                    for status in ["400", "413", "415", "422"] {
                        must(status);
                    }
                }
                for (status, answer) in answers {
                    if status.starts_with(['4', '5']) {
                        let content = &answer["content"]["application/problem+json"]["schema"];
                        assert_eq!(
                            content["$ref"], "#/components/schemas/Problem",
                            "{name}: {status}"
                        );
                    }
                }
            }
        }
    }
}

/// The list of the platform's own permissions in docs/API.md is that of their declaration.
#[test]
fn the_platforms_permissions_are_listed() {
    let path = "docs/API.md";
    let text = fs::read_to_string(repository(path)).unwrap();
    let (before, rest) = text.split_once("<!-- permissions -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of permissions -->").unwrap();
    let mut list = "| permission | lets its holder | privileged |\n|---|---|---|\n".to_owned();
    for own in permissions::own() {
        let privileged = if own.privileged { "yes" } else { "no" };
        writeln!(list, "| `{}` | {} | {privileged} |", own.name, own.allows).unwrap();
    }
    let current = format!("{before}<!-- permissions -->\n{list}<!-- end of permissions -->{after}");
    is_current(path, &current);
}

/// What shows a rule, a requirement or a finding is there: each test that these documents name exists.
#[test]
fn every_test_that_is_named_exists() {
    let mut functions = BTreeSet::new();
    for folder in ["crates", "shared", "tests", "bench"] {
        let mut folders = vec![repository(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let source = fs::read_to_string(&path).unwrap();
                    let after = source.split("fn ").skip(1);
                    functions.extend(after.map(|text| word(text).to_owned()));
                }
            }
        }
    }
    let mut named = 0;
    for document in ["THREAT-MODEL", "ASVS", "FINDINGS"] {
        let text = fs::read_to_string(repository(&format!("docs/{document}.md"))).unwrap();
        // A name of four words or more between backticks is that of a test: nothing else is called so there.
        let quoted = text.split('`').skip(1).step_by(2);
        for name in quoted.filter(|name| word(name) == *name && name.matches('_').count() > 2) {
            assert!(
                functions.contains(name),
                "docs/{document}.md names `{name}`"
            );
            named += 1;
        }
    }
    assert!(named > 500, "only {named} names were found");
}

/// The name at the beginning of `text`.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    end.map_or(text, |end| &text[..end])
}
