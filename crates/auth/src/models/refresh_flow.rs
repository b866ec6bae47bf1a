//! Refreshing: the tag, auth's own row, role's answer, the step, the signature, in this order. The step
//! commits; whatever fails before it costs nothing, and the same token works afterwards.

use ud_kernel::models::{CredentialStatus, Origin};

use super::{
    credential_store,
    error::AuthError,
    refresh_token::RefreshToken,
    session_calls::{ROUNDS, SessionRefusal},
    token_pair::{Grant, TokenPair},
};
use crate::state::AuthState;

/// Exchanges a refresh token for new tokens.
///
/// # Errors
/// [`AuthError::InvalidRefreshToken`]; [`AuthError::Busy`], [`AuthError::Store`] or [`AuthError::Call`] when
/// it may succeed later.
pub async fn refresh(
    state: &AuthState,
    token: &str,
    origin: Origin,
) -> Result<TokenPair, AuthError> {
    let token = RefreshToken::decode(&state.refresh_ring, token)
        .map_err(|_| AuthError::InvalidRefreshToken)?;
    let origin = Origin {
        actor_id: Some(token.user_id),
        ..origin
    };
    // Before the step: with keys missing the session must not move on.
    let keys = state.keys.get()?;
    let mut refused_epoch = None;
    for _ in 0..ROUNDS {
        let user_id = token.user_id;
        let credential = state
            .db
            .read(move |conn| credential_store::find(conn, user_id))
            .await?
            .filter(|c| c.status == CredentialStatus::Active)
            .ok_or(AuthError::InvalidRefreshToken)?;
        if refused_epoch == Some(credential.epoch) {
            // Not a change that overtook this request: the session service has not been told of it yet. Soon it
            // will, and either close this session or, if the change was this session's own, raise its epoch.
            return Err(AuthError::Busy);
        }
        state.steps.at("refresh.credential-read").await;
        let access = state.calls.access(user_id).await?;
        state.steps.at("refresh.access-read").await;
        let now = state.clock.now();
        let key_id = state.refresh_ring.current().0;
        let epoch = credential.epoch;
        match state
            .calls
            .step(&token, epoch, key_id, &access, now, &origin)
            .await
        {
            Ok(session) => {
                state.steps.at("refresh.stepped").await;
                let grant = Grant {
                    user_id,
                    session: &session,
                    access,
                    nonce: token.nonce,
                };
                return grant.sign(keys.signing(now), &state.issuer, &state.refresh_ring, now);
            }
            Err(SessionRefusal::PolicyStale) => {}
            Err(SessionRefusal::EpochTooOld) => refused_epoch = Some(epoch),
            Err(SessionRefusal::Closed) => return Err(AuthError::InvalidRefreshToken),
            Err(SessionRefusal::Failed(error)) => return Err(error.into()),
        }
    }
    Err(AuthError::Busy)
}
