//! The limits of SECURITY rule 3. With what the configuration leaves for names (rule 14) they keep the token of every
//! user whose rights were written under that configuration within 4 KiB. Rights of before are looked at by auth, which
//! commits nothing for a token that would be longer.

use std::collections::{BTreeMap, btree_map::Entry};

use ud_db::{DbConn, StoreError};
use ud_jwt::Verifier;
use ud_kernel::Timestamp;

use super::{
    MAX_NAMES_BYTES, MAX_ROLES, Role, RoleError, USER_ROLE, assignment_store, role::names_bytes,
    role_store,
};

/// How many bytes of names one user may have: [`MAX_NAMES_BYTES`], or what the tokens of the issuer have room for, if
/// that is less.
#[derive(Debug, Clone)]
pub struct NamesLimit(Verifier);

impl NamesLimit {
    /// Follows the issuer, the audience and the keys of `verifier`: they are what tokens are signed with.
    #[must_use]
    pub const fn new(verifier: Verifier) -> Self {
        Self(verifier)
    }

    /// Returns the limit that holds now, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.names_room().min(MAX_NAMES_BYTES)
    }
}

/// Checks that one user may have all of `roles`, `user` among them, and their names, of `most` bytes at most.
///
/// # Errors
/// [`RoleError::TooManyPermissions`]; [`RoleError::NamesTooLong`].
pub(crate) fn check_user(roles: &[&Role], most: usize) -> Result<(), RoleError> {
    let assigned = roles.iter().filter(|role| role.id != USER_ROLE).count();
    if assigned > MAX_ROLES {
        return Err(RoleError::TooManyPermissions);
    }
    if names_bytes(roles.iter().copied()) > most {
        return Err(RoleError::NamesTooLong { most });
    }
    Ok(())
}

/// Checks that everybody who has `grown` may have it as it is stored now, with names of `most` bytes at most.
///
/// # Errors
/// [`RoleError::TooManyPermissions`]; [`RoleError::NamesTooLong`]; [`RoleError::Store`].
pub(crate) fn check_holders(
    conn: &mut DbConn,
    grown: &Role,
    most: usize,
    now: Timestamp,
) -> Result<(), RoleError> {
    let everybody = role_store::find(conn, USER_ROLE)?.ok_or(StoreError::NotFound)?;
    check_user(&[&everybody], most)?;
    let of_role = (grown.id != USER_ROLE).then_some(grown.id);
    let room = most.saturating_sub(names_bytes([&everybody]));
    let room = i64::try_from(room).unwrap_or(i64::MAX);
    let users = assignment_store::crowded_users(conn, of_role, room, now)?;
    let mut known = BTreeMap::new();
    for set in assignment_store::role_sets(conn, &users, now)? {
        for &id in &set {
            if let Entry::Vacant(vacant) = known.entry(id) {
                vacant.insert(role_store::find(conn, id)?.ok_or(StoreError::NotFound)?);
            }
        }
        let roles: Vec<&Role> = set
            .iter()
            .filter_map(|id| known.get(id))
            .chain([&everybody])
            .collect();
        check_user(&roles, most)?;
    }
    Ok(())
}
