//! Which new passwords are accepted (SECURITY rule 9). A password is hashed exactly as received; only the
//! comparisons below look at it in lower case.

use std::{collections::HashSet, sync::LazyLock};

use ud_kernel::FieldError;
use zxcvbn::{Score, zxcvbn};

/// Longest password, in code points.
pub const MAX_CHARS: usize = 256;
/// Longest password, in bytes.
pub const MAX_BYTES: usize = 1024;
/// zxcvbn looks at so many characters: a crafted one of 100 costs it 1.3 s of a core.
const ESTIMATED_CHARS: usize = 40;
/// A context word shorter than this says nothing: `al` is part of many good passwords.
const MIN_WORD_CHARS: usize = 4;
/// At most so many context words are looked at, each up to [`MAX_WORD_CHARS`].
const MAX_WORDS: usize = 32;
const MAX_WORD_CHARS: usize = 100;

/// Context that is the same for everybody: what this service is called.
const SERVICE_WORDS: [&str; 3] = ["userdomain", "user domain", "user-domain"];

/// Passwords everybody tries first, in lower case.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("common_passwords.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect()
});

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefusal {
    /// Fewer code points than this.
    #[error("use at least {0} characters; a phrase of several words is easy to remember")]
    TooShort(usize),
    /// More than [`MAX_CHARS`] code points or [`MAX_BYTES`] bytes.
    #[error("use at most 256 characters")]
    TooLong,
    /// Contains U+0000.
    #[error("contains the character U+0000")]
    InvalidCharacter,
    /// On the list of common passwords.
    #[error("this is one of the passwords everybody tries first")]
    Common,
    /// Contains the service's name, an identifier or something else known about the user.
    #[error("contains a name, address or other word connected with the account or this service")]
    ContainsContext,
    /// On the list of passwords known from breaches.
    #[error(
        "this password is known from a data breach and will be tried; choose one that you have not used anywhere"
    )]
    Breached,
    /// zxcvbn's score is below 3.
    #[error("too easy to guess; add words that have nothing to do with each other")]
    Guessable,
}

impl PasswordRefusal {
    /// The code of the problem's entry in `errors`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort(_) => "password.too-short",
            Self::TooLong => "password.too-long",
            Self::InvalidCharacter => "password.invalid-character",
            Self::Common => "password.common",
            Self::ContainsContext => "password.contains-context",
            Self::Breached => "password.breached",
            Self::Guessable => "password.guessable",
        }
    }

    /// The entry in `errors` for the member at `pointer`.
    #[must_use]
    pub fn field_error(self, pointer: &str) -> FieldError {
        FieldError::new(pointer, self.code(), self.to_string())
    }
}

/// Words a password must not contain.
#[derive(Clone, Default)]
pub struct ContextWords(Vec<String>);

impl ContextWords {
    /// From identifiers, names and other data of the user. An email address counts whole and by its local
    /// part; a phone number also by its digits.
    pub fn new<'a>(data: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words = Vec::new();
        for text in SERVICE_WORDS.into_iter().chain(data).take(MAX_WORDS) {
            let text: String = text.chars().take(MAX_WORD_CHARS).collect();
            let text = text.trim().to_lowercase();
            if let Some((local, _)) = text.split_once('@') {
                words.push(local.to_owned());
            }
            if text.starts_with('+') {
                words.push(text.chars().filter(char::is_ascii_digit).collect());
            }
            words.push(text);
        }
        words.retain(|w| w.chars().count() >= MIN_WORD_CHARS);
        Self(words)
    }

    fn is_in(&self, lower: &str) -> bool {
        self.0.iter().any(|word| lower.contains(word.as_str()))
    }
}

impl std::fmt::Debug for ContextWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ContextWords({})", self.0.len())
    }
}

/// The policy; only the least length is configurable.
#[derive(Debug, Clone, Copy)]
pub struct PasswordPolicy {
    min_chars: usize,
}

impl PasswordPolicy {
    /// At least `min_chars` code points (`PASSWORD_MIN_LENGTH`), but never fewer than 8.
    #[must_use]
    pub fn new(min_chars: usize) -> Self {
        Self {
            min_chars: min_chars.max(8),
        }
    }

    /// Checks a new password. Costs up to some ten milliseconds: call it in the hash pool.
    ///
    /// # Errors
    /// The first reason found, cheapest first.
    pub fn check(&self, password: &str, context: &ContextWords) -> Result<(), PasswordRefusal> {
        // Bytes first: they bound the time of everything below.
        if password.len() > MAX_BYTES || password.chars().count() > MAX_CHARS {
            return Err(PasswordRefusal::TooLong);
        }
        if password.chars().count() < self.min_chars {
            return Err(PasswordRefusal::TooShort(self.min_chars));
        }
        if password.contains('\0') {
            return Err(PasswordRefusal::InvalidCharacter);
        }
        let lower = password.to_lowercase();
        if COMMON.contains(lower.as_str()) {
            return Err(PasswordRefusal::Common);
        }
        if context.is_in(&lower) {
            return Err(PasswordRefusal::ContainsContext);
        }
        let head: String = password.chars().take(ESTIMATED_CHARS).collect();
        let words: Vec<&str> = context.0.iter().map(String::as_str).collect();
        if zxcvbn(&head, &words).score() < Score::Three {
            return Err(PasswordRefusal::Guessable);
        }
        Ok(())
    }

