//! `revoke-all`: what has to be done after auth's database was restored from a back-up (SECURITY rule 35). What was
//! revoked since the back-up is not known any more: so everything from before ends.

use serde_json::json;
use ud_db::DbConn;
use ud_events::{EventType, NewEvent, outbox};
use ud_kernel::{Service, Timestamp, UserId, models::Provenance};

use super::signing_keys::replace_all;
use crate::{
    models::{
        credential::{self, epoch::write_epoch_event},
        error::AuthError,
        signing_key::rotation::Reason,
    },
    state::AuthState,
};

/// Epochs rise by this: above whatever they had come to when the back-up was not yet restored, which the session
/// service may still know. Below 2^53 for a thousand million runs.
const EPOCH_STEP: i64 = 1_000_000;
/// Users raised in one transaction.
const BATCH: i64 = 200;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedAll {
    /// The key that signs now; none where a shared secret does.
    pub kid: Option<String>,
    /// Users whose epoch was raised.
    pub users: u64,
}

/// Revokes every signing key in favour of a new one, raises every user's epoch, and writes the events that close
/// their sessions and tell the audit log; they are delivered by the running service, or at its next start. Batches of
/// users, each in a transaction of its own. Killed in between, or run again, it does all once more, which closes what
/// was opened meanwhile and does no other harm.
///
/// # Errors
/// [`AuthError::Store`]; batches that were done stay done.
pub async fn revoke_all(state: &AuthState) -> Result<RevokedAll, AuthError> {
    let kid = match state.keys.stored() {
        Some(stored) => Some(replace_all(stored, Reason::RevokeAll).await?),
        None => None,
    };
    state.failpoints.at("revoke-all.keys-replaced").await;
    let mut revoked = RevokedAll { kid, users: 0 };
    let mut after = None;
    loop {
        let now = state.clock.now();
        let batch = state
            .db
            .tx(move |conn| raise_batch(conn, after, now))
            .await?;
        let Some(last) = batch.last() else { break };
        after = Some(*last);
        revoked.users += batch.len() as u64;
        state.failpoints.at("revoke-all.batch-raised").await;
    }
    let (now, users) = (state.clock.now(), revoked.users);
    state
        .db
        .tx(move |conn| {
            let kind = EventType::CREDENTIALS_REVOKED;
            let event = NewEvent::alone(Service::Auth, kind, now, &Provenance::default())
                .target_named("service", Service::Auth.as_str())
                .details(json!({ "users": users }));
            outbox::write(conn, event)
        })
        .await?;
    state.outbox.wake();
    Ok(revoked)
}

/// Raises the next users after `after`, and gives them.
fn raise_batch(
    conn: &mut DbConn,
    after: Option<UserId>,
    now: Timestamp,
) -> Result<Vec<UserId>, AuthError> {
    let users = credential::store::list_after(conn, after, BATCH)?;
    if users.is_empty() {
        return Ok(users);
    }
    credential::store::raise_epochs(conn, &users, EPOCH_STEP, now)?;
    for raised in credential::store::epochs(conn, &users)? {
        let (user, epoch, sequence) = raised;
        write_epoch_event(
            conn,
            user,
            epoch,
            sequence,
            None,
            now,
            &Provenance::default(),
        )?;
    }
    Ok(users)
}
