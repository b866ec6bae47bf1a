//! `rewrap`: everything sealed moves to the first of `AUTH_KEY_ENCRYPTION_KEYS`, so that the others can be taken out
//! (SECURITY rule 30). In auth these are the signing keys.

use ud_db::Db;
use ud_kernel::Failpoints;
use ud_seal::Sealer;

use crate::models::{
    error::AuthError,
    signing_key::{self, loaded::associated_data},
};

/// Seals every signing key under the first key of the ring; gives how many were not. Each is moved by itself, by
/// compare-and-set: it may be killed and run again at any time, and services go on meanwhile.
///
/// # Errors
/// [`AuthError::Internal`] if one is sealed under a key that is not in the ring; [`AuthError::Store`].
pub async fn rewrap(db: &Db, sealer: &Sealer, failpoints: &Failpoints) -> Result<usize, AuthError> {
    let mut moved = 0;
    for key in db.read(signing_key::store::load).await? {
        if key.revoked_at.is_some() {
            continue;
        }
        let Some(sealed) = sealer.rewrap(associated_data(&key.kid), &key.sealed_key)? else {
            continue;
        };
        let was_there = db
            .tx(move |conn| signing_key::store::rewrap(conn, &key.kid, &key.sealed_key, &sealed))
            .await?;
        moved += usize::from(was_there);
        failpoints.at("rewrap.moved").await;
    }
    Ok(moved)
}
