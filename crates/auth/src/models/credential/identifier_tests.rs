use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> Result<(IdentifierKind, String), IdentifierError> {
    Identifier::parse(text).map(|i| (i.kind, i.canonical))
}

#[test]
fn the_kind_is_told_by_syntax_alone() {
    assert_eq!(IdentifierKind::of("a@b"), IdentifierKind::Email);
    assert_eq!(IdentifierKind::of("+49@b"), IdentifierKind::Email);
    assert_eq!(IdentifierKind::of("+49"), IdentifierKind::Phone);
    assert_eq!(IdentifierKind::of("49"), IdentifierKind::Username);
    assert_eq!(IdentifierKind::of(""), IdentifierKind::Username);
}

#[test]
fn emails_have_one_canonical_form() {
    for (text, want) in [
        ("Ada@Example.COM", "ada@example.com"),
        ("a.d.a+x@example.com", "a.d.a+x@example.com"),
        ("o'neil@example.org", "o'neil@example.org"),
        ("ada@b\u{fc}cher.example", "ada@xn--bcher-kva.example"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("ada@B\u{dc}CHER.example", "ada@xn--bcher-kva.example"),
        ("ada@localhost", "ada@localhost"),
    ] {
        assert_eq!(
            canonical(text),
            Ok((IdentifierKind::Email, want.to_owned())),
            "{text}"
        );
    }
}

#[test]
fn other_emails_are_refused() {
    let long_local = format!("{}@example.com", "a".repeat(65));
    let long = format!("a@{}.com", vec!["b".repeat(60); 5].join("."));
    // 60 characters as written, more than 63 as an A-label.
    let grows = format!("a@{}.com", "\u{fc}".repeat(60));
    for text in [
        "@",
        "a@",
        "@example.com",
        "a@b@c",
        "a b@example.com",
        "a@exa mple.com",
        "a@example.com ",
        " a@example.com",
        "a@example.com.",
        "a@.example.com",
        "a@exam..ple.com",
        "a@-example.com",
        "a@exam_ple.com",
        "a@127.0.0.1",
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "\"a\"@example.com",
        "a(comment)@example.com",
        "a..b@example.com",
        ".a@example.com",
        "a.@example.com",
        "\u{e4}@example.com",
        "a\u{0}@example.com",
        "a@example.com\u{0}",
        "a@example.com\n",
        "a@exam\u{2028}ple.com",
        "a@xn--\u{fc}.com",
        "a@xn--.com",
        "a,b@example.com",
        "a:b@example.com",
        "<a@example.com>",
        &long_local,
        &long,
        &grows,
    ] {
        assert_eq!(canonical(text), Err(IdentifierError::Email), "{text:?}");
    }
}

#[test]
fn case_is_folded_for_ascii_only() {
    // U+212A, the Kelvin sign, is `k` to Unicode; in a local part it is not ASCII and so refused.
    assert!(canonical("\u{212a}im@example.com").is_err());
    assert!(canonical("\u{212a}im").is_err());
    assert_eq!(canonical("KIM").map(|c| c.1), Ok("kim".to_owned()));
}

#[test]
fn usernames_follow_the_grammar() {
    for good in ["abc", "a1_", "a.b-c_d", "A-1", "9a9", &"z".repeat(32)] {
        let expected = !good.ends_with('_');
        assert_eq!(canonical(good).is_ok(), expected, "{good}");
    }
    for bad in [
        "",
        "a",
        "me",
        "ab",
        "-ab",
        "ab-",
        ".ab",
        "a b",
        "a\u{e4}b",
        "abc\u{0}",
        "abc ",
        "123456",
        "0192f0c8a1b27c3d8e4f5a6b7c8d9e0f",
        "0192f0c8-a1b2-7c3d-8e4f-5a6b7c8d9e0f",
        &"a".repeat(33),
    ] {
        assert_eq!(canonical(bad), Err(IdentifierError::Username), "{bad:?}");
    }
    for reserved in ["admin", "ROOT", "Support", "system"] {
        assert_eq!(canonical(reserved), Err(IdentifierError::Reserved));
    }
}

#[test]
fn phones_are_plus_and_digits() {
    assert_eq!(
        canonical("+49 (170) 123-45.67"),
        Ok((IdentifierKind::Phone, "+491701234567".to_owned()))
    );
    for bad in [
        "+",
        "+123456",
        "+1234567890123456",
        "+0491701234567",
        "+49x701234567",
    ] {
        assert_eq!(canonical(bad), Err(IdentifierError::Phone), "{bad}");
    }
}

#[test]
fn debug_shows_no_identifier() {
    let shown = format!("{:?}", Identifier::parse("ada@example.com").unwrap());
    assert!(!shown.contains("ada"), "{shown}");
}

proptest! {
    #[test]
    fn canonical_of_canonical_is_itself(text in prop_oneof![
        ".{0,40}",
        "[A-Za-z0-9._-]{1,34}",
        "[!-~]{1,10}@[\\PC]{1,12}",
        "[A-Za-z0-9.+]{1,12}@[A-Za-z0-9\u{c0}-\u{24f}\u{370}-\u{3ff}\u{4e00}-\u{4fff}-]{1,8}(\\.[a-zA-Z\u{e0}-\u{ff}]{1,6}){0,2}",
        "[a-z]{1,5}@xn--[a-z0-9-]{1,12}\\.[a-z]{2}",
        "\\+[0-9 ().-]{5,20}",
    ]) {
        if let Ok((kind, once)) = canonical(&text) {
            prop_assert_eq!(canonical(&once), Ok((kind, once)));
        }
    }

    #[test]
    fn canonical_forms_are_ascii_without_spaces(text in "\\PC{0,60}") {
        if let Ok((_, canonical)) = canonical(&text) {
            prop_assert!(canonical.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert!(canonical.len() <= MAX_EMAIL_LEN);
        }
    }
}
