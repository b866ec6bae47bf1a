//! Compares two versions of a schema.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use crate::breaks::{list, members, resolved, strings};

/// The side that writes what a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// The client writes: what it may send must stay acceptable.
    Request,
    /// The service writes: what a client reads must stay there.
    Response,
}

/// Compares schemas of two documents, each pair of named ones once.
pub(crate) struct Comparison<'a> {
    before: &'a Value,
    after: &'a Value,
    seen: HashSet<(Direction, &'a str, &'a str)>,
    /// The breaking changes found so far.
    pub(crate) found: BTreeSet<String>,
}

/// A schema with its references, `allOf` and nullable alternatives resolved, as far as a comparison needs it.
#[derive(Default)]
struct Shape<'a> {
    /// `None` stands for any type.
    types: Option<BTreeSet<String>>,
    values: Option<BTreeSet<String>>,
    properties: BTreeMap<&'a str, &'a Value>,
    required: BTreeSet<String>,
    closed: bool,
    items: Option<&'a Value>,
    others: Option<&'a Value>,
    alternatives: Vec<&'a Value>,
    bounds: BTreeMap<&'a str, &'a Value>,
}

/// Lower bounds, which are tighter when they are greater, and upper bounds, which are tighter when they are smaller.
const LEAST: [&str; 5] = [
    "minLength",
    "minimum",
    "exclusiveMinimum",
    "minItems",
    "minProperties",
];
const MOST: [&str; 5] = [
    "maxLength",
    "maximum",
    "exclusiveMaximum",
    "maxItems",
    "maxProperties",
];
/// Keywords that are compared as they are written.
const EXACT: [&str; 4] = ["pattern", "format", "multipleOf", "uniqueItems"];

impl<'a> Comparison<'a> {
    pub(crate) fn new(before: &'a Value, after: &'a Value) -> Self {
        Self {
            before,
            after,
            seen: HashSet::new(),
            found: BTreeSet::new(),
        }
    }

    pub(crate) fn compare(
        &mut self,
        direction: Direction,
        at: &str,
        before: &'a Value,
        after: &'a Value,
    ) {
        let (Some(old), Some(new)) = (Named::of(before), Named::of(after)) else {
            self.compare_here(direction, at, before, after);
            return;
        };
        match direction {
            Direction::Request if old.nullable && !new.nullable => {
                self.say(at, "null is not taken any more");
            }
            Direction::Response if new.nullable && !old.nullable => self.say(at, "may be null now"),
            _ => {}
        }
        // Once for all places: a schema may also hold itself.
        if self.seen.insert((direction, old.name, new.name)) {
            let used = match direction {
                Direction::Request => "sent",
                Direction::Response => "received",
            };
            let at = format!("{} ({used})", old.name);
            self.compare_here(direction, &at, old.reference, new.reference);
        }
    }

    fn compare_here(
        &mut self,
        direction: Direction,
        at: &str,
        before: &'a Value,
        after: &'a Value,
    ) {
        let old = Shape::of(self.before, before);
        let new = Shape::of(self.after, after);
        self.types(direction, at, &old, &new);
        self.values(direction, at, &old, &new);
        self.bounds(direction, at, &old, &new);
        self.properties(direction, at, &old, &new);
        if let (Some(old), Some(new)) = (old.items, new.items) {
            self.compare(direction, &format!("{at}[]"), old, new);
        }
        if let (Some(old), Some(new)) = (old.others, new.others) {
            self.compare(direction, &format!("{at}.*"), old, new);
        }
        self.alternatives(direction, at, &old, &new);
    }

    fn say(&mut self, at: &str, what: &str) {
        self.found.insert(format!("{at}: {what}"));
    }

    fn types(&mut self, direction: Direction, at: &str, old: &Shape<'a>, new: &Shape<'a>) {
        // The reader must know every type that the writer may use.
        let (written, read) = match direction {
            Direction::Request => (&old.types, &new.types),
            Direction::Response => (&new.types, &old.types),
        };
        let Some(read) = read else { return };
        let unknown = match written {
            None => vec!["any type".to_owned()],
            Some(written) => written
                .iter()
                .filter(|one| !has_type(read, one))
                .cloned()
                .collect(),
        };
        for one in unknown {
            match direction {
                Direction::Request => self.say(at, &format!("{one} is not taken any more")),
                Direction::Response => self.say(at, &format!("may be {one} now")),
            }
        }
    }

    fn values(&mut self, direction: Direction, at: &str, old: &Shape<'a>, new: &Shape<'a>) {
        match (&old.values, &new.values) {
            (Some(old), Some(new)) => {
                for value in old.difference(new) {
                    self.say(at, &format!("the value {value} is gone"));
                }
            }
            (None, Some(_)) if direction == Direction::Request => {
                self.say(at, "takes certain values only now");
            }
            _ => {}
        }
    }

    fn bounds(&mut self, direction: Direction, at: &str, old: &Shape<'a>, new: &Shape<'a>) {
        for keyword in EXACT {
            let (before, after) = (old.bounds.get(keyword), new.bounds.get(keyword));
            let tightened = match direction {
                Direction::Request => after.is_some() && before != after,
                Direction::Response => before.is_some() && before != after,
            };
            if tightened {
                self.say(at, &format!("{keyword} has changed"));
            }
        }
        if direction == Direction::Response {
            return;
        }
        for (keywords, sign) in [(LEAST, 1.0), (MOST, -1.0)] {
            for keyword in keywords {
                let bound = |shape: &Shape<'a>| shape.bounds.get(keyword).and_then(|b| b.as_f64());
                let tightened = match (bound(old), bound(new)) {
                    (_, None) => false,
                    // Nothing is shorter or has fewer members than none.
                    (None, Some(new)) => {
                        new > 0.0 || !matches!(keyword, "minLength" | "minItems" | "minProperties")
                    }
                    (Some(old), Some(new)) => sign * new > sign * old,
                };
                if tightened {
                    self.say(at, &format!("{keyword} is tighter"));
                }
            }
        }
    }

