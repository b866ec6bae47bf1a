//! What a login or a refresh gives: an access token and a refresh token.

use ud_config::KeyRing;
use ud_jwt::{AccessClaims, ONE_FACTOR, OWN_CLIENT, SignError, SigningKey, new_jti};
use ud_kernel::{
    SessionId, Timestamp, UserId,
    models::{Access, SessionGrant},
};

use super::refresh_token::{Nonce, RefreshToken};
use crate::models::error::AuthError;

/// Issuer and audience of access tokens.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

impl Issuer {
    /// Checks that the access token of a user with these rights can be signed by `key`, whatever the session service
    /// will say. To be asked before a session is made or rotated: afterwards it is too late to refuse.
    ///
    /// # Errors
    /// [`AuthError::TokenTooLong`].
    pub fn check_room(
        &self,
        key: &SigningKey,
        user_id: UserId,
        access: &Access,
    ) -> Result<(), AuthError> {
        let claims = AccessClaims {
            roles: access.roles.clone(),
            permissions: access.permissions.clone(),
            ..AccessClaims::largest(&self.issuer, &self.audience)
        };
        key.check_length(&claims).map_err(|error| match error {
            SignError::TooLong => {
                log::warn!(
                    "the roles and permissions of user {user_id} do not fit into an access token: take some away"
                );
                AuthError::TokenTooLong
            }
            failed @ SignError::Failed => failed.into(),
        })
    }
}

/// The two tokens.
#[derive(Clone)]
pub struct TokenPair {
    /// Whose.
    pub user_id: UserId,
    /// Of which session.
    pub session_id: SessionId,
    /// JWT.
    pub access_token: String,
    /// Seconds.
    pub expires_in: u64,
    /// Opaque.
    pub refresh_token: String,
    /// Seconds.
    pub refresh_expires_in: u64,
}

impl std::fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenPair({}, ..)", self.session_id)
    }
}

/// Everything the tokens are made of.
#[derive(Debug)]
pub struct Grant<'a> {
    /// Whose.
    pub user_id: UserId,
    /// What the session service allowed.
    pub session: &'a SessionGrant,
    /// What role says of the user; as old as the session service accepted.
    pub access: Access,
    /// Nonce of the refresh chain.
    pub nonce: Nonce,
}

impl Grant<'_> {
    /// Makes the tokens. The refresh token is the same bytes whenever it is made from the same grant.
    ///
    /// # Errors
    /// [`AuthError::InvalidRefreshToken`] if the key the session names is no longer in the ring;
    /// [`AuthError::Internal`] for a token that would be too long, which [`Issuer::check_room`] refuses before.
    pub fn sign(
        self,
        key: &SigningKey,
        issuer: &Issuer,
        ring: &KeyRing,
        now: Timestamp,
    ) -> Result<TokenPair, AuthError> {
        let session = self.session;
        let refresh = RefreshToken {
            user_id: self.user_id,
            session_id: session.session_id,
            counter: session.counter,
            nonce: self.nonce,
        };
        let refresh_token = refresh
            .encode(ring, &session.key_id)
            .ok_or(AuthError::InvalidRefreshToken)?;
        let claims = AccessClaims {
            iss: issuer.issuer.clone(),
            sub: self.user_id,
            sid: session.session_id,
            aud: issuer.audience.clone(),
            client_id: OWN_CLIENT.to_owned(),
            iat: session.issued_at.as_secs(),
            nbf: session.issued_at.as_secs(),
            exp: session.access_expires_at.as_secs(),
            jti: new_jti()?,
            auth_time: session.authenticated_at.as_secs(),
            acr: ONE_FACTOR.to_owned(),
            amr: session.amr.clone(),
            roles: self.access.roles,
            permissions: self.access.permissions,
            pv: self.access.policy_version,
            inc: session.incarnation.clone(),
        };
        Ok(TokenPair {
            user_id: self.user_id,
            session_id: session.session_id,
            access_token: key.sign(&claims)?,
            expires_in: session.access_expires_at.since(now).as_secs(),
            refresh_token,
            refresh_expires_in: session.refresh_expires_at.since(now).as_secs(),
        })
    }
}
