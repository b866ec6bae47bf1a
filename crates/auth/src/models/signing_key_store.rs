//! All SQL about signing keys.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::Timestamp;

use super::schema::signing_keys;

/// Mark of the key that signs; unique, the others have none.
const ACTIVE: i32 = 1;

/// A signing key as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
pub struct StoredSigningKey {
    /// Key id.
    pub kid: String,
    /// Name of its algorithm.
    pub algorithm: String,
    /// PKCS#8, sealed.
    pub sealed_key: String,
    /// 1 for the key that signs.
    pub active: Option<i32>,
    /// When it stopped signing.
    pub retired_at: Option<Timestamp>,
}

impl StoredSigningKey {
    /// Whether it signs.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.active.is_some()
    }
}

/// A key about to be stored.
#[derive(Debug, Clone)]
pub struct NewSigningKey {
    /// Key id.
    pub kid: String,
    /// Name of its algorithm.
    pub algorithm: &'static str,
    /// PKCS#8, sealed.
    pub sealed_key: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The key that signs, and those retired after `since`, which may have signed tokens that still live.
///
/// # Errors
/// [`StoreError`].
pub fn load(conn: &mut DbConn, since: Timestamp) -> Result<Vec<StoredSigningKey>, StoreError> {
    signing_keys::table
        .filter(
            signing_keys::active
                .is_not_null()
                .or(signing_keys::retired_at.gt(Some(Bind(since)))),
        )
        .order(signing_keys::created_at)
        .select(StoredSigningKey::as_select())
        .load(conn)
        .map_err(StoreError::from)
}

/// Makes `new` the key that signs.
///
/// # Errors
/// [`StoreError::Unique`] if another signs already: read again and take that one.
pub fn insert_active(conn: &mut DbConn, new: &NewSigningKey) -> Result<(), StoreError> {
    diesel::insert_into(signing_keys::table)
        .values((
            signing_keys::kid.eq(&new.kid),
            signing_keys::algorithm.eq(new.algorithm),
            signing_keys::sealed_key.eq(&new.sealed_key),
            signing_keys::active.eq(Some(ACTIVE)),
            signing_keys::created_at.eq(Bind(new.created_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Retires the key `kid` unless another did. False if it does not sign any more.
///
/// # Errors
/// [`StoreError`].
pub fn retire(conn: &mut DbConn, kid: &str, now: Timestamp) -> Result<bool, StoreError> {
    let rows = diesel::update(signing_keys::table.find(kid))
        .filter(signing_keys::active.is_not_null())
        .set((
            signing_keys::active.eq(None::<i32>),
            signing_keys::retired_at.eq(Some(Bind(now))),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}
