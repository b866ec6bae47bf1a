//! JSON in which no object has a member twice, at any depth: two readers of one such document could
//! disagree about what it says (RFC 7519 section 10 allows to refuse it).

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::error::Category;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StrictError {
    Malformed,
    Repeated,
}

/// Reads a JSON object.
pub(crate) fn object_from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, StrictError> {
    // serde_json would take an array for a struct, too.
    if json.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(StrictError::Malformed);
    }
    serde_json::from_slice::<Unique>(json).map_err(|e| match e.classify() {
        // `Unique` takes every kind of value; its one complaint is a repeated member.
        Category::Data => StrictError::Repeated,
        Category::Io | Category::Syntax | Category::Eof => StrictError::Malformed,
    })?;
    serde_json::from_slice(json).map_err(|_| StrictError::Malformed)
}

/// Any JSON value without repeated members; keeps nothing of it.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !seen.insert(name) {
                return Err(A::Error::custom("repeated member"));
            }
            members.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(json: &str) -> Result<Value, StrictError> {
        object_from_slice(json.as_bytes())
    }

    #[test]
    fn repeated_members_are_refused_at_any_depth_and_in_any_spelling() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"{"x":[{"a":1,"a":2}]}"#,
        ] {
            assert_eq!(read(json), Err(StrictError::Repeated), "{json}");
        }
        assert!(read(r#" {"a":{"a":[1,-1,1.5,true,null,"a"]},"b":{"a":1}} "#).is_ok());
    }

    #[test]
    fn only_one_object_is_read() {
        let deep = format!(r#"{{"a":{}}}"#, "[".repeat(9_000));
        for json in ["", "[]", "1", "null", r#"{"a":1}x"#, r#"{"a":1"#, &deep] {
            assert_eq!(read(json), Err(StrictError::Malformed), "{json}");
        }
    }
}
