//! Unlocks an account throttled by other people's failed logins: makes a code that its owner sends with the login.

use serde_json::Value;
use ud_events::{EventType, NewEvent, outbox};
use ud_kernel::{
    Service, UserId,
    models::{CredentialStatus, Provenance},
};

use crate::{
    models::{
        credential::{self, identifier::Identifier},
        error::AuthError,
        unlock::{self, code::UnlockCode},
    },
    state::AuthState,
};

/// Makes an unlock code in place of an earlier one, and writes the event that says so. No count changes: strangers go on
/// waiting.
///
/// # Errors
/// [`AuthError::CredentialNotFound`], also for a deleted one; [`AuthError::Store`]; [`AuthError::Internal`] without
/// random bytes.
pub async fn unlock(
    state: &AuthState,
    user_id: UserId,
    origin: Provenance,
) -> Result<UnlockCode, AuthError> {
    make_code(state, user_id, origin, None).await
}

async fn make_code(
    state: &AuthState,
    user_id: UserId,
    origin: Provenance,
    operator: Option<Value>,
) -> Result<UnlockCode, AuthError> {
    let code = UnlockCode::random()?;
    let (hash, now) = (state.unlock_key.hash(user_id, &code), state.clock.now());
    state
        .db
        .tx(move |conn| {
            // Takes the row's lock and the number of the event.
            if !credential::store::take_event_number(conn, user_id)? {
                return Err(AuthError::CredentialNotFound);
            }
            let credential = credential::store::find(conn, user_id)?
                .filter(|credential| credential.status != CredentialStatus::Deleted)
                .ok_or(AuthError::CredentialNotFound)?;
            unlock::store::put(conn, user_id, &hash, credential.epoch, now)?;
            let (kind, sequence) = (EventType::ACCOUNT_UNLOCKED, credential.event_seq);
            let mut event = NewEvent::about(Service::Auth, kind, user_id, sequence, now, &origin);
            if let Some(operator) = &operator {
                event = event.details(operator);
            }
            Ok(outbox::write(conn, event)?)
        })
        .await?;
    state.outbox.wake();
    Ok(code)
}

/// [`unlock()`] for the `operator` of the machine, who knows an email address or a username.
///
/// # Errors
/// As [`unlock()`].
pub async fn unlock_identifier(
    state: &AuthState,
    identifier: &str,
    operator: &Value,
) -> Result<(UserId, UnlockCode), AuthError> {
    let parsed = Identifier::parse(ud_kernel::trim_identifier(identifier))
        .map_err(|_| AuthError::CredentialNotFound)?;
    let found = state
        .db
        .read(move |conn| credential::store::find_by_identifier(conn, &parsed))
        .await?;
    let user_id = found.ok_or(AuthError::CredentialNotFound)?.user_id;
    let (origin, operator) = (Provenance::default(), Some(operator.clone()));
    Ok((user_id, make_code(state, user_id, origin, operator).await?))
}
