//! All SQL about signing keys.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::Timestamp;

use super::StoredSigningKey;
use crate::models::schema::signing_keys;

/// All keys in the order of their generations.
///
/// # Errors
/// [`StoreError`].
pub fn load(conn: &mut DbConn) -> Result<Vec<StoredSigningKey>, StoreError> {
    signing_keys::table
        .order(signing_keys::generation)
        .select(StoredSigningKey::as_select())
        .load(conn)
        .map_err(StoreError::from)
}

/// Stores a new key.
///
/// # Errors
/// [`StoreError::Conflict`] if another replica took the generation: decide again.
pub fn insert(conn: &mut DbConn, new: &StoredSigningKey) -> Result<(), StoreError> {
    diesel::insert_into(signing_keys::table)
        .values((
            signing_keys::kid.eq(&new.kid),
            signing_keys::algorithm.eq(&new.algorithm),
            signing_keys::sealed_key.eq(&new.sealed_key),
            signing_keys::generation.eq(new.generation),
            signing_keys::created_at.eq(Bind(new.created_at)),
            signing_keys::activates_at.eq(Bind(new.activates_at)),
        ))
        .execute(conn)
        .map_err(|e| StoreError::from(e).or_again())?;
    Ok(())
}

/// Revokes a key and destroys its private half. False if it was already, or is not there.
///
/// # Errors
/// [`StoreError`].
pub fn revoke(conn: &mut DbConn, kid: &str, now: Timestamp) -> Result<bool, StoreError> {
    let rows = diesel::update(signing_keys::table.find(kid))
        .filter(signing_keys::revoked_at.is_null())
        .set((
            signing_keys::revoked_at.eq(Some(Bind(now))),
            signing_keys::sealed_key.eq(""),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Lets a published key sign from `now` on.
///
/// # Errors
/// [`StoreError::Conflict`] if it is not there, or was revoked meanwhile: decide again.
pub fn activate(conn: &mut DbConn, kid: &str, now: Timestamp) -> Result<(), StoreError> {
    let rows = diesel::update(signing_keys::table.find(kid))
        .filter(signing_keys::revoked_at.is_null())
        .set(signing_keys::activates_at.eq(Bind(now)))
        .execute(conn)?;
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

/// Puts `new` in the place of the sealed key `old`. False if that is not there any more.
///
/// # Errors
/// [`StoreError`].
pub fn rewrap(conn: &mut DbConn, kid: &str, old: &str, new: &str) -> Result<bool, StoreError> {
    let rows = diesel::update(signing_keys::table.find(kid))
        .filter(signing_keys::sealed_key.eq(old))
        .set(signing_keys::sealed_key.eq(new))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Removes keys.
///
/// # Errors
/// [`StoreError`].
pub fn delete(conn: &mut DbConn, kids: &[String]) -> Result<usize, StoreError> {
    diesel::delete(signing_keys::table.filter(signing_keys::kid.eq_any(kids)))
        .execute(conn)
        .map_err(StoreError::from)
}
