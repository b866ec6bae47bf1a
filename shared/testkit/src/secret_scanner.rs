//! Remembers every secret and every personal datum that went over the wire.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use aho_corasick::AhoCorasick;
use serde_json::Value;

/// So many characters of a text are looked for.
const LONGEST: usize = 200;

/// What must be found in no log (SECURITY rule 34). Clones share what they remember.
#[derive(Debug, Clone, Default)]
pub struct SecretScanner(Arc<Mutex<BTreeMap<String, &'static str>>>);

/// Returns the scanner of this process: it knows every token and key that testkit has made.
#[must_use]
pub fn secrets() -> &'static SecretScanner {
    static SECRETS: LazyLock<SecretScanner> = LazyLock::new(SecretScanner::default);
    &SECRETS
}

impl SecretScanner {
    /// Remembers `secret`, which is a `what`. Short texts could stand in a log by chance and are left out.
    ///
    /// # Panics
    /// Never.
    pub fn saw(&self, what: &'static str, secret: &str) {
        // Standalone's own name for its administrator is nobody's.
        if secret.len() >= 8 && secret != "admin@localhost" {
            let mut seen = self.0.lock().expect("no panic under this lock");
            seen.insert(secret.to_owned(), what);
        }
    }

    /// Remembers what is secret or personal in a body, by the names of its members.
    pub fn saw_body(&self, body: &Value) {
        match body {
            Value::Object(members) => {
                for (name, value) in members {
                    match (kind_of(name), value) {
                        (Some(what), Value::String(text)) => self.saw(what, text),
                        _ => self.saw_body(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.saw_body(item)),
            _ => {}
        }
    }

    /// Every line of `log` that holds something remembered, and what.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn found_in(&self, log: &str) -> Vec<String> {
        let seen = self.0.lock().expect("no panic under this lock");
        // Thousands of texts in a log of megabytes: one pass for all of them.
        let secrets: Vec<_> = seen.iter().collect();
        let patterns = secrets.iter().map(|(secret, _)| beginning(secret));
        let search = AhoCorasick::new(patterns);
        let mut found = BTreeMap::new();
        for hit in search.expect("not too many").find_overlapping_iter(log) {
            let (secret, what) = secrets[hit.pattern().as_usize()];
            let start = log[..hit.start()].rfind('\n').map_or(0, |at| at + 1);
            let rest = &log[start..];
            let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
            found
                .entry(secret)
                .or_insert_with(|| format!("{what} {secret:?} in: {line}"));
        }
        found.into_values().collect()
    }

    /// How many texts it remembers.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().expect("no panic under this lock").len()
    }
}

/// As much of a text as tells it from others: some are as long as a body may be.
fn beginning(text: &str) -> &str {
    text.char_indices()
        .nth(LONGEST)
        .map_or(text, |(end, _)| &text[..end])
}

/// What a member of this name holds, if nobody should read it in a log.
fn kind_of(name: &str) -> Option<&'static str> {
    match name {
        "password" | "current_password" | "new_password" => Some("password"),
        "access_token" | "refresh_token" | "device_token" => Some("token"),
        "unlock_code" => Some("unlock code"),
        "email" | "identifier" => Some("address"),
        "given_name" | "family_name" | "username" => Some("name"),
        "phone" => Some("phone"),
        _ => None,
    }
}
