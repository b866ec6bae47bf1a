//! The key-value pairs of a log record.

use std::{borrow::Cow, fmt::Display};

use log::{
    Record,
    kv::{Error, Key, Value, VisitSource, VisitValue},
};
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

/// Members that a key-value pair of the same name must not replace.
const RESERVED: [&str; 9] = [
    "timestamp",
    "level",
    "target",
    "message",
    "service",
    "request_id",
    "client_request_id",
    "trace_id",
    "user_id",
];

/// Name and value of each, no name twice.
pub(crate) struct Pairs<'a>(pub(crate) Vec<(Cow<'a, str>, Plain<'a>)>);

impl<'a> Pairs<'a> {
    pub(crate) fn of(record: &'a Record<'a>) -> Self {
        // As many as the access log has.
        let mut pairs = Self(Vec::with_capacity(4));
        // The visitor never fails; a source that does has no more pairs to give.
        let _ = record.key_values().visit(&mut pairs);
        pairs
    }
}

impl<'kvs> VisitSource<'kvs> for Pairs<'kvs> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let mut name = match key.to_borrowed_str() {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(key.as_str().to_owned()),
        };
        while RESERVED.contains(&&*name) || self.0.iter().any(|(other, _)| *other == name) {
            name.to_mut().push('_');
        }
        let mut plain = ToPlain(Plain::Null);
        value.visit(&mut plain)?;
        self.0.push((name, plain.0));
        Ok(())
    }
}

/// The value of a pair: numbers and truth values stay what they are; everything else becomes text.
#[derive(Clone)]
pub(crate) enum Plain<'a> {
    Null,
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(Cow<'a, str>),
}

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Unsigned(number) => serializer.serialize_u64(*number),
            Self::Signed(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl From<&Plain<'_>> for Json {
    fn from(plain: &Plain<'_>) -> Self {
        match plain {
            Plain::Null => Self::Null,
            Plain::Unsigned(number) => Self::from(*number),
            Plain::Signed(number) => Self::from(*number),
            Plain::Float(number) => Self::from(*number),
            Plain::Bool(value) => Self::from(*value),
            Plain::Text(text) => Self::from(&**text),
        }
    }
}

struct ToPlain<'a>(Plain<'a>);

impl<'v> VisitValue<'v> for ToPlain<'v> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.0 = Plain::Text(Cow::Owned(display(&value)));
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.0 = Plain::Null;
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.0 = Plain::Unsigned(value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.0 = Plain::Signed(value);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.0 = Plain::Float(value);
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.0 = Plain::Bool(value);
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        self.0 = Plain::Text(Cow::Owned(value.to_owned()));
        Ok(())
    }

    fn visit_borrowed_str(&mut self, value: &'v str) -> Result<(), Error> {
        self.0 = Plain::Text(Cow::Borrowed(value));
        Ok(())
    }
}

fn display(value: &impl Display) -> String {
    value.to_string()
}
