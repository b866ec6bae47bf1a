//! `reseal`: what is sealed moves to the first of `KEY_ENCRYPTION_KEYS`, so that the others can be taken out
//! (SECURITY rule 30). Here that is the key of Idempotency-Keys.

use ud_db::Db;
use ud_idempotency::{IdempotencyKeys, SERVER_KEY};
use ud_seal::Sealer;

use super::{ProfileError, idempotency_store};

/// Seals the server key under the first key of the ring; gives whether it was not. Without one, the next start makes
/// it there. By compare-and-set: it may be run at any time, and again.
///
/// # Errors
/// [`ProfileError`] if it is sealed under a key that is not in the ring, or the database fails.
pub async fn reseal(db: &Db, sealer: &Sealer) -> Result<bool, ProfileError> {
    let stored = db
        .read(|conn| idempotency_store::find_server_key(conn, SERVER_KEY))
        .await?;
    let Some(old) = stored else {
        return Ok(false);
    };
    let Some(new) = IdempotencyKeys::reseal(sealer, &old)? else {
        return Ok(false);
    };
    let moved = db
        .tx(move |conn| idempotency_store::replace_server_key(conn, SERVER_KEY, &old, &new))
        .await?;
    Ok(moved)
}
