//! Finds what a newer OpenAPI document takes away from clients.
//!
//! Additions are free: paths, operations, status codes, optional request members, response members, enum values of a
//! response. What a client may send must stay acceptable, and what it reads must stay there and keep its type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::shape::{Comparison, Direction};

const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// Returns every breaking change between two versions of a document, one line each.
#[must_use]
pub fn breaks(before: &Value, after: &Value) -> BTreeSet<String> {
    let mut documents = Documents {
        before,
        after,
        shapes: Comparison::new(before, after),
        found: BTreeSet::new(),
    };
    let paths = by_template(after);
    for (template, old) in by_template(before) {
        match paths.get(&template) {
            None => documents.say(&format!("path {} is gone", old.written)),
            Some(new) => documents.path(&old, new),
        }
    }
    let mut found = documents.found;
    found.extend(documents.shapes.found);
    found
}

/// A path as it is written, and its path item.
struct Path<'a> {
    written: &'a str,
    item: &'a Value,
}

struct Documents<'a> {
    before: &'a Value,
    after: &'a Value,
    shapes: Comparison<'a>,
    found: BTreeSet<String>,
}

impl<'a> Documents<'a> {
    fn say(&mut self, line: &str) {
        self.found.insert(line.to_owned());
    }

    fn path(&mut self, old: &Path<'a>, new: &Path<'a>) {
        for method in METHODS {
            let Some(before) = old.item.get(method) else {
                continue;
            };
            let at = format!("{} {}", method.to_uppercase(), old.written);
            let Some(after) = new.item.get(method) else {
                self.say(&format!("{at} is gone"));
                continue;
            };
            self.parameters(
                &at,
                &parameters(self.before, old.item, before),
                &parameters(self.after, new.item, after),
            );
            self.request(&at, before.get("requestBody"), after.get("requestBody"));
            self.responses(&at, before, after);
            self.security(&at, before, after);
        }
    }

    fn parameters(
        &mut self,
        at: &str,
        before: &BTreeMap<String, &'a Value>,
        after: &BTreeMap<String, &'a Value>,
    ) {
        for (name, old) in before {
            let Some(new) = after.get(name) else {
                self.say(&format!("{at}: parameter {name} is gone"));
                continue;
            };
            if is_true(new, "required") && !is_true(old, "required") {
                self.say(&format!("{at}: parameter {name} is required now"));
            }
            if let (Some(old), Some(new)) = (old.get("schema"), new.get("schema")) {
                let at = format!("{at}: parameter {name}");
                self.shapes.compare(Direction::Request, &at, old, new);
            }
        }
        for (name, new) in after {
            if !before.contains_key(name) && is_true(new, "required") {
                self.say(&format!("{at}: parameter {name} is new and required"));
            }
        }
    }

    fn request(&mut self, at: &str, before: Option<&'a Value>, after: Option<&'a Value>) {
        let Some(new) = after else {
            if before.is_some() {
                self.say(&format!("{at}: takes no body any more"));
            }
            return;
        };
        let required_before = before.is_some_and(|old| is_true(old, "required"));
        if is_true(new, "required") && !required_before {
            self.say(&format!("{at}: a body is required now"));
        }
        let Some(old) = before else { return };
        for (kind, old) in members(old, "content") {
            let Some(new) = new.get("content").and_then(|content| content.get(kind)) else {
                self.say(&format!("{at}: a body of {kind} is not taken any more"));
                continue;
            };
            if let (Some(old), Some(new)) = (old.get("schema"), new.get("schema")) {
                let at = format!("{at}: body");
                self.shapes.compare(Direction::Request, &at, old, new);
            }
        }
    }

