//! The secret of [`IdempotencyKeys`] in the service's own database: one row of `server_keys`, sealed.

use diesel::prelude::*;
use ud_db::{Db, DbConn, StoreError, sql::Bind};
use ud_kernel::Timestamp;
use ud_seal::{SealError, Sealer};

use crate::{IdempotencyKeys, SERVER_KEY};

diesel::table! {
    use diesel::sql_types::Text;
    use ud_db::sql;

    server_keys (name) {
        name -> Text,
        sealed_key -> Text,
        created_at -> sql::Instant,
    }
}

/// The secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ServerKeyError {
    /// It is sealed under a key that is not in the ring, or not sealed by this service.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IdempotencyKeys {
    /// Those of the service on `db`, whose first replica makes the secret.
    ///
    /// # Errors
    /// [`ServerKeyError`].
    pub async fn load(db: &Db, sealer: &Sealer, now: Timestamp) -> Result<Self, ServerKeyError> {
        let candidate = Self::new_sealed(sealer)?;
        let sealed = db.tx(move |conn| find_or_insert(conn, &candidate, now));
        Ok(Self::open(sealer, &sealed.await?)?)
    }

    /// Seals the secret on `db` under the first key of the ring; gives whether it was not. Without one, the next start
    /// makes it there. By compare-and-set: it may be run at any time, and again.
    ///
    /// # Errors
    /// [`ServerKeyError`].
    pub async fn reseal(db: &Db, sealer: &Sealer) -> Result<bool, ServerKeyError> {
        let Some(old) = db.read(find).await? else {
            return Ok(false);
        };
        let Some(new) = Self::sealed_anew(sealer, &old)? else {
            return Ok(false);
        };
        Ok(db.tx(move |conn| replace(conn, &old, &new)).await?)
    }
}

fn find(conn: &mut DbConn) -> Result<Option<String>, StoreError> {
    Ok(server_keys::table
        .find(SERVER_KEY)
        .select(server_keys::sealed_key)
        .first(conn)
        .optional()?)
}

/// [`StoreError::Conflict`], which runs the transaction again, if another replica made one at the same moment.
fn find_or_insert(
    conn: &mut DbConn,
    candidate: &str,
    now: Timestamp,
) -> Result<String, StoreError> {
    if let Some(sealed) = find(conn)? {
        return Ok(sealed);
    }
    diesel::insert_into(server_keys::table)
        .values((
            server_keys::name.eq(SERVER_KEY),
            server_keys::sealed_key.eq(candidate),
            server_keys::created_at.eq(Bind(now)),
        ))
        .execute(conn)
        .map_err(|e| StoreError::from(e).or_again())?;
    Ok(candidate.to_owned())
}

fn replace(conn: &mut DbConn, old: &str, new: &str) -> Result<bool, StoreError> {
    let rows = diesel::update(server_keys::table.find(SERVER_KEY))
        .filter(server_keys::sealed_key.eq(old))
        .set(server_keys::sealed_key.eq(new))
        .execute(conn)?;
    Ok(rows == 1)
}
