//! Refreshing: the tag, auth's own row, role's answer, its length in a token, the rotation, the signature, in this order.
//! The rotation commits; whatever fails before it costs nothing, and the same token works afterwards. Proving again who one
//! is rotates the same way, with a password on top.

use std::time::Duration;

use tokio::time::sleep;
use ud_kernel::{
    SessionId, UserId,
    models::{CredentialStatus, Provenance},
};

use super::{
    check_password::{PasswordAttempt, check_password},
    complete_login::settle_only,
};
use crate::{
    models::{
        credential::{self, StoredCredential},
        error::AuthError,
        peers::{NextRotation, ROUNDS, SessionRefusal},
        token::{
            refresh_token::RefreshToken,
            token_pair::{Grant, TokenPair},
        },
    },
    state::AuthState,
};

/// Whoever raised an epoch tells the session service within milliseconds, if that can be reached.
const UNTIL_TOLD: Duration = Duration::from_millis(50);

/// Exchanges a refresh token for new tokens.
///
/// # Errors
/// [`AuthError::InvalidRefreshToken`]; [`AuthError::TokenTooLong`]; [`AuthError::Busy`], [`AuthError::Store`] or
/// [`AuthError::Call`] when it may succeed later.
pub async fn refresh(
    state: &AuthState,
    token: &RefreshToken,
    origin: Provenance,
) -> Result<TokenPair, AuthError> {
    let origin = Provenance {
        actor_id: Some(token.user_id),
        ..origin
    };
    exchange(state, token, false, &origin, async || {
        active_credential(state, token.user_id).await
    })
    .await
}

/// Exchanges a refresh token for new tokens with a new `auth_time`, for the right password (SECURITY rule 21).
///
/// # Errors
/// Those of [`check_password`], and those of [`refresh`].
pub async fn reauthenticate(
    state: &AuthState,
    token: &RefreshToken,
    attempt: &PasswordAttempt,
) -> Result<TokenPair, AuthError> {
    let mut matched = None;
    exchange(state, token, true, &attempt.origin, async || {
        let mut right = check_password(state, attempt, &mut matched).await?;
        settle_only(state, &mut right).await?;
        state.failpoints.at("reauthenticate.checked").await;
        Ok(right.credential)
    })
    .await
}

/// Exchanges the refresh token of a session whose user has just set a new password.
///
/// # Errors
/// Those of [`refresh`].
pub async fn after_new_password(
    state: &AuthState,
    token: &RefreshToken,
    origin: &Provenance,
) -> Result<TokenPair, AuthError> {
    exchange(state, token, true, origin, async || {
        active_credential(state, token.user_id).await
    })
    .await
}

/// The refresh token in `text`, of this session and user.
///
/// # Errors
/// [`AuthError::InvalidRefreshToken`], also for a good one of another session.
pub fn decode_own(
    state: &AuthState,
    text: &str,
    user_id: UserId,
    session_id: SessionId,
) -> Result<RefreshToken, AuthError> {
    let token = RefreshToken::decode(&state.refresh_ring, text)
        .map_err(|_| AuthError::InvalidRefreshToken)?;
    if token.user_id == user_id && token.session_id == session_id {
        Ok(token)
    } else {
        Err(AuthError::InvalidRefreshToken)
    }
}

async fn active_credential(
    state: &AuthState,
    user_id: UserId,
) -> Result<StoredCredential, AuthError> {
    state
        .db
        .read(move |conn| credential::store::find(conn, user_id))
        .await?
        .filter(|c| c.status == CredentialStatus::Active)
        .ok_or(AuthError::InvalidRefreshToken)
}

/// Rotates the refresh token of the session over the credential that `read` gives, and signs.
async fn exchange(
    state: &AuthState,
    token: &RefreshToken,
    reauthenticated: bool,
    origin: &Provenance,
    mut read: impl AsyncFnMut() -> Result<StoredCredential, AuthError>,
) -> Result<TokenPair, AuthError> {
    let user_id = token.user_id;
    // Before the rotation: with keys missing the session must not move on.
    let keys = state.keys.get()?;
    let mut refused_epoch = None;
    for _ in 0..ROUNDS {
        let credential = read().await?;
        if refused_epoch == Some(credential.epoch) {
            // Not a change that overtook this request: the session service has not been told of it yet. Soon it
            // will, and either close this session or, if the change was this session's own, raise its epoch.
            sleep(UNTIL_TOLD).await;
        }
        state.failpoints.at("refresh.credential-read").await;
        let access = state.calls.access(user_id).await?;
        state.failpoints.at("refresh.access-read").await;
        let now = state.clock.now();
        // Before the rotation, after which the presented token is used up.
        state
            .issuer
            .check_room(keys.signing(now), user_id, &access)?;
        let next = NextRotation {
            token,
            epoch: credential.epoch,
            ring: &state.refresh_ring,
            now,
            reauthenticated,
            origin,
        };
        match state.calls.rotate(&next, &access).await {
            Ok(session) => {
                state.failpoints.at("refresh.rotated").await;
                let grant = Grant {
                    user_id,
                    session: &session,
                    access,
                    nonce: token.nonce,
                };
                return grant.sign(keys.signing(now), &state.issuer, &state.refresh_ring, now);
            }
            Err(SessionRefusal::PolicyStale) => {}
            Err(SessionRefusal::EpochTooOld) => refused_epoch = Some(credential.epoch),
            Err(SessionRefusal::Closed) => return Err(AuthError::InvalidRefreshToken),
            Err(SessionRefusal::Failed(error)) => return Err(error.into()),
        }
    }
    Err(AuthError::Busy)
}