    /// Whether a password of this size could ever have been accepted; at login a larger one is simply wrong.
    #[must_use]
    pub fn could_exist(password: &str) -> bool {
        password.len() <= MAX_BYTES && password.chars().count() <= MAX_CHARS
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    fn check(min: usize, password: &str, context: &[&str]) -> Result<(), &'static str> {
        let context = ContextWords::new(context.iter().copied());
        PasswordPolicy::new(min)
            .check(password, &context)
            .map_err(PasswordRefusal::code)
    }

    #[test]
    fn length_counts_code_points_and_bytes() {
        assert_eq!(check(15, "tr4vel-quilt-9", &[]), Err("password.too-short"));
        assert_eq!(check(15, "tr4vel-quilt-9x", &[]), Ok(()));
        assert_eq!(
            check(2, "q8#Lw2!", &[]),
            Err("password.too-short"),
            "never below 8"
        );
        // 15 code points in 45 bytes.
        let kanji = "\u{9f8d}\u{6a4b}\u{706b}\u{6c34}\u{85ac}\u{7a93}\u{96ea}\u{6708}\u{82b1}\u{9ce5}\u{98a8}\u{6728}\u{91d1}\u{571f}\u{65e5}";
        assert_eq!(kanji.chars().count(), 15);
        assert_eq!(check(15, kanji, &[]), Ok(()));
        let base = "correct horse battery staple ";
        let long: String = base.chars().cycle().take(256).collect();
        assert_eq!(check(15, &long, &[]), Ok(()));
        assert_eq!(
            check(15, &format!("{long}x"), &[]),
            Err("password.too-long")
        );
        let wide: String = kanji.chars().cycle().take(256).collect();
        assert_eq!(wide.len(), 768);
        assert_eq!(check(15, &wide, &[]), Ok(()));
        let wider = "\u{1f511}\u{1f9e9}".repeat(129);
        assert_eq!(wider.len(), 1032);
        assert_eq!(check(15, &wider, &[]), Err("password.too-long"));
    }

    #[test]
    fn any_character_but_nul_will_do() {
        assert_eq!(
            check(15, "nul\0in the middle of it", &[]),
            Err("password.invalid-character")
        );
        assert_eq!(
            check(15, "tab\tand\nline \u{7f}\u{85} are odd", &[]),
            Ok(())
        );
    }

    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for password in ["Password123", "QWERTYUIOP", "1234567890123456", "iloveyou"] {
            assert_eq!(
                check(8, password, &[]),
                Err("password.common"),
                "{password}"
            );
        }
    }

    #[test]
    fn the_list_is_well_formed() {
        assert!(COMMON.len() > 400, "{}", COMMON.len());
        for word in COMMON.iter() {
            assert_eq!(*word, word.to_lowercase());
            assert!(word.chars().count() >= 8, "{word}");
        }
        assert!(
            COMMON.iter().filter(|w| w.len() >= 15).count() > 40,
            "the default policy needs long ones"
        );
    }

    #[test]
    fn context_words_are_refused() {
        let refused = Err("password.contains-context");
        let context = [
            "Ada.Lovelace@Example.com",
            "countess",
            "Gr\u{fc}nwald",
            "+49 170 1234567",
            "Al",
        ];
        for password in [
            "my-ada.lovelace-9-quilt",
            "xx ADA.LOVELACE@EXAMPLE.COM yy",
            "the COUNTESS of 9 quilts",
            "gr\u{dc}NWALD trees 9 quilt",
            "call 491701234567 for quilt",
            "UserDomain is a quilt 9",
            "my user-domain quilt 9",
        ] {
            assert_eq!(check(15, password, &context), refused, "{password}");
        }
        // Two letters are no reason.
        assert_eq!(check(15, "royal quilt travels 9", &context), Ok(()));
    }

    #[test]
    fn guessable_passwords_are_refused() {
        for password in [
            "aaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrst",
            "qwertyuiopasdfghjk",
            "passwordpassword1",
            "12345678901234567890123",
            "monkeymonkeymonkey",
        ] {
            let refusal = check(15, password, &[]);
            assert!(
                matches!(refusal, Err("password.guessable" | "password.common")),
                "{password}: {refusal:?}"
            );
        }
        assert_eq!(check(15, "correct horse battery staple", &[]), Ok(()));
    }

    #[test]
    fn strength_after_the_fortieth_character_does_not_count() {
        let weak_start = format!("{}tr4vel-quilt-9x-Zebra", "a".repeat(40));
        assert_eq!(check(15, &weak_start, &[]), Err("password.guessable"));
    }

    #[test]
    fn the_worst_passwords_do_not_cost_much() {
        let crafted = [
            "4@8({[</369&#!1/|0$5+7%2/4@8({[</369&#!1/|0$5+7%2".to_owned(),
            "a1".repeat(128),
            "pa$$w0rd".repeat(32),
        ];
        let many: Vec<String> = (0..200)
            .map(|i| format!("word{i}{}", "x".repeat(200)))
            .collect();
        let words = ContextWords::new(many.iter().map(String::as_str));
        let start = Instant::now();
        for password in &crafted {
            let _ = PasswordPolicy::new(15).check(password, &words);
        }
        // Far above what it takes; without the cut at 40 characters it is far below.
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(password in "\\PC{0,60}", word in "\\PC{0,20}") {
            let _ = check(8, &password, &[&word]);
        }

        #[test]
        fn a_password_with_a_context_word_is_never_accepted(
            head in "[a-z ]{8,20}", word in "[a-zA-Z]{4,12}", tail in "[0-9a-z]{4,12}",
        ) {
            let password = format!("{head}{word}{tail}");
            prop_assert!(check(8, &password, &[&word]).is_err());
        }
    }
}
