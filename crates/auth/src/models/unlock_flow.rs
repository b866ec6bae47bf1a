//! Letting an owner in again whom others' guesses keep out.

use ud_events::{EventType, NewEvent, outbox};
use ud_kernel::{
    Service, UserId,
    models::{CredentialStatus, Origin},
};

use super::{credential_store, error::AuthError};
use crate::state::AuthState;

/// Forgets the guesses counted for the account's identifiers, and writes the event that says so. Those of addresses
/// stay: they are not about this account alone.
///
/// # Errors
/// [`AuthError::CredentialNotFound`], also for a deleted one; [`AuthError::Store`].
pub async fn unlock(state: &AuthState, user_id: UserId, origin: Origin) -> Result<(), AuthError> {
    let (guesses, now) = (state.guesses.clone(), state.clock.now());
    state
        .db
        .tx(move |conn| {
            // Takes the row's lock and the number of the event.
            if !credential_store::take_event_number(conn, user_id)? {
                return Err(AuthError::CredentialNotFound);
            }
            let credential = credential_store::find(conn, user_id)?
                .filter(|credential| credential.status != CredentialStatus::Deleted)
                .ok_or(AuthError::CredentialNotFound)?;
            guesses.forget_user(conn, user_id)?;
            let (kind, sequence) = (EventType::AccountUnlocked, credential.event_seq);
            let event = NewEvent::about(Service::Auth, kind, user_id, sequence, now, &origin);
            Ok(outbox::write(conn, event)?)
        })
        .await?;
    state.outbox.wake();
    Ok(())
}
