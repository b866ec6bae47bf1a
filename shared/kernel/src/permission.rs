//! Permissions: `resource:verb`, compared whole; `*` is every permission.

/// The permission of the built-in role `admin`: every other one.
pub const ALL: &str = "*";

/// Namespaces of this platform's own permissions. Holding one of them over a user is what SECURITY rule 2
/// compares; foreign namespaces (`orders:read`) do not protect a user from an administrator.
pub const OWN_NAMESPACES: [&str; 8] = [
    "users",
    "roles",
    "role-assignments",
    "sessions",
    "audits",
    "keys",
    "events",
    "webhooks",
];

fn is_word(word: &str) -> bool {
    let mut bytes = word.bytes();
    (1..=32).contains(&word.len())
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether `text` is `^[a-z][a-z0-9-]{0,31}:[a-z][a-z0-9-]{0,31}$`. `*` is not: it belongs to `admin`.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(resource, verb)| is_word(resource) && is_word(verb))
}

/// Whether `text` is in one of [`OWN_NAMESPACES`] or is `*`.
#[must_use]
pub fn is_own(text: &str) -> bool {
    text == ALL
        || text
            .split_once(':')
            .is_some_and(|(resource, _)| OWN_NAMESPACES.contains(&resource))
}

/// Whether a holder of `held` may do what needs `needed`.
#[must_use]
pub fn holds<S: AsRef<str>>(held: &[S], needed: &str) -> bool {
    held.iter()
        .any(|h| h.as_ref() == ALL || h.as_ref() == needed)
}

/// Whether a holder of `held` holds every one of `needed`; `*` among them only by holding `*`.
#[must_use]
pub fn holds_all<S: AsRef<str>, N: AsRef<str>>(held: &[S], needed: &[N]) -> bool {
    needed.iter().all(|n| holds(held, n.as_ref()))
}

/// Whether a holder of `held` may act on a user who holds `target`: only permissions of our own namespaces
/// count (SECURITY rule 2).
#[must_use]
pub fn may_act_on<S: AsRef<str>, T: AsRef<str>>(held: &[S], target: &[T]) -> bool {
    target
        .iter()
        .filter(|t| is_own(t.as_ref()))
        .all(|t| holds(held, t.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_exact() {
        for good in ["users:read", "a:b", "role-assignments:write", "x1-:y"] {
            assert!(is_valid(good), "{good}");
        }
        let long = format!("{}:a", "a".repeat(33));
        for bad in [
            "*",
            "",
            ":",
            "users",
            "users:",
            ":read",
            "Users:read",
            "users:read:all",
            "users:*",
            "1a:b",
            "users:read ",
            "users:\u{0}",
            "-a:b",
            &long,
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn the_star_holds_everything_and_only_the_star_holds_the_star() {
        assert!(holds(&["*"], "orders:read"));
        assert!(holds(&["*"], "*"));
        assert!(!holds(&["users:read", "users:write"], "*"));
        assert!(!holds(&["users:rea"], "users:read"));
        assert!(!holds::<&str>(&[], "users:read"));
    }

    #[test]
    fn foreign_permissions_do_not_protect_a_target() {
        assert!(may_act_on(&["users:write"], &["orders:write"]));
        assert!(!may_act_on(&["users:write"], &["roles:read"]));
        assert!(!may_act_on(&["users:write"], &["*"]));
        assert!(may_act_on(&["*"], &["*"]));
    }
}
