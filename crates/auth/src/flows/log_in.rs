//! Logging in with a password.

use ud_kernel::{
    SessionId, UserId,
    models::{Access, Provenance},
};

use super::{
    check_password::{PasswordAttempt, check_password, refund},
    complete_login::{Completion, complete_login},
};
use crate::{
    models::{
        credential::{self, StoredCredential},
        error::AuthError,
        peers::{NewSession, ROUNDS, SessionRefusal},
        queue::fair_queue::Entrant,
        token::{
            refresh_token::Nonce,
            token_pair::{Grant, TokenPair},
        },
    },
    state::AuthState,
};

/// What a login gives.
pub struct LoggedIn {
    /// Of the new session.
    pub tokens: TokenPair,
    /// To be sent with the next login from this device.
    pub device_token: String,
}

/// Logs in. The epoch the session is made with is the one read together with the hash the password matched:
/// whatever raises it in between makes the session service refuse, and the password is looked at again.
///
/// # Errors
/// It fails as [`check_password`] does; with [`AuthError::TokenTooLong`]; with [`AuthError::Busy`],
/// [`AuthError::Store`] or [`AuthError::Call`] when it may succeed later.
pub async fn log_in(
    state: &AuthState,
    mut attempt: PasswordAttempt,
) -> Result<LoggedIn, AuthError> {
    let (mut matched, mut device) = (None, None);
    for _ in 0..ROUNDS {
        let right = check_password(state, &attempt, &mut matched).await?;
        state.failpoints.at("login.checked").await;
        let credential = right.credential.clone();
        // Before the unlock code is used up and the device is known: who cannot be let in now has both the next time.
        let access = match fitting_access(state, credential.user_id).await {
            Ok(access) => access,
            Err(error) => {
                refund(state, right).await;
                return Err(error);
            }
        };
        let traces = match complete_login(state, right, attempt.source, &mut device).await? {
            Completion::Done(traces) => traces,
            Completion::Changed => continue,
            Completion::CodeUsed => {
                // Without the code it is another try, judged by other counts.
                attempt.unlock_code = None;
                matched = None;
                continue;
            }
        };
        state.failpoints.at("login.completed").await;
        match open_session(state, &credential, access, &attempt.origin).await {
            Ok(tokens) => {
                state.failpoints.at("login.session-opened").await;
                rehash_if_weak(state, &credential, &attempt).await;
                let device_token = traces.keep(state).await;
                return Ok(LoggedIn {
                    tokens,
                    device_token,
                });
            }
            Err(SessionError::EpochTooOld) => {}
            Err(SessionError::Other(error)) => {
                traces.undo(state).await;
                return Err(error);
            }
        }
    }
    Err(AuthError::Busy)
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

async fn read_access(state: &AuthState, user_id: UserId) -> Result<Access, AuthError> {
    let access = state.calls.access(user_id).await?;
    state.failpoints.at("login.access-read").await;
    Ok(access)
}

/// Reads the user's rights, which fit into a token.
async fn fitting_access(state: &AuthState, user_id: UserId) -> Result<Access, AuthError> {
    let access = read_access(state, user_id).await?;
    let keys = state.keys.get()?;
    let key = keys.signing(state.clock.now());
    state.issuer.check_room(key, user_id, &access)?;
    Ok(access)
}

async fn open_session(
    state: &AuthState,
    credential: &StoredCredential,
    access: Access,
    origin: &Provenance,
) -> Result<TokenPair, SessionError> {
    let keys = state.keys.get()?;
    let now = state.clock.now();
    let nonce = Nonce::random().map_err(AuthError::from)?;
    let origin = Provenance {
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
    let mut known = Some(access);
    for _ in 0..ROUNDS {
        let access = match known.take() {
            Some(access) => access,
            None => read_access(state, credential.user_id).await?,
        };
        // Before there is a session, and by the key that signs: a moment ago it may have been another.
        state
            .issuer
            .check_room(keys.signing(now), credential.user_id, &access)?;
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

/// Puts a hash of our own and of today's cost in place of a foreign or cheaper one. Whatever goes wrong, the login stands.
async fn rehash_if_weak(
    state: &AuthState,
    credential: &StoredCredential,
    attempt: &PasswordAttempt,
) {
    let Some(old) = credential.password_hash.clone() else {
        return;
    };
    if !state.passwords.is_weak(&old) {
        return;
    }
    let entrant = Entrant {
        source: attempt.source,
        has_evidence: true,
    };
    let replaced = async {
        let new = state.passwords.hash(entrant, &attempt.password).await?;
        let user_id = credential.user_id;
        state
            .db
            .tx(move |conn| {
                credential::store::replace_hash(conn, user_id, &old, &new).map_err(AuthError::from)
            })
            .await
    };
    if let Err(error) = replaced.await {
        log::info!("password hash not renewed: {error}");
    }
}