    fn responses(&mut self, at: &str, before: &'a Value, after: &'a Value) {
        for (status, old) in members(before, "responses") {
            let at = format!("{at}: {status}");
            let Some(new) = after.get("responses").and_then(|all| all.get(status)) else {
                self.say(&format!("{at} is gone"));
                continue;
            };
            for (name, _) in members(old, "headers") {
                if new.get("headers").is_none_or(|all| all.get(name).is_none()) {
                    self.say(&format!("{at}: header {name} is gone"));
                }
            }
            for (kind, old) in members(old, "content") {
                let Some(new) = new.get("content").and_then(|content| content.get(kind)) else {
                    self.say(&format!("{at}: content {kind} is gone"));
                    continue;
                };
                if let (Some(old), Some(new)) = (old.get("schema"), new.get("schema")) {
                    self.shapes.compare(Direction::Response, &at, old, new);
                }
            }
        }
    }

    /// Reports an operation that some caller who was authorized is not authorized for now: each former security
    /// requirement must still satisfy one of the present ones.
    fn security(&mut self, at: &str, before: &Value, after: &Value) {
        let now = ways(self.after, after);
        for way in ways(self.before, before) {
            let enough = now.iter().any(|asked| {
                asked.iter().all(|(scheme, scopes)| {
                    way.get(scheme).is_some_and(|given| scopes.is_subset(given))
                })
            });
            if !enough {
                self.say(&format!("{at}: asks for more authorization"));
            }
        }
    }
}

/// Returns the paths by what they match, in which the names of path parameters play no part.
fn by_template(document: &Value) -> BTreeMap<String, Path<'_>> {
    members(document, "paths")
        .map(|(written, item)| {
            let template: Vec<&str> = written
                .split('/')
                .map(|part| if part.starts_with('{') { "{}" } else { part })
                .collect();
            (template.join("/"), Path { written, item })
        })
        .collect()
}

/// Returns the parameters of an operation, those of its path item included, by location and name. Path parameters have
/// a number in place of the name, which no client sends.
fn parameters<'a>(
    document: &'a Value,
    path: &'a Value,
    operation: &'a Value,
) -> BTreeMap<String, &'a Value> {
    let mut all = BTreeMap::new();
    let mut in_path = 0;
    for owner in [path, operation] {
        for parameter in list(owner, "parameters") {
            let parameter = resolved(document, parameter);
            let place = parameter.get("in").and_then(Value::as_str);
            let name = parameter.get("name").and_then(Value::as_str);
            let key = match (place, name) {
                (Some("path"), _) => {
                    in_path += 1;
                    format!("{in_path} (path)")
                }
                (Some("header"), Some(name)) => format!("{} (header)", name.to_lowercase()),
                (place, name) => format!(
                    "{} ({})",
                    name.unwrap_or_default(),
                    place.unwrap_or_default()
                ),
            };
            all.insert(key, parameter);
        }
    }
    all
}

type Way = BTreeMap<String, BTreeSet<String>>;

/// Returns the security requirements of an operation. An operation without any has one that is empty.
fn ways(document: &Value, operation: &Value) -> Vec<Way> {
    let stated = operation
        .get("security")
        .or_else(|| document.get("security"));
    let ways: Vec<Way> = stated
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .map(|way| {
            way.iter()
                .map(|(scheme, scopes)| (scheme.clone(), strings(scopes).collect()))
                .collect()
        })
        .collect();
    if ways.is_empty() {
        vec![Way::new()]
    } else {
        ways
    }
}

/// Follows the references of a value.
pub(crate) fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    // As often as there are values in a chain that makes sense; a circle of references ends here too.
    for _ in 0..16 {
        let target = value
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix('#'))
            .and_then(|pointer| document.pointer(pointer));
        match target {
            Some(target) => value = target,
            None => break,
        }
    }
    value
}

pub(crate) fn members<'a>(
    value: &'a Value,
    member: &str,
) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
    value
        .get(member)
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
        .map(|(name, value)| (name.as_str(), value))
}

pub(crate) fn list<'a>(
    value: &'a Value,
    member: &str,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    value
        .get(member)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

pub(crate) fn strings(value: &Value) -> impl Iterator<Item = String> + use<'_> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
}

fn is_true(value: &Value, member: &str) -> bool {
    value.get(member).and_then(Value::as_bool) == Some(true)
}
