//! Permissions: `resource:verb`, compared whole; `*` is every permission.

use crate::permissions::own;

/// The permission of the built-in role `admin`: every other one.
pub const ALL: &str = "*";

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

/// Whether `text` is `*`, or in the namespace of one of [`own`]: holding such a permission is what SECURITY rule 2
/// compares. Foreign namespaces (`orders:read`) do not protect a user from an administrator.
#[must_use]
pub fn is_own(text: &str) -> bool {
    text == ALL
        || text
            .split_once(':')
            .is_some_and(|(resource, _)| own().any(|own| namespace(own.name) == resource))
}

/// Whether a holder of `text` could harm others: `*`, what is declared so, and what is in a namespace of ours without
/// being declared (by a version after this one, perhaps).
#[must_use]
pub fn is_privileged(text: &str) -> bool {
    is_own(text)
        && own()
            .find(|own| own.name == text)
            .is_none_or(|own| own.privileged)
}

fn namespace(permission: &str) -> &str {
    permission
        .split_once(':')
        .map_or(permission, |(resource, _)| resource)
}

/// Whether a holder of `held` may do what needs `needed`.
#[must_use]
pub fn holds<S: AsRef<str>>(held: &[S], needed: &str) -> bool {
    held.iter()
        .any(|h| h.as_ref() == ALL || h.as_ref() == needed)
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
    fn every_declared_permission_is_well_formed_ours_and_there_once() {
        for own in own() {
            assert!(is_valid(own.name), "{}", own.name);
            assert!(is_own(own.name), "{}", own.name);
            assert_eq!(
                super::own().filter(|o| o.name == own.name).count(),
                1,
                "{}",
                own.name
            );
        }
    }

    #[test]
    fn what_is_not_only_read_is_privileged_and_so_is_what_nobody_declared() {
        for own in own() {
            let reads = own.name.ends_with(":read") || own.name == "tokens:introspect";
            assert_eq!(is_privileged(own.name), !reads, "{}", own.name);
            assert_eq!(own.privileged, !reads, "{}", own.name);
            let unknown = format!("{}:of-tomorrow", namespace(own.name));
            assert!(is_own(&unknown) && is_privileged(&unknown), "{unknown}");
        }
        assert!(is_privileged(ALL));
        for foreign in ["orders:write", "user:write", "users", "users-x:delete", ""] {
            assert!(!is_own(foreign) && !is_privileged(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_permission_of_ours_protects_its_holder() {
        for target in own() {
            let all_others: Vec<_> = own()
                .map(|own| own.name)
                .filter(|name| *name != target.name)
                .collect();
            assert!(!may_act_on(&all_others, &[target.name]), "{}", target.name);
            assert!(may_act_on(&[target.name], &[target.name]));
        }
    }

    #[test]
    fn foreign_permissions_do_not_protect_a_target() {
        assert!(may_act_on(&["users:write"], &["orders:write"]));
        assert!(!may_act_on(&["users:write"], &["roles:read"]));
        assert!(!may_act_on(&["users:write"], &["*"]));
        assert!(may_act_on(&["*"], &["*"]));
    }
}
