//! Changing a password.

use ud_events::{EventType, NewEvent, outbox};
use ud_kernel::{
    Service, SessionId, UserId,
    models::{CredentialStatus, Origin},
};
use zeroize::Zeroizing;

use super::{
    credential::StoredCredential,
    credential_store,
    error::AuthError,
    identifier_store::{self, UserIdentifiers},
    login_flow::{count_failure, note_failure, note_limit, recheck_limit},
    logout_flow::{SessionsClosed, write_epoch_event},
    password_hash::PasswordHash,
    password_policy::ContextWords,
    session_calls::{ROUNDS, told_or_pending},
};
use crate::state::AuthState;

/// A request to change one's own password.
pub struct PasswordChange {
    /// Whose.
    pub user_id: UserId,
    /// The session that asks; it stays open.
    pub session_id: SessionId,
    /// As typed.
    pub current: Zeroizing<String>,
    /// As typed.
    pub new: Zeroizing<String>,
    /// What the client's address is counted under.
    pub address: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Changes the password, raises the epoch and closes every other session.
///
/// # Errors
/// [`AuthError::InvalidCredentials`] for a wrong current password, which counts as a guess;
/// [`AuthError::Invalid`] for a new one the policy refuses; [`AuthError::Suspended`];
/// [`AuthError::TooManyAttempts`]; [`AuthError::Busy`] or [`AuthError::Store`] when it may succeed later.
pub async fn change_password(
    state: &AuthState,
    change: PasswordChange,
) -> Result<SessionsClosed, AuthError> {
    let mut new_hash: Option<PasswordHash> = None;
    for _ in 0..ROUNDS {
        let (credential, identifiers, old) = check_current(state, &change).await?;
        let new = match &new_hash {
            Some(hash) => hash.clone(),
            None => {
                accept_new(state, &change.new, &identifiers).await?;
                let hash = state.passwords.hash(&change.new).await?;
                new_hash.insert(hash).clone()
            }
        };
        state.steps.at("password.hashed").await;
        // Lost only to another change of the same password, or to a renewed hash of the same one.
        if let Some(epoch) = store(state, &change, old, new).await? {
            state.outbox.wake();
            state.steps.at("password.changed").await;
            let direct = state
                .calls
                .close_below(
                    credential.user_id,
                    epoch,
                    Some(change.session_id),
                    &change.origin,
                )
                .await;
            return Ok(SessionsClosed(told_or_pending(direct)));
        }
    }
    Err(AuthError::Busy)
}

/// Reads the credential and compares the current password with it.
async fn check_current(
    state: &AuthState,
    change: &PasswordChange,
) -> Result<(StoredCredential, UserIdentifiers, PasswordHash), AuthError> {
    let user_id = change.user_id;
    let (credential, identifiers) = state
        .db
        .read(move |conn| {
            let credential = credential_store::find(conn, user_id)?;
            let identifiers = identifier_store::of_user(conn, user_id)?;
            Ok::<_, AuthError>((credential, identifiers))
        })
        .await?;
    let credential = credential.ok_or(AuthError::InvalidCredentials)?;
    // Guesses here and at login by the email address are counted together.
    let account = identifiers.email_canonical.as_deref().unwrap_or_default();
    let guess = state.guesses.guess(account, &change.address);
    recheck_limit(state, &guess)
        .await
        .inspect_err(|error| note_limit(state, error, &guess, &change.origin))?;
    let hash = credential.password_hash.clone();
    if !state
        .passwords
        .verify(&change.current, hash.as_ref())
        .await?
    {
        note_failure(state, Some(&credential), &guess, &change.origin);
        return Err(count_failure(state, &guess).await);
    }
    recheck_limit(state, &guess).await?;
    match (credential.status, hash) {
        (CredentialStatus::Active, Some(hash)) => Ok((credential, identifiers, hash)),
        (CredentialStatus::Suspended, _) => Err(AuthError::Suspended),
        _ => Err(AuthError::InvalidCredentials),
    }
}

async fn accept_new(
    state: &AuthState,
    password: &Zeroizing<String>,
    identifiers: &UserIdentifiers,
) -> Result<(), AuthError> {
    let own = [&identifiers.email, &identifiers.username];
    let words = ContextWords::new(own.into_iter().flatten().map(String::as_str));
    state
        .passwords
        .check(password, words)
        .await?
        .map_err(|refusal| AuthError::Invalid(vec![refusal.field_error("/new_password")]))
}

/// Stores the new hash over the old one. Gives the new epoch; none if the old one is not there any more.
async fn store(
    state: &AuthState,
    change: &PasswordChange,
    old: PasswordHash,
    new: PasswordHash,
) -> Result<Option<i64>, AuthError> {
    let (user_id, except) = (change.user_id, Some(change.session_id));
    let (origin, now) = (change.origin.clone(), state.clock.now());
    state
        .db
        .tx(move |conn| {
            if !credential_store::change_password(conn, user_id, &old, &new, now)? {
                return Ok(None);
            }
            let credential =
                credential_store::find(conn, user_id)?.ok_or(AuthError::CredentialNotFound)?;
            let (epoch, last) = (credential.epoch, credential.event_seq);
            let kind = EventType::PasswordChanged;
            let changed = NewEvent::about(Service::Auth, kind, user_id, last - 1, now, &origin);
            outbox::write(conn, changed)?;
            write_epoch_event(conn, user_id, epoch, last, except, now, &origin)?;
            Ok(Some(epoch))
        })
        .await
}
