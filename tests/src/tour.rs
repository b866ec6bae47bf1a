//! README's first tour, as a newcomer would type it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Deserializer, Value};

/// Members whose values do not differ from one installation to another.
const SAME: [&str; 9] = [
    "action",
    "active",
    "code",
    "email",
    "name",
    "permissions",
    "roles",
    "status",
    "username",
];
/// Printed between two steps.
const MARK: &str = "--- end of a step ---";

/// One step: what is typed, and what README says is then seen.
struct Step {
    typed: String,
    shown: Option<String>,
}

/// Takes the tour of README against the platform at `base`, whose first administrator is `email` with
/// `password`, where README has the defaults:
/// every answer has the members and types that README shows, and the values of those that never differ.
///
/// # Panics
/// If one has not, or a command fails.
pub fn take_the_tour(base: &str, email: &str, password: &str) {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("README.md can be read");
    let steps = steps(&readme);
    let is_shown = |step: &&Step| step.shown.is_some();
    assert!(
        steps.iter().filter(is_shown).count() >= 6,
        "the tour is not found"
    );

    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("data")).expect("a folder");
    let file = folder.path().join("data/initial-admin-password");
    fs::write(file, format!("{password}\n")).expect("a file");
    let address = "http://127.0.0.1:8080";
    let mut script = String::from("set -eu\nexec 2>&1\n");
    for step in &steps {
        let typed = step.typed.replace(address, base);
        script.push_str(&typed.replace("admin@localhost", email));
        script.push_str(&format!("\necho; echo '{MARK}'\n"));
    }
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(&script).current_dir(folder.path());
    // The platform is on this machine, whatever proxy a developer has.
    shell.env("NO_PROXY", "*");
    let output = shell.stdin(Stdio::null()).output().expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");

    let seen: Vec<_> = text.split(MARK).collect();
    assert_eq!(seen.len(), steps.len() + 1, "{text}");
    for (step, seen) in steps.iter().zip(seen) {
        let Some(shown) = &step.shown else { continue };
        let (shown, seen) = (values(shown), values(seen));
        assert_eq!(shown.len(), seen.len(), "{}\n{seen:?}", step.typed);
        for (shown, seen) in shown.iter().zip(&seen) {
            compare("", shown, seen, &step.typed);
        }
    }
}

/// The shell's blocks between the marks of the tour, each with the block of an answer that follows it.
fn steps(readme: &str) -> Vec<Step> {
    let tour = readme
        .split("<!-- tour -->")
        .nth(1)
        .expect("the tour's begin");
    let tour = tour.split("<!-- end of tour -->").next().expect("its end");
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = tour.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        let block = block.join("\n");
        match (kind, steps.last_mut()) {
            ("sh", _) => steps.push(Step {
                typed: block,
                shown: None,
            }),
            ("json" | "text", Some(step)) => step.shown = Some(block),
            (other, _) => panic!("a block of {other} before any command"),
        }
    }
    steps
}

/// The JSON values in `text`, one after the other; a status alone is a number.
fn values(text: &str) -> Vec<Value> {
    let stream = Deserializer::from_str(text).into_iter();
    let values: Result<Vec<Value>, _> = stream.collect();
    values.unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn compare(name: &str, shown: &Value, seen: &Value, typed: &str) {
    let context = || format!("{name} in the answer to\n{typed}\nshown {shown}\nseen  {seen}");
    match (shown, seen) {
        (Value::Object(shown), Value::Object(seen)) => {
            let names = |value: &serde_json::Map<String, Value>| {
                let mut names: Vec<_> = value.keys().cloned().collect();
                names.sort();
                names
            };
            assert_eq!(names(shown), names(seen), "{}", context());
            for (name, value) in shown {
                compare(name, value, &seen[name], typed);
            }
        }
        (Value::Array(of_shown), Value::Array(of_seen)) if !SAME.contains(&name) => {
            assert_eq!(of_shown.len(), of_seen.len(), "{}", context());
            for (shown, seen) in of_shown.iter().zip(of_seen) {
                compare(name, shown, seen, typed);
            }
        }
        _ if SAME.contains(&name) => assert_eq!(shown, seen, "{}", context()),
        _ => assert_eq!(
            std::mem::discriminant(shown),
            std::mem::discriminant(seen),
            "{}",
            context()
        ),
    }
}
