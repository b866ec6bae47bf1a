//! Auth's calls to role and to session.

use std::time::Duration;

use ud_config::KeyRing;
use ud_kernel::{
    Code, Revocation, SessionId, Timestamp, UserId,
    models::{
        Access, CloseSessions, CreateSession, Provenance, RevokedKey, RotateSession, SessionGrant,
    },
    operation::{self, ReadAccess, RevokeKey},
};
use ud_peer::{CallError, ServiceClient};

use super::{
    credential::StoredCredential,
    error::AuthError,
    token::{
        lifetime::{is_privileged, lifetime, seconds},
        refresh_token::RefreshToken,
    },
};

/// How often role is asked again because its policy moved on meanwhile.
pub const ROUNDS: usize = 3;

/// How the session service refused.
#[derive(Debug)]
pub enum SessionRefusal {
    /// The user's roles changed: read them again.
    PolicyStale,
    /// The credential's epoch is not the session's, or below what is required.
    EpochTooOld,
    /// Unknown, closed, expired, or closed just now.
    Closed,
    /// No answer, or one that makes no sense.
    Failed(CallError),
}

impl From<CallError> for SessionRefusal {
    fn from(error: CallError) -> Self {
        if error.is(Code::SESSION_POLICY_STALE) {
            Self::PolicyStale
        } else if error.is(Code::SESSION_EPOCH_TOO_OLD) {
            Self::EpochTooOld
        } else if error.is(Code::SESSION_CLOSED) {
            Self::Closed
        } else {
            Self::Failed(error)
        }
    }
}

/// The clients, and how long access tokens live.
#[derive(Clone)]
pub struct SessionCalls {
    role: ServiceClient,
    session: ServiceClient,
    access_ttl: Duration,
}

/// A session about to be made.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Its id, chosen here, so that a repeated call makes no second session.
    pub id: SessionId,
    /// The credential as it was when the password was checked.
    pub credential: &'a StoredCredential,
    /// SHA-256 of the refresh chain's nonce.
    pub nonce_hash: String,
    /// Key that will tag the refresh token.
    pub key_id: &'a str,
    /// Now.
    pub now: Timestamp,
    /// Where the login came from.
    pub origin: &'a Provenance,
}

/// A session about to be rotated.
#[derive(Debug)]
pub struct NextRotation<'a> {
    /// The refresh token that was presented.
    pub token: &'a RefreshToken,
    /// The credential's epoch.
    pub epoch: i64,
    /// Its first key would tag the successor; any of them may have tagged the one before.
    pub ring: &'a KeyRing,
    /// Now.
    pub now: Timestamp,
    /// The user has just given their password.
    pub reauthenticated: bool,
    /// Where the request comes from.
    pub origin: &'a Provenance,
}

impl SessionCalls {
    /// By these clients; access tokens live for `access_ttl` at most.
    #[must_use]
    pub const fn new(role: ServiceClient, session: ServiceClient, access_ttl: Duration) -> Self {
        Self {
            role,
            session,
            access_ttl,
        }
    }

    /// What the user may do now.
    ///
    /// # Errors
    /// [`AuthError::Call`].
    pub async fn access(&self, user_id: UserId) -> Result<Access, AuthError> {
        Ok(self.role.call::<ReadAccess>(user_id, ()).await?)
    }

    /// Opens a session.
    ///
    /// # Errors
    /// [`SessionRefusal`].
    pub async fn create(
        &self,
        new: &NewSession<'_>,
        access: &Access,
    ) -> Result<SessionGrant, SessionRefusal> {
        let (idle, absolute) = lifetime(is_privileged(access));
        let body = CreateSession {
            user_id: new.credential.user_id,
            epoch: new.credential.epoch,
            pv: access.policy_version,
            roles: access.roles.clone(),
            nonce_hash: new.nonce_hash.clone(),
            key_id: new.key_id.to_owned(),
            now: new.now,
            access_ttl: seconds(self.access_ttl),
            access_until: access.valid_until,
            idle,
            absolute,
            amr: vec![ud_jwt::PASSWORD.to_owned()],
            origin: new.origin.clone(),
        };
        let created = self.session.call::<operation::CreateSession>(new.id, body);
        Ok(created.await?.value)
    }

    /// Rotates the refresh token of a session: the commit point of a refresh.
    ///
    /// # Errors
    /// [`SessionRefusal`].
    pub async fn rotate(
        &self,
        next: &NextRotation<'_>,
        access: &Access,
    ) -> Result<SessionGrant, SessionRefusal> {
        let NextRotation { token, origin, .. } = *next;
        let privileged = is_privileged(access);
        let (idle, absolute) = lifetime(privileged);
        let body = RotateSession {
            session_id: token.session_id,
            user_id: token.user_id,
            nonce_hash: token.nonce.hash(),
            counter: token.counter,
            key_id: next.ring.current().0.to_owned(),
            epoch: next.epoch,
            pv: access.policy_version,
            roles: access.roles.clone(),
            now: next.now,
            access_ttl: seconds(self.access_ttl),
            access_until: access.valid_until,
            idle,
            absolute,
            reauthenticated: next.reauthenticated,
            privileged,
            key_ids: next.ring.iter().map(|(id, _)| id.to_owned()).collect(),
            origin: origin.clone(),
        };
        Ok(self
            .session
            .call::<operation::RotateSession>((), body)
            .await?)
    }

    /// Closes one session.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn close_one(
        &self,
        user_id: UserId,
        session_id: SessionId,
        origin: &Provenance,
    ) -> Result<(), CallError> {
        self.close(CloseSessions {
            user_id,
            min_epoch: None,
            except_session_id: None,
            session_id: Some(session_id),
            origin: origin.clone(),
        })
        .await
    }

    /// Closes every session of an epoch below `min_epoch`, except one.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn close_below(
        &self,
        user_id: UserId,
        min_epoch: i64,
        except_session_id: Option<SessionId>,
        origin: &Provenance,
    ) -> Result<(), CallError> {
        self.close(CloseSessions {
            user_id,
            min_epoch: Some(min_epoch),
            except_session_id,
            session_id: None,
            origin: origin.clone(),
        })
        .await
    }

    /// Makes tokens of a signing key stale.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn revoke_key(&self, key: &RevokedKey) -> Result<(), CallError> {
        self.session.call::<RevokeKey>((), key.clone()).await
    }

    async fn close(&self, body: CloseSessions) -> Result<(), CallError> {
        let closed = self.session.call::<operation::CloseSessions>((), body);
        closed.await.map(drop)
    }
}

/// Whether sessions were closed: a failure is logged and left to the outbox, which has the event already.
#[must_use]
pub fn told_or_pending(outcome: Result<(), CallError>) -> Revocation {
    match outcome {
        Ok(()) => Revocation::Confirmed,
        Err(error) => {
            log::warn!("sessions not closed directly, the outbox will: {error}");
            Revocation::Pending
        }
    }
}