    fn properties(&mut self, direction: Direction, at: &str, old: &Shape<'a>, new: &Shape<'a>) {
        for (name, before) in &old.properties {
            let place = format!("{at}.{name}");
            match new.properties.get(name) {
                None => self.say(&place, "is gone"),
                Some(after) => self.compare(direction, &place, before, after),
            }
        }
        match direction {
            Direction::Request => {
                for name in new.required.difference(&old.required) {
                    self.say(&format!("{at}.{name}"), "is required now");
                }
                if new.closed && !old.closed {
                    self.say(at, "takes no other members any more");
                }
            }
            Direction::Response => {
                for name in old.required.difference(&new.required) {
                    if new.properties.contains_key(name.as_str()) {
                        self.say(&format!("{at}.{name}"), "may be missing now");
                    }
                }
            }
        }
    }

    fn alternatives(&mut self, direction: Direction, at: &str, old: &Shape<'a>, new: &Shape<'a>) {
        if old.alternatives.is_empty() != new.alternatives.is_empty() {
            self.say(at, "a choice between several schemas has come or gone");
            return;
        }
        for (index, before) in old.alternatives.iter().enumerate() {
            let name = Named::of(before).map(|named| named.name);
            let same_name = |one: &&&'a Value| match (name, Named::of(one)) {
                (Some(old), Some(new)) => old == new.name,
                _ => *before == **one,
            };
            let unnamed = name.is_none();
            let counterpart = new
                .alternatives
                .iter()
                .find(same_name)
                .or_else(|| new.alternatives.get(index).filter(|_| unnamed));
            let place = format!("{at} (alternative {})", index + 1);
            match counterpart {
                None => self.say(&place, "is gone"),
                Some(after) => self.compare(direction, &place, before, after),
            }
        }
    }
}

impl<'a> Shape<'a> {
    fn of(document: &'a Value, schema: &'a Value) -> Self {
        let mut shape = Self::default();
        shape.add(document, schema, 0);
        shape
    }

    fn add(&mut self, document: &'a Value, schema: &'a Value, depth: usize) {
        let schema = resolved(document, schema);
        // Schemas nest as deep as people write; a circle of `allOf` makes no sense and ends here.
        if depth > 16 {
            return;
        }
        match schema.get("type") {
            Some(Value::String(one)) => self.narrow([one.clone()].into()),
            Some(many @ Value::Array(_)) => self.narrow(strings(many).collect()),
            _ => {}
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            self.values = Some(values.iter().map(ToString::to_string).collect());
        } else if let Some(value) = schema.get("const") {
            self.values = Some([value.to_string()].into());
        }
        self.properties.extend(members(schema, "properties"));
        self.required
            .extend(schema.get("required").into_iter().flat_map(strings));
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => self.closed = true,
            Some(others @ Value::Object(_)) => self.others = Some(others),
            _ => {}
        }
        self.items = schema.get("items").or(self.items);
        for keyword in LEAST.iter().chain(&MOST).chain(&EXACT) {
            if let Some(bound) = schema.get(*keyword) {
                self.bounds.insert(keyword, bound);
            }
        }
        for part in list(schema, "allOf") {
            self.add(document, part, depth + 1);
        }
        for keyword in ["oneOf", "anyOf"] {
            self.choose(document, list(schema, keyword).collect(), depth);
        }
    }

    /// Adds alternatives. A single one beside `null` is taken as a nullable schema.
    fn choose(&mut self, document: &'a Value, alternatives: Vec<&'a Value>, depth: usize) {
        let (nulls, others): (Vec<_>, Vec<_>) = alternatives.into_iter().partition(is_null);
        if let [one] = others[..] {
            self.add(document, one, depth + 1);
            if let (false, Some(types)) = (nulls.is_empty(), &mut self.types) {
                types.insert("null".to_owned());
            }
        } else {
            self.alternatives.extend(others);
            self.alternatives.extend(nulls);
        }
    }

    fn narrow(&mut self, types: BTreeSet<String>) {
        self.types = Some(match self.types.take() {
            Some(known) => known.intersection(&types).cloned().collect(),
            None => types,
        });
    }
}

/// A reference to a schema of the document, alone or with `null` as the alternative.
struct Named<'a> {
    name: &'a str,
    reference: &'a Value,
    nullable: bool,
}

impl<'a> Named<'a> {
    fn of(schema: &'a Value) -> Option<Self> {
        let alternatives: Vec<&Value> = ["oneOf", "anyOf", "allOf"]
            .into_iter()
            .flat_map(|keyword| list(schema, keyword))
            .collect();
        let (nulls, others): (Vec<_>, Vec<_>) = alternatives.into_iter().partition(is_null);
        let reference = match others[..] {
            [] => schema,
            [one] => one,
            _ => return None,
        };
        let name = reference.get("$ref")?.as_str()?.rsplit('/').next()?;
        Some(Self {
            name,
            reference,
            nullable: !nulls.is_empty(),
        })
    }
}

fn is_null(schema: &&Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

fn has_type(types: &BTreeSet<String>, one: &str) -> bool {
    types.contains(one) || (one == "integer" && types.contains("number"))
}
