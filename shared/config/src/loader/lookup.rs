//! Finds the value of a key under the names it goes by.

use std::path::Path;

use secrecy::zeroize::Zeroizing;

use super::Loader;
use crate::{Key, Scope, source};

/// A value and the full name under which it was found.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) text: Zeroizing<String>,
}

impl Loader {
    /// The value under the names of `key`, none if it is unset or unusable (then there is a problem).
    pub(crate) fn find(&mut self, key: &Key) -> Option<Found> {
        for name in self.names(key) {
            let file_name = format!("{name}_FILE");
            let direct = self.value(&name);
            let file = self.value(&file_name).filter(|_| key.secret);
            if self.not_text.contains(&name) {
                self.report(name, "is not UTF-8");
                return None;
            }
            match (direct, file) {
                (None, None) => {}
                (Some(text), None) => {
                    if text.chars().any(char::is_control) {
                        self.report(name, "has a control character in it");
                        return None;
                    }
                    return Some(Found { name, text });
                }
                (None, Some(path)) => {
                    return match source::read_secret(Path::new(path.as_str())) {
                        Ok(text) => Some(Found { name, text }),
                        Err(complaint) => {
                            self.report(file_name, complaint);
                            None
                        }
                    };
                }
                (Some(_), Some(_)) => {
                    self.report(name, format!("is set twice: remove it or {file_name}"));
                    return None;
                }
            }
        }
        None
    }

    /// Whether `key` is set at all, right or wrong.
    #[must_use]
    pub fn is_set(&self, key: &Key) -> bool {
        self.names(key).iter().any(|name| {
            let file = key.secret.then(|| format!("{name}_FILE"));
            self.value(name).is_some()
                || self.not_text.contains(name)
                || file.is_some_and(|file| self.value(&file).is_some())
        })
    }

    pub(super) fn value(&self, name: &str) -> Option<Zeroizing<String>> {
        let value = self.values.get(name).filter(|v| !v.text.is_empty())?;
        Some(value.text.clone())
    }

    /// The value of a shared key without any complaint.
    pub(super) fn peek(&self, key: &Key) -> Option<&str> {
        let value = self.values.get(key.name.as_ref())?;
        Some(value.text.as_str()).filter(|text| !text.is_empty())
    }

    /// The names `key` goes by here, the first wins.
    pub(super) fn names(&self, key: &Key) -> Vec<String> {
        let mut names = vec![key.name.to_string()];
        if let Scope::PerService { alone: Some(alone) } = key.scope
            && !self.standalone
            && key.name != alone
        {
            names.push(alone.to_owned());
        }
        names
    }

    /// The name under which `key` is set, else its first.
    pub(super) fn found_name(&self, key: &Key) -> String {
        self.names(key)
            .into_iter()
            .find(|name| {
                self.value(name).is_some() || self.value(&format!("{name}_FILE")).is_some()
            })
            .unwrap_or_else(|| key.name.to_string())
    }

    pub(super) fn is_faulty(&self, key: &Key) -> bool {
        let names = self.names(key);
        self.problems.iter().any(|problem| {
            let stem = problem.key.strip_suffix("_FILE").unwrap_or(&problem.key);
            names
                .iter()
                .any(|name| name == stem || *name == problem.key)
        })
    }
}
