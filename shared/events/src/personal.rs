//! Members that no event carries in clear: personal data and secrets (SECURITY rule 32). An auditor sees
//! that a phone number changed, not which one it was.

use serde_json::{Map, Value};

/// Stands where a personal value was.
pub const MASK: &str = "[personal]";

/// Member names, compared whole. Names of roles and other things that are not people are not among them.
const NAMES: [&str; 26] = [
    "access_token",
    "address",
    "birth_date",
    "canonical",
    "current_password",
    "display_name",
    "email",
    "email_address",
    "family_name",
    "first_name",
    "full_name",
    "given_name",
    "identifier",
    "last_name",
    "middle_name",
    "new_password",
    "nickname",
    "password",
    "password_hash",
    "phone",
    "phone_number",
    "picture",
    "refresh_token",
    "secret",
    "token",
    "username",
];

fn is_clear(name: &str, value: &Value) -> bool {
    NAMES.contains(&name) && !value.is_null() && value != MASK
}

/// Puts [`MASK`] in the place of every personal value, at any depth. Null stays: it says that there is none.
pub(crate) fn mask(members: &mut Map<String, Value>) {
    for (name, value) in members.iter_mut() {
        if is_clear(name, value) {
            *value = Value::from(MASK);
        } else {
            mask_value(value);
        }
    }
}

fn mask_value(value: &mut Value) {
    match value {
        Value::Object(members) => mask(members),
        Value::Array(items) => items.iter_mut().for_each(mask_value),
        _ => {}
    }
}

/// Whether a personal value stands in clear somewhere in `members`.
pub(crate) fn in_clear(members: &Map<String, Value>) -> bool {
    members
        .iter()
        .any(|(name, value)| is_clear(name, value) || value_in_clear(value))
}

fn value_in_clear(value: &Value) -> bool {
    match value {
        Value::Object(members) => in_clear(members),
        Value::Array(items) => items.iter().any(value_in_clear),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn personal_values_are_masked_at_any_depth_and_null_stays() {
        let mut value = json!({
            "email": "a@b.c", "phone": null, "name": "editor", "email_verified": true,
            "list": [{"given_name": {"x": 1}}], "inner": {"password": 5}
        });
        let members = value.as_object_mut().unwrap();
        assert!(in_clear(members));
        mask(members);
        assert!(!in_clear(members));
        assert_eq!(
            value,
            json!({
                "email": MASK, "phone": null, "name": "editor", "email_verified": true,
                "list": [{"given_name": MASK}], "inner": {"password": MASK}
            })
        );
    }
}
