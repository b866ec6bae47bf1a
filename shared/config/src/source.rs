//! Where values come from: `.env` and secret files.

use std::{collections::BTreeSet, fs::File, io::Read as _, path::Path};

use secrecy::zeroize::Zeroizing;

use crate::Problem;

/// Largest secret file that is read.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// Where a value was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Environment,
    DotEnv,
}

pub(crate) struct Value {
    pub(crate) text: Zeroizing<String>,
    pub(crate) origin: Origin,
}

/// The lines of an `.env` file and what is wrong with the others.
pub(crate) fn read_dotenv(path: &Path) -> (Vec<(String, String)>, Vec<Problem>) {
    let file = shown(&path.to_string_lossy());
    let problem = |key: &str, text: String| Problem {
        key: key.to_owned(),
        text,
    };
    let text = match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => Zeroizing::new(text),
        Ok(Err(_)) => return (Vec::new(), vec![problem(&file, "is not UTF-8".to_owned())]),
        Err(error) => {
            let text = format!("cannot be read: {}", error.kind());
            return (Vec::new(), vec![problem(&file, text)]);
        }
    };
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for item in dotenvy::from_read_iter(text.trim_start_matches('\u{feff}').as_bytes()) {
        match item {
            Ok((name, value)) => {
                if !seen.insert(name.clone()) {
                    problems.push(problem(&name, format!("is set twice in {file}")));
                }
                lines.push((name, value));
            }
            // The error holds the line or its value, which may be a secret: only the number is told.
            Err(dotenvy::Error::LineParse(line, _)) => {
                let rest = line.lines().next().unwrap_or_default().trim();
                let is_it = |l: &str| !rest.is_empty() && l.trim().ends_with(rest);
                let number = text.lines().position(is_it);
                let place = number.map_or_else(String::new, |n| format!(" {}", n + 1));
                let what = "is not NAME=value (quote values that have spaces or #)";
                problems.push(problem(&file, format!("line{place} {what}")));
            }
            Err(_) => problems.push(problem(&file, "cannot be read".to_owned())),
        }
    }
    (lines, problems)
}

/// The secret in a file, or what is wrong with the file.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let file = shown(&path.to_string_lossy());
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path)
        .and_then(|file| file.take(MAX_SECRET_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("{file} cannot be read: {}", error.kind()))?;
    if read as u64 > MAX_SECRET_FILE {
        return Err(format!("{file} is over 64 KiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{file} is not UTF-8"))?;
    // Editors and `echo` end a file with a line break that is no part of the secret.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(format!("{file} is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!(
            "{file} has a control character or a second line in it"
        ));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// A value for an error message: escaped, and cut to 64 characters.
pub(crate) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(64).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("`{}`", cut.escape_debug())
}
