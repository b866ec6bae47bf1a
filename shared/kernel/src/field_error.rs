//! What is wrong with one member of a request, for the member `errors` of a problem document.

use serde::{Deserialize, Serialize};

/// One wrong member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or the name of a parameter or header.
    pub pointer: String,
    /// Stable: `password.too-short`.
    pub code: String,
    /// For people.
    pub detail: String,
}

impl FieldError {
    /// `pointer` as in RFC 6901, `code` stable, `detail` for people and without the value itself.
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
        }
    }
}

/// Checks `text` as a line of free text: 1 to `max_chars` code points, no control characters (C0, DEL, C1)
/// and none of the bidirectional overrides that make text read as something else.
///
/// # Errors
/// `field.too-short`, `field.too-long` or `field.control-character`.
pub fn check_line(pointer: &str, text: &str, max_chars: usize) -> Result<(), FieldError> {
    if text.is_empty() {
        return Err(FieldError::new(
            pointer,
            "field.too-short",
            "must not be empty",
        ));
    }
    if text.chars().count() > max_chars {
        return Err(FieldError::new(
            pointer,
            "field.too-long",
            format!("at most {max_chars} characters"),
        ));
    }
    if text.chars().any(is_forbidden) {
        return Err(FieldError::new(
            pointer,
            "field.control-character",
            "must not contain control characters",
        ));
    }
    Ok(())
}

fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_length_in_code_points_and_no_controls() {
        assert_eq!(check_line("/a", "Zoë", 3), Ok(()));
        let code = |text| check_line("/a", text, 3).unwrap_err().code;
        assert_eq!(code(""), "field.too-short");
        assert_eq!(code("abcd"), "field.too-long");
        for bad in ["a\n", "a\u{0}", "a\u{85}", "\u{202E}a"] {
            assert_eq!(code(bad), "field.control-character");
        }
    }
}
