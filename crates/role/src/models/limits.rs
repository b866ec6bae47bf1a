//! The limits of SECURITY rule 3, so that every user's token stays below 4 KiB.

use std::collections::{BTreeMap, btree_map::Entry};

use ud_db::{DbConn, StoreError};
use ud_kernel::Timestamp;

use super::{
    MAX_NAMES_BYTES, MAX_ROLES, Role, RoleError, USER_ROLE, assignment_store, role::names_bytes,
    role_store,
};

/// Whether one user may have all of `roles`, `user` among them.
///
/// # Errors
/// [`RoleError::TooManyPermissions`].
pub(crate) fn check_user(roles: &[&Role]) -> Result<(), RoleError> {
    let assigned = roles.iter().filter(|role| role.id != USER_ROLE).count();
    if assigned > MAX_ROLES || names_bytes(roles.iter().copied()) > MAX_NAMES_BYTES {
        return Err(RoleError::TooManyPermissions);
    }
    Ok(())
}

/// Whether everybody who has `grown` may have it as it is stored now.
///
/// # Errors
/// [`RoleError::TooManyPermissions`]; [`RoleError::Store`].
pub(crate) fn check_holders(
    conn: &mut DbConn,
    grown: &Role,
    now: Timestamp,
) -> Result<(), RoleError> {
    let everybody = role_store::find(conn, USER_ROLE)?.ok_or(StoreError::NotFound)?;
    check_user(&[&everybody])?;
    let of_role = (grown.id != USER_ROLE).then_some(grown.id);
    let room = MAX_NAMES_BYTES.saturating_sub(names_bytes([&everybody]));
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
        check_user(&roles)?;
    }
    Ok(())
}
