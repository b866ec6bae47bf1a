//! Tells secrets from what was left standing where a secret belongs.

use std::collections::HashSet;

use crate::keys;

/// Words of which no secret consists.
const WORDS: [&str; 22] = [
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "placeholder",
    "insecure",
    "password",
    "passwort",
    "secret",
    "example",
    "default",
    "development",
    "production",
    "sample",
    "dummy",
    "admin",
    "token",
    "your",
    "test",
    "root",
    "key",
    "jwt",
];

/// Words that no secret has in it.
const MARKERS: [&str; 5] = [
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "placeholder",
];

/// Whether `text` is no secret: an example from our own documents, made of words like `secret` and
/// `changeme`, or of one or two characters alone.
pub(crate) fn is_placeholder(text: &str) -> bool {
    if keys::all().any(|key| key.example == Some(text)) {
        return true;
    }
    if text.chars().collect::<HashSet<_>>().len() <= 2 {
        return true;
    }
    let letters: String = text
        .chars()
        .filter(|c| !c.is_ascii_digit() && !c.is_ascii_punctuation() && !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect();
    if MARKERS.iter().any(|marker| letters.contains(marker)) {
        return true;
    }
    // Digits and punctuation alone are weak only where they are few; a long PIN is a matter of length.
    let had_letters = !letters.is_empty();
    let mut rest = letters;
    for word in WORDS {
        rest = rest.replace(word, "");
    }
    had_letters && rest.is_empty()
}

/// Whether nobody drew these 32 bytes at random: random ones have fewer than 12 different values once in
/// 10^19 times.
pub(crate) fn is_weak_key(key: &[u8; 32]) -> bool {
    if key.iter().collect::<HashSet<_>>().len() < 12 {
        return true;
    }
    let mut steps = key.iter().zip(key.iter().skip(1));
    let step = key[1].wrapping_sub(key[0]);
    steps.all(|(a, b)| b.wrapping_sub(*a) == step)
        || std::str::from_utf8(key).is_ok_and(is_placeholder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_secrets() {
        for text in [
            "changeme",
            "change-me",
            "CHANGE_ME_123",
            "secret",
            "secretsecretsecretsecretsecretsecret",
            "your-secret-key",
            "my changeme key of thirty-two bytes",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "abababababababababababababababab",
            "password1!",
            "Example",
            "test-secret",
            "root",
            "00000000000000000000000000000000",
            "changeme-changeme-changeme-changeme",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "correct horse battery staple",
            "b7RkzXw0sPq9dYv3LmN8TjHg5FcA2uQe",
            "hunter2hunter2",
            "keystone-testament-rootless",
            "493827150938",
            "пароль-который-я-придумал",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn weak_keys_are_told_from_random_ones() {
        let counting: Vec<u8> = (0..32).collect();
        assert!(is_weak_key(&counting.try_into().unwrap()));
        assert!(is_weak_key(&[7; 32]));
        assert!(is_weak_key(b"changeme-changeme-changeme-12345"));
        assert!(!is_weak_key(b"\x8a\x01\xf3\x77\x10\x5c\xe9\x42\x9b\xd0\x33\x6e\xaf\x21\x04\xc8\x5d\x92\x7b\xe0\x1f\x68\xb4\x3a\xcd\x06\x59\xfe\x87\x12\xa5\x70"));
    }
}
