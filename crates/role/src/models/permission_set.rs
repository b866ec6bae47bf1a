//! A set of permissions, as a role or a user holds them.

use std::collections::{BTreeSet, btree_set};

use ud_kernel::permission;

use super::RoleError;

/// Most permissions of one role (SECURITY rule 3).
pub const MAX_PERMISSIONS: usize = 100;

/// Permissions in order, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PermissionSet(BTreeSet<String>);

impl PermissionSet {
    /// The permissions of a role that is not `admin`: each of the form `resource:verb`, at most
    /// [`MAX_PERMISSIONS`]. One given twice counts once.
    ///
    /// # Errors
    /// [`RoleError::InvalidPermission`] for another form, `*` too; [`RoleError::TooManyPermissions`].
    pub fn of_role(texts: impl IntoIterator<Item = String>) -> Result<Self, RoleError> {
        let set: BTreeSet<String> = texts.into_iter().collect();
        if !set.iter().all(|text| permission::is_valid(text)) {
            return Err(RoleError::InvalidPermission);
        }
        if set.len() > MAX_PERMISSIONS {
            return Err(RoleError::TooManyPermissions);
        }
        Ok(Self(set))
    }

    /// `*` alone.
    #[must_use]
    pub fn all() -> Self {
        Self(BTreeSet::from([permission::ALL.to_owned()]))
    }

    /// Reads [`PermissionSet::to_json`].
    ///
    /// # Errors
    /// If `json` is not an array of texts.
    pub(crate) fn from_json(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json).map(Self)
    }

    /// A JSON array, sorted: the form in the database.
    pub(crate) fn to_json(&self) -> String {
        serde_json::Value::from(self.to_vec()).to_string()
    }

    /// Each permission in order.
    #[must_use]
    pub fn to_vec(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }

    /// Each permission in order.
    pub fn iter(&self) -> btree_set::Iter<'_, String> {
        self.0.iter()
    }

    /// Whether a holder of these may do what needs `needed`.
    #[must_use]
    pub fn holds(&self, needed: &str) -> bool {
        self.0.contains(permission::ALL) || self.0.contains(needed)
    }

    /// Whether something of these is not among `others`.
    #[must_use]
    pub fn has_beyond(&self, others: &Self) -> bool {
        !self.0.is_subset(&others.0)
    }

    /// Each of these that is not among `others`, in order.
    pub fn beyond<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = &'a String> {
        self.0.difference(&others.0)
    }

    /// Adds those of `others`.
    pub fn extend(&mut self, others: &Self) {
        self.0.extend(others.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(texts: &[&str]) -> PermissionSet {
        PermissionSet(texts.iter().map(|&t| t.to_owned()).collect())
    }

    #[test]
    fn a_role_has_at_most_a_hundred_valid_permissions() {
        let many = |n: usize| PermissionSet::of_role((0..n).map(|i| format!("orders:v{i}")));
        assert!(many(MAX_PERMISSIONS).is_ok());
        assert_eq!(
            many(MAX_PERMISSIONS + 1).unwrap_err(),
            RoleError::TooManyPermissions
        );
        for bad in ["*", "", "orders", "Orders:read", "orders:*"] {
            assert_eq!(
                PermissionSet::of_role([bad.to_owned()]).unwrap_err(),
                RoleError::InvalidPermission,
                "{bad}"
            );
        }
        let twice = ["b:b", "a:a", "b:b"].map(str::to_owned);
        assert_eq!(
            PermissionSet::of_role(twice).map(|s| s.to_vec()),
            Ok(vec!["a:a".to_owned(), "b:b".to_owned()])
        );
    }

    #[test]
    fn only_the_star_includes_the_star() {
        assert!(set(&["*"]).holds("*") && set(&["*"]).holds("orders:read"));
        assert!(!set(&["orders:read"]).holds("*"));
        assert!(!set(&[]).holds("orders:read"));
    }

    #[test]
    fn what_only_one_has_is_noticed() {
        assert!(set(&["a:a", "b:b"]).has_beyond(&set(&["a:a", "c:c"])));
        assert!(!set(&["a:a"]).has_beyond(&set(&["a:a", "c:c"])));
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read(texts in proptest::collection::vec("[a-z]{1,9}:[a-z]{1,9}", 0..20)) {
            let set = PermissionSet::of_role(texts).unwrap();
            prop_assert_eq!(PermissionSet::from_json(&set.to_json()).unwrap(), set);
        }
    }
}
