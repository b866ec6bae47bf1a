//! A question about a session, and its answer's meaning for a token.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use ud_kernel::{
    SessionId,
    models::{SessionState, SessionStateQuery},
};

use crate::VerifiedToken;

/// How long an answer from elsewhere is waited for, in all.
pub const DEADLINE: Duration = Duration::from_millis(250);

/// The state of a session could not be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state of the session is unavailable")]
pub struct StateUnavailable;

/// Tells the state of a session. Each call is one look at the store, or one request.
pub type StateSource = Arc<
    dyn Fn(
            SessionId,
            SessionStateQuery,
        ) -> BoxFuture<'static, Result<SessionState, StateUnavailable>>
        + Send
        + Sync,
>;

/// Why a verified token is not accepted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// Its session is closed: 401 `auth.session-closed`.
    #[error("the session is closed")]
    Closed,
    /// Rights it carries were taken away: 401 `auth.token-stale`.
    #[error("the token is stale")]
    Stale,
    /// It cannot be told: 503 `auth.revocation-unavailable`, never 401.
    #[error("the state of the session is unavailable")]
    Unavailable,
}

/// Counts since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckerCounts {
    /// Questions asked.
    pub asked: u64,
    /// Checks that ended without an answer.
    pub unavailable: u64,
    /// Tokens judged by the copy of the feed.
    pub judged: u64,
    /// Tokens accepted without an answer, because that is what was chosen.
    pub unchecked: u64,
    /// Entries in the copy of the feed.
    pub entries: usize,
}

pub(super) fn question(token: &VerifiedToken) -> (SessionId, SessionStateQuery) {
    let claims = token.claims();
    let query = SessionStateQuery {
        user_id: claims.sub,
        pv: claims.pv,
        inc: claims.inc.clone(),
        roles: claims.roles.join(","),
        kid: token.kid().to_owned(),
        feed_incarnation: None,
        feed_position: None,
        feed_tag: None,
    };
    (claims.sid, query)
}

pub(super) fn verdict(
    answer: Result<SessionState, StateUnavailable>,
) -> Result<(), RevocationError> {
    match answer {
        Ok(SessionState::Good) => Ok(()),
        Ok(SessionState::Closed) => Err(RevocationError::Closed),
        Ok(SessionState::Stale) => Err(RevocationError::Stale),
        Err(StateUnavailable) => Err(RevocationError::Unavailable),
    }
}
