//! Compares the OpenAPI documents in two folders: `openapi-breaks BEFORE AFTER ACCEPTED`.
//! Exits with 1 if there is a breaking change that is not a line of the file ACCEPTED.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool whose output is what it finds"
)]

use std::{collections::BTreeSet, env, fs, io, path::Path, process::ExitCode};

use serde_json::Value;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [before, after, accepted] = &arguments[..] else {
        eprintln!("openapi-breaks BEFORE AFTER ACCEPTED");
        return ExitCode::from(64);
    };
    match compare(Path::new(before), Path::new(after), Path::new(accepted)) {
        Ok(found) if found.is_empty() => {
            println!("the API breaks nothing that was there");
            ExitCode::SUCCESS
        }
        Ok(found) => {
            for line in found {
                println!("{line}");
            }
            eprintln!("the API breaks what clients rely on; {accepted} takes what is intended");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(66)
        }
    }
}

fn compare(before: &Path, after: &Path, accepted: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(before)? {
        let old = entry?.path();
        let Some(name) = old.file_stem().and_then(|name| name.to_str()) else {
            continue;
        };
        if old.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        let new = after.join(format!("{name}.json"));
        if new.exists() {
            let lines = deployment::breaks::breaks(&read(&old)?, &read(&new)?);
            found.extend(lines.into_iter().map(|line| format!("{name}: {line}")));
        } else {
            found.insert(format!("{name}: the document is gone"));
        }
    }
    let accepted = fs::read_to_string(accepted)?;
    for line in accepted.lines() {
        found.remove(line);
    }
    Ok(found)
}

fn read(path: &Path) -> io::Result<Value> {
    let text = fs::read_to_string(path)?;
    serde_json::from_str(&text)
        .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}
