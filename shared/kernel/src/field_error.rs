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

/// Returns a login identifier without what a keyboard or the clipboard left at its ends: white space of every kind, and
/// characters without width (zero-width spaces and joiners, byte order marks, marks of direction). What stands inside is
/// the identifier's own.
#[must_use]
pub fn trim_identifier(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '\u{AD}'
                    | '\u{180E}'
                    | '\u{200B}'..='\u{200F}'
                    | '\u{202A}'..='\u{202E}'
                    | '\u{2060}'..='\u{206F}'
                    | '\u{FEFF}'
            )
    })
}

fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_an_identifier_lose_what_nobody_sees() {
        for end in [
            " ",
            "\t",
            "\r\n",
            "\u{A0}",
            "\u{1680}",
            "\u{2003}",
            "\u{202F}",
            "\u{3000}",
            "\u{200B}",
            "\u{200D}",
            "\u{2060}",
            "\u{FEFF}",
            "\u{200E}",
            "\u{202C}",
            " \u{FEFF}\t ",
        ] {
            for text in [format!("{end}ada@x.example"), format!("ada@x.example{end}")] {
                assert_eq!(trim_identifier(&text), "ada@x.example", "{end:?}");
            }
            assert_eq!(trim_identifier(end), "");
            let inside = format!("a{end}b");
            assert_eq!(trim_identifier(&inside), inside);
        }
        assert_eq!(trim_identifier("_ada."), "_ada.");
    }

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
