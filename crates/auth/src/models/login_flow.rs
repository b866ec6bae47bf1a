//! Logging in with a password.

use ud_http::SecurityNotice;
use ud_kernel::{
    SessionId,
    models::{CredentialStatus, Origin},
};
use zeroize::Zeroizing;

use super::{
    credential::StoredCredential,
    credential_store,
    error::AuthError,
    guess_limit::Guess,
    identifier::Identifier,
    password_hash::PasswordHash,
    refresh_token::Nonce,
    session_calls::{NewSession, ROUNDS, SessionRefusal},
    token_pair::{Grant, TokenPair},
};
use crate::state::AuthState;

/// An attempt to log in.
pub struct LoginAttempt {
    /// As typed.
    pub identifier: String,
    /// As typed.
    pub password: Zeroizing<String>,
    /// What the client's address is counted under.
    pub address: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Logs in. The epoch the session is made with is the one read together with the hash the password matched:
/// whatever raises it in between makes the session service refuse, and the password is looked at again.
///
/// # Errors
/// [`AuthError::InvalidCredentials`] after the same work for unknown, wrong and deleted;
/// [`AuthError::Suspended`] only after a right password; [`AuthError::TooManyAttempts`]; [`AuthError::Busy`],
/// [`AuthError::Store`] or [`AuthError::Call`] when it may succeed later.
pub async fn log_in(state: &AuthState, attempt: LoginAttempt) -> Result<TokenPair, AuthError> {
    let guess = state.guesses.guess(&attempt.identifier, &attempt.address);
    let mut matched = None;
    for _ in 0..ROUNDS {
        let credential = check_password(state, &attempt, &guess, &mut matched).await?;
        state.steps.at("login.checked").await;
        match open_session(state, &credential, &attempt.origin).await {
            Ok(tokens) => {
                state.steps.at("login.session-opened").await;
                rehash_if_weak(state, &credential, &attempt.password).await;
                return Ok(tokens);
            }
            Err(SessionError::EpochTooOld) => {}
            Err(SessionError::Other(error)) => return Err(error),
        }
    }
    Err(AuthError::Busy)
}

/// The credential that identifier and password open. `matched` remembers the hash that was computed last, so
/// that a repeat over an unchanged hash costs none.
async fn check_password(
    state: &AuthState,
    attempt: &LoginAttempt,
    guess: &Guess,
    matched: &mut Option<PasswordHash>,
) -> Result<StoredCredential, AuthError> {
    let identifier = Identifier::parse(&attempt.identifier).ok();
    let (limit, counted, now) = (state.guesses.clone(), guess.clone(), state.clock.now());
    let found = state
        .db
        .read(move |conn| {
            limit.check(conn, &counted, now)?;
            match &identifier {
                Some(identifier) => {
                    credential_store::find_by_identifier(conn, identifier).map_err(AuthError::from)
                }
                None => Ok(None),
            }
        })
        .await
        .inspect_err(|error| note_limit(state, error, guess, &attempt.origin))?;
    let hash = found.as_ref().and_then(|c| c.password_hash.as_ref());
    let is_known = hash.is_some() && hash == matched.as_ref();
    if !is_known && !state.passwords.verify(&attempt.password, hash).await? {
        note_failure(state, found.as_ref(), guess, &attempt.origin);
        return Err(count_failure(state, guess).await);
    }
    // Guesses that were hashed while others failed: beyond the limit a right one is worth no more than a
    // wrong one.
    recheck_limit(state, guess)
        .await
        .inspect_err(|error| note_limit(state, error, guess, &attempt.origin))?;
    let credential = found.ok_or(AuthError::InvalidCredentials)?;
    matched.clone_from(&credential.password_hash);
    match credential.status {
        CredentialStatus::Active => Ok(credential),
        CredentialStatus::Suspended => {
            note_failure(state, Some(&credential), guess, &attempt.origin);
            Err(AuthError::Suspended)
        }
        CredentialStatus::Deleted => Err(AuthError::InvalidCredentials),
    }
}

/// Counts a wrong password; what to answer to it.
pub(super) async fn count_failure(state: &AuthState, guess: &Guess) -> AuthError {
    let (limit, counted, now) = (state.guesses.clone(), guess.clone(), state.clock.now());
    let outcome = state
        .db
        .tx(move |conn| {
            limit.check(conn, &counted, now)?;
            limit.count(conn, &counted, now).map_err(AuthError::from)
        })
        .await;
    match outcome {
        Ok(()) => AuthError::InvalidCredentials,
        Err(error) => error,
    }
}

/// Whether the limit was reached while a password was being hashed.
pub(super) async fn recheck_limit(state: &AuthState, guess: &Guess) -> Result<(), AuthError> {
    let (limit, counted, now) = (state.guesses.clone(), guess.clone(), state.clock.now());
    state
        .db
        .read(move |conn| limit.check(conn, &counted, now))
        .await
}

/// Why no session was opened.
enum SessionError {
    /// The credential changed since it was read.
    EpochTooOld,
    Other(AuthError),
}

impl From<AuthError> for SessionError {
    fn from(error: AuthError) -> Self {
        Self::Other(error)
    }
}

async fn open_session(
    state: &AuthState,
    credential: &StoredCredential,
    origin: &Origin,
) -> Result<TokenPair, SessionError> {
    let keys = state.keys.get()?;
    let now = state.clock.now();
    let nonce = Nonce::random().map_err(AuthError::from)?;
    let origin = Origin {
        actor_id: Some(credential.user_id),
        ..origin.clone()
    };
    let new = NewSession {
        id: SessionId::new(now),
        credential,
        nonce_hash: nonce.hash(),
        key_id: state.refresh_ring.current().0,
        now,
        origin: &origin,
    };
    for _ in 0..ROUNDS {
        let access = state.calls.access(credential.user_id).await?;
        state.steps.at("login.access-read").await;
        match state.calls.create(&new, &access).await {
            Ok(session) => {
                let user_id = credential.user_id;
                let grant = Grant {
                    user_id,
                    session: &session,
                    access,
                    nonce,
                };
                let tokens =
                    grant.sign(keys.signing(now), &state.issuer, &state.refresh_ring, now)?;
                return Ok(tokens);
            }
            Err(SessionRefusal::PolicyStale) => {}
            Err(SessionRefusal::EpochTooOld) => return Err(SessionError::EpochTooOld),
            // A new id that is closed already: the session was opened by an earlier send of this very call,
            // and closed. The credential changed.
            Err(SessionRefusal::Closed) => return Err(SessionError::EpochTooOld),
            Err(SessionRefusal::Failed(error)) => {
                return Err(SessionError::Other(error.into()));
            }
        }
    }
    Err(SessionError::Other(AuthError::Busy))
}

/// Puts a hash of today's cost in place of a cheaper one. Whatever goes wrong, the login stands.
async fn rehash_if_weak(
    state: &AuthState,
    credential: &StoredCredential,
    password: &Zeroizing<String>,
) {
    let Some(old) = credential.password_hash.clone() else {
        return;
    };
    if !state.passwords.is_weak(&old) {
        return;
    }
    let replaced = async {
        let new = state.passwords.hash(password).await?;
        let user_id = credential.user_id;
        state
            .db
            .tx(move |conn| {
                credential_store::replace_hash(conn, user_id, &old, &new).map_err(AuthError::from)
            })
            .await
    };
    if let Err(error) = replaced.await {
        log::info!("password hash not renewed: {error}");
    }
}

/// Tells the audit log of a login that failed (SECURITY rule 33); who is the target only if they exist.
pub(super) fn note_failure(
    state: &AuthState,
    credential: Option<&StoredCredential>,
    guess: &Guess,
    origin: &Origin,
) {
    let (target_type, target_id) = match credential {
        Some(credential) => ("user", credential.user_id.to_string()),
        None => ("identifier", guess.account().to_owned()),
    };
    state.security_log.note(SecurityNotice {
        event: "login_failed",
        origin: origin.clone(),
        target_type,
        target_id,
    });
}

/// Tells the audit log that the limit was reached.
pub(super) fn note_limit(state: &AuthState, error: &AuthError, guess: &Guess, origin: &Origin) {
    if matches!(error, AuthError::TooManyAttempts(_)) {
        state.security_log.note(SecurityNotice {
            event: "rate_limited",
            origin: origin.clone(),
            target_type: "identifier",
            target_id: guess.account().to_owned(),
        });
    }
}
