//! A role: a named set of permissions.

use std::collections::BTreeSet;

use ud_jwt::name_bytes;
use ud_kernel::{RoleId, Timestamp, permission};
use uuid::Uuid;

use super::{PermissionSet, RoleError};

/// The built-in role whose single permission is `*`. The seed migration has the same ids.
pub const ADMIN_ROLE: RoleId =
    RoleId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));

/// The built-in role that every subject has without an assignment.
pub const USER_ROLE: RoleId =
    RoleId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0002));

/// Longest description, in characters.
pub const MAX_DESCRIPTION: usize = 500;

/// Most bytes that the names in effect for one user take in a token, each with its quotes and a comma (SECURITY
/// rule 3), where the configuration leaves so many: [`super::NamesLimit`].
pub const MAX_NAMES_BYTES: usize = 2_500;

/// The name of a role: `^[a-z][a-z0-9-]{0,62}$`. It travels in tokens and in a comma-separated header, and
/// never changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleName(String);

impl RoleName {
    /// # Errors
    /// [`RoleError::InvalidName`].
    pub fn new(text: &str) -> Result<Self, RoleError> {
        let mut bytes = text.bytes();
        let is_name = text.len() <= 63
            && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if is_name {
            Ok(Self(text.to_owned()))
        } else {
            Err(RoleError::InvalidName)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A role as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Unique, and never changed.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What it lets its holders do.
    pub permissions: PermissionSet,
    /// 1 when made, raised by every change: the entity tag, and the sequence of its events.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A role to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRole {
    /// Its name.
    pub name: RoleName,
    /// For people.
    pub description: Option<String>,
    /// What it lets its holders do.
    pub permissions: PermissionSet,
}

/// What of a role is to be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RolePatch {
    /// A new description, or none.
    pub description: ud_kernel::Patch<String>,
    /// The new permissions, all of them.
    pub permissions: Option<PermissionSet>,
}

impl Role {
    /// Whether it is `admin` or `user`.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        is_built_in(self.id)
    }

    /// A role that begins now.
    #[must_use]
    pub fn begin(new: NewRole, now: Timestamp) -> Self {
        Self {
            id: RoleId::new(now),
            name: new.name.0,
            description: new.description,
            permissions: new.permissions,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The role after `patch`; `None` if that changes nothing.
    #[must_use]
    pub fn patched(&self, patch: RolePatch, now: Timestamp) -> Option<Self> {
        let later = Self {
            description: patch.description.apply(self.description.clone()),
            permissions: patch
                .permissions
                .unwrap_or_else(|| self.permissions.clone()),
            ..self.clone()
        };
        (later != *self).then(|| Self {
            version: self.version + 1,
            // A clock that went back does not make the role older than itself.
            updated_at: now.max(self.updated_at),
            ..later
        })
    }
}

/// Whether `id` is that of `admin` or `user`.
#[must_use]
pub fn is_built_in(id: RoleId) -> bool {
    id == ADMIN_ROLE || id == USER_ROLE
}

/// Bytes that the names of `roles` and of their permissions take in a token: each name once, with its quotes
/// and comma. `*` does not hide the others here, because `admin` may be taken away and leave them.
pub fn names_bytes<'a>(roles: impl IntoIterator<Item = &'a Role>) -> usize {
    let mut names = BTreeSet::new();
    let mut permissions = BTreeSet::new();
    for role in roles {
        names.insert(role.name.as_str());
        permissions.extend(role.permissions.iter().map(String::as_str));
    }
    names.into_iter().chain(permissions).map(name_bytes).sum()
}

/// Names of those of `roles` that let their holder do what needs `needed`, sorted.
#[must_use]
pub fn granting(roles: &[Role], needed: &str) -> Vec<String> {
    let names: BTreeSet<_> = roles
        .iter()
        .filter(|role| role.permissions.holds(needed))
        .map(|role| role.name.clone())
        .collect();
    names.into_iter().collect()
}

/// What `roles` let their holder do, as tokens say it: sorted, and `*` alone where it is among them.
#[must_use]
pub fn effective_permissions(roles: &[Role]) -> Vec<String> {
    let held = union(roles);
    if held.holds(permission::ALL) {
        vec![permission::ALL.to_owned()]
    } else {
        held.to_vec()
    }
}

/// All permissions of `roles`.
#[must_use]
pub fn union<'a>(roles: impl IntoIterator<Item = &'a Role>) -> PermissionSet {
    let mut held = PermissionSet::default();
    for role in roles {
        held.extend(&role.permissions);
    }
    held
}

#[cfg(test)]
mod tests {
    use ud_kernel::Patch;

    use super::*;

    fn role(name: &str, permissions: &[&str]) -> Role {
        let new = NewRole {
            name: RoleName::new(name).unwrap(),
            description: Some("d".to_owned()),
            permissions: PermissionSet::of_role(permissions.iter().map(|&p| p.to_owned())).unwrap(),
        };
        Role::begin(new, Timestamp::from_millis(5))
    }

    #[test]
    fn the_grammar_of_names_is_exact() {
        for good in ["a", "admin", "order-clerk-2", &"a".repeat(63)] {
            assert!(RoleName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Admin",
            "1a",
            "-a",
            "a b",
            "a,b",
            "a\n",
            "ä",
            &"a".repeat(64),
        ] {
            assert_eq!(RoleName::new(bad), Err(RoleError::InvalidName), "{bad}");
        }
    }

    #[test]
    fn a_patch_changes_what_it_names_and_raises_the_version() {
        let before = role("clerk", &["a:a"]);
        let now = Timestamp::from_millis(9);
        assert_eq!(before.patched(RolePatch::default(), now), None);
        let same = RolePatch {
            description: Patch::Set("d".to_owned()),
            permissions: Some(before.permissions.clone()),
        };
        assert_eq!(before.patched(same, now), None);
        let cleared = RolePatch {
            description: Patch::Clear,
            permissions: None,
        };
        let after = before.patched(cleared, now).unwrap();
        assert_eq!(
            (after.description, after.version, after.updated_at),
            (None, 2, now)
        );
        assert_eq!(after.permissions, before.permissions);
        let early = RolePatch {
            description: Patch::Clear,
            permissions: None,
        };
        let after = before.patched(early, Timestamp::from_millis(1)).unwrap();
        assert_eq!(after.updated_at, before.updated_at);
    }

    #[test]
    fn names_are_counted_as_a_token_has_them() {
        let (a, b) = (role("a", &["x:y"]), role("b", &["x:y", "z:z"]));
        let json = r#""a","b","x:y","z:z","#;
        assert_eq!(names_bytes([&a, &b]), json.len());
    }

    #[test]
    fn the_star_stands_alone_and_tells_who_gives_it() {
        let mut admin = role("admin", &[]);
        admin.permissions = PermissionSet::from_json(r#"["*"]"#).unwrap();
        let roles = [role("clerk", &["x:y"]), admin];
        assert_eq!(effective_permissions(&roles), ["*"]);
        assert_eq!(granting(&roles, "x:y"), ["admin", "clerk"]);
        assert_eq!(granting(&roles, "q:q"), ["admin"]);
        assert_eq!(effective_permissions(&roles[..1]), ["x:y"]);
    }
}
