use super::*;

fn raw() -> RawUser<'static> {
    RawUser {
        email: "Ada@Example.org",
        username: Some("Ada.L"),
        given_name: Some("Ada"),
        phone: Some("+44 20-7946 0000"),
        locale: Some("en-gb"),
        ..RawUser::default()
    }
}

#[test]
fn a_new_user_is_pending_and_in_canonical_form() {
    let id = UserId::new(Timestamp::from_millis(1));
    let user = NewUser::new(raw())
        .unwrap()
        .into_pending(id, Timestamp::from_millis(1));
    assert_eq!(user.status, UserStatus::Pending);
    assert_eq!(user.email.as_deref(), Some("Ada@Example.org"));
    assert_eq!(user.email_canonical.as_deref(), Some("ada@example.org"));
    assert_eq!(user.username.as_deref(), Some("ada.l"));
    assert_eq!(user.phone.as_deref(), Some("+442079460000"));
    assert_eq!(user.locale.as_deref(), Some("en-GB"));
    assert_eq!(user.version, 0);
    let words = user.words();
    for word in ["ada", "ada.l", "ada@example.org"] {
        assert!(words.contains(&word.to_owned()), "{word}");
    }
    assert!(!words.contains(&"org".to_owned()));
}

#[test]
fn identifiers_lose_what_stands_at_their_ends() {
    let user = NewUser::new(RawUser {
        email: "\u{feff} Ada@Example.org\t\u{200b}",
        username: Some("\u{a0}Ada.L\n"),
        ..raw()
    })
    .unwrap();
    assert_eq!(user.email(), "Ada@Example.org");
    assert_eq!(user.username(), Some("ada.l"));
    // Asked for again without the space it is the same registration.
    assert_eq!(user, NewUser::new(raw()).unwrap());
    for blank in ["", " \u{3000}"] {
        let errors = NewUser::new(RawUser {
            username: Some(blank),
            ..raw()
        });
        assert_eq!(errors.unwrap_err()[0].code, "field.too-short");
    }
}

#[test]
fn every_wrong_value_is_told() {
    let errors = NewUser::new(RawUser {
        email: "",
        username: Some("a\u{0}"),
        given_name: Some(""),
        family_name: Some(&"x".repeat(101)),
        phone: Some("123"),
        locale: Some("??"),
        timezone: Some("Mars/Olympus"),
    })
    .unwrap_err();
    let pointers: Vec<_> = errors.iter().map(|e| e.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/email",
            "/username",
            "/given_name",
            "/family_name",
            "/phone",
            "/locale",
            "/timezone"
        ]
    );
}

#[test]
fn a_patch_names_what_changes_and_nothing_else() {
    let id = UserId::new(Timestamp::from_millis(1));
    let user = NewUser::new(raw())
        .unwrap()
        .into_pending(id, Timestamp::from_millis(1));
    let patch = UserPatch::new(
        &Patch::Set("Ada".to_owned()),
        &Patch::Set("Lovelace".to_owned()),
        &Patch::Clear,
        &Patch::Keep,
    )
    .unwrap();
    let (new, changed) = user.patched(&patch);
    assert_eq!(changed, ["family_name", "locale"]);
    assert_eq!(new.family_name.as_deref(), Some("Lovelace"));
    assert_eq!(new.locale, None);
    assert_eq!(new.given_name, user.given_name);
    assert_eq!(user.patched(&UserPatch::default()).1, Vec::<&str>::new());
}
