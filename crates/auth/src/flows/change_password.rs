//! Changing a password.

use ud_events::{EventType, NewEvent, outbox};
use ud_kernel::{Revocation, Service, Source, UserId, models::Provenance};
use zeroize::Zeroizing;

use super::{
    check_password::{Account, PasswordAttempt, check_password},
    complete_login::settle_only,
    refresh::after_new_password,
};
use crate::{
    models::{
        credential::{self, epoch::write_epoch_event, identifier_store},
        error::AuthError,
        password::{hash::PasswordHash, policy::ContextWords},
        peers::{ROUNDS, told_or_pending},
        place,
        queue::fair_queue::Entrant,
        token::{refresh_token::RefreshToken, token_pair::TokenPair},
    },
    state::AuthState,
};

/// A request to change one's own password.
pub struct PasswordChange {
    /// Whose.
    pub user_id: UserId,
    /// Refresh token of the session that asks: it stays open, and gets a new one.
    pub refresh_token: RefreshToken,
    /// As typed.
    pub current: Zeroizing<String>,
    /// As typed.
    pub new: Zeroizing<String>,
    /// Who asks.
    pub source: Source,
    /// Where it comes from.
    pub origin: Provenance,
}

/// What has become of the sessions of a user whose password was changed.
#[derive(Debug)]
pub enum PasswordChanged {
    /// The others are closed, and this one goes on with these tokens.
    Renewed(TokenPair),
    /// The change stands, but this session could not be renewed: its tokens stay as they were.
    NotRenewed(Revocation),
}

/// Changes the password, raises the epoch, closes every other session and rotates the refresh token of this one: whoever
/// has a copy of its refresh token has an old one (SECURITY rule 21).
///
/// # Errors
/// [`AuthError::InvalidCredentials`] for a wrong current password, which counts as a failed login;
/// [`AuthError::Invalid`] for a new one the policy refuses; [`AuthError::Suspended`];
/// [`AuthError::TooManyAttempts`]; [`AuthError::TokenTooLong`]; [`AuthError::Busy`] or [`AuthError::Store`] when it may
/// succeed later.
pub async fn change_password(
    state: &AuthState,
    change: PasswordChange,
) -> Result<PasswordChanged, AuthError> {
    let attempt = PasswordAttempt {
        account: Account::Own(change.user_id, change.refresh_token.session_id),
        password: change.current.clone(),
        device_token: None,
        unlock_code: None,
        source: change.source,
        origin: change.origin.clone(),
    };
    let mut matched = None;
    let mut new_hash: Option<PasswordHash> = None;
    for _ in 0..ROUNDS {
        let mut right = check_password(state, &attempt, &mut matched).await?;
        settle_only(state, &mut right).await?;
        check_room(state, change.user_id).await?;
        let old = right
            .credential
            .password_hash
            .ok_or(AuthError::InvalidCredentials)?;
        let new = match &new_hash {
            Some(hash) => hash.clone(),
            None => {
                accept_new(state, &change).await?;
                let hash = state.passwords.hash(entrant(&change), &change.new).await?;
                new_hash.insert(hash).clone()
            }
        };
        state.failpoints.at("password.hashed").await;
        // Lost only to another change of the same password, or to a renewed hash of the same one.
        if let Some(epoch) = store(state, &change, old, new).await? {
            state.outbox.wake();
            state.failpoints.at("password.changed").await;
            return Ok(renew(state, &change, epoch).await);
        }
    }
    Err(AuthError::Busy)
}

/// Refuses a change after which no token can be signed. That role does not answer is no reason to refuse: the password
/// is changed all the same, and the session is renewed if role answers then.
async fn check_room(state: &AuthState, user_id: UserId) -> Result<(), AuthError> {
    let keys = state.keys.get()?;
    match state.calls.access(user_id).await {
        Ok(access) => {
            let key = keys.signing(state.clock.now());
            state.issuer.check_room(key, user_id, &access)
        }
        Err(error) => {
            log::info!("rights not known before a change of password: {error}");
            Ok(())
        }
    }
}

/// Tells the session service of the new epoch, and rotates the refresh token of the session that asked. Nothing here undoes
/// the change.
async fn renew(state: &AuthState, change: &PasswordChange, epoch: i64) -> PasswordChanged {
    let (token, origin) = (&change.refresh_token, &change.origin);
    let direct = state
        .calls
        .close_below(change.user_id, epoch, Some(token.session_id), origin)
        .await;
    let revocation = told_or_pending(direct);
    if revocation == Revocation::Pending {
        return PasswordChanged::NotRenewed(revocation);
    }
    state.failpoints.at("password.sessions-closed").await;
    match after_new_password(state, token, origin).await {
        Ok(tokens) => PasswordChanged::Renewed(tokens),
        Err(error) => {
            log::info!("session not renewed after a change of password: {error}");
            PasswordChanged::NotRenewed(revocation)
        }
    }
}

/// The current password was right: that is as good as evidence.
const fn entrant(change: &PasswordChange) -> Entrant {
    Entrant {
        source: change.source,
        has_evidence: true,
    }
}

async fn accept_new(state: &AuthState, change: &PasswordChange) -> Result<(), AuthError> {
    let user_id = change.user_id;
    let identifiers = state
        .db
        .read(move |conn| identifier_store::of_user(conn, user_id).map_err(AuthError::from))
        .await?;
    let own = [&identifiers.email, &identifiers.username];
    let words = ContextWords::new(own.into_iter().flatten().map(String::as_str));
    state
        .passwords
        .check(entrant(change), &change.new, words)
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
    let (user_id, except) = (change.user_id, Some(change.refresh_token.session_id));
    let (origin, now) = (change.origin.clone(), state.clock.now());
    let names = state.places.names(user_id, change.source);
    state
        .db
        .tx(move |conn| {
            if !credential::store::change_password(conn, user_id, &old, &new, now)? {
                return Ok(None);
            }
            let credential =
                credential::store::find(conn, user_id)?.ok_or(AuthError::CredentialNotFound)?;
            let (epoch, last) = (credential.epoch, credential.event_seq);
            let kind = EventType::PASSWORD_CHANGED;
            // Whoever chose the password is known where they did.
            place::store::put(conn, user_id, epoch, &names, now)?;
            let changed = NewEvent::about(Service::Auth, kind, user_id, last - 1, now, &origin);
            outbox::write(conn, changed)?;
            write_epoch_event(conn, user_id, epoch, last, except, now, &origin)?;
            Ok(Some(epoch))
        })
        .await
}
