//! Whether the session of a token still lives (SECURITY rule 18): the session service is asked, and its
//! answers are kept for a moment.

mod cached;
mod http;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use ud_kernel::{
    SessionId,
    models::{SessionState, SessionStateQuery},
};

pub use http::{HttpStateError, http_source};

use crate::VerifiedToken;
use cached::Cached;

/// How long an answer from elsewhere is waited for, in all.
pub const DEADLINE: Duration = Duration::from_millis(250);
/// How long the session service waits for its own store.
const LOCAL_DEADLINE: Duration = Duration::from_secs(2);

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
}

/// Asks whether sessions live. Clones share what is known.
#[derive(Clone)]
pub struct SessionChecker {
    mode: Mode,
}

#[derive(Clone)]
enum Mode {
    Unchecked,
    Local(StateSource),
    Cached(Arc<Cached>),
}

impl SessionChecker {
    /// Accepts every token: a service run without `SESSION_URL` checks signatures only. The caller says so
    /// at start.
    #[must_use]
    pub const fn unchecked() -> Self {
        Self {
            mode: Mode::Unchecked,
        }
    }

    /// For the session service itself: looks into its own store at every check and keeps nothing, so that
    /// a close is seen by the next request. Waits for the store for 2 s at most.
    #[must_use]
    pub fn local(source: StateSource) -> Self {
        Self {
            mode: Mode::Local(source),
        }
    }

    /// For all others: asks `source` (see [`http_source`]) once for all who want to know the same; keeps
    /// `good` for 1 s from when it was asked, `closed` and `stale` for good (a closed session is never
    /// opened again and marks only grow; the token's `exp` ends the matter). At most 8 questions at once;
    /// after 250 ms the answer is [`RevocationError::Unavailable`].
    #[must_use]
    pub fn cached(source: StateSource) -> Self {
        Self {
            mode: Mode::Cached(Arc::new(Cached::new(source))),
        }
    }

    /// Whether `token` may be accepted now.
    ///
    /// # Errors
    /// See [`RevocationError`].
    pub async fn check(&self, token: &VerifiedToken) -> Result<(), RevocationError> {
        match &self.mode {
            Mode::Unchecked => Ok(()),
            Mode::Local(source) => {
                let (session, query) = question(token);
                let answer = tokio::time::timeout(LOCAL_DEADLINE, source(session, query)).await;
                verdict(answer.unwrap_or(Err(StateUnavailable)))
            }
            Mode::Cached(cached) => cached.check(token).await,
        }
    }

    /// Whether tokens are checked at all.
    #[must_use]
    pub const fn is_checking(&self) -> bool {
        !matches!(self.mode, Mode::Unchecked)
    }

    /// Counts of a [`SessionChecker::cached`]; zeros for the others.
    #[must_use]
    pub fn counts(&self) -> CheckerCounts {
        match &self.mode {
            Mode::Cached(cached) => cached.counts(),
            Mode::Unchecked | Mode::Local(_) => CheckerCounts::default(),
        }
    }
}

impl std::fmt::Debug for SessionChecker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.mode {
            Mode::Unchecked => "SessionChecker(unchecked)",
            Mode::Local(_) => "SessionChecker(local)",
            Mode::Cached(_) => "SessionChecker(cached)",
        })
    }
}

fn question(token: &VerifiedToken) -> (SessionId, SessionStateQuery) {
    let claims = token.claims();
    let query = SessionStateQuery {
        user_id: claims.sub,
        pv: claims.pv,
        inc: claims.inc.clone(),
        roles: claims.roles.join(","),
    };
    (claims.sid, query)
}

fn verdict(answer: Result<SessionState, StateUnavailable>) -> Result<(), RevocationError> {
    match answer {
        Ok(SessionState::Good) => Ok(()),
        Ok(SessionState::Closed) => Err(RevocationError::Closed),
        Ok(SessionState::Stale) => Err(RevocationError::Stale),
        Err(StateUnavailable) => Err(RevocationError::Unavailable),
    }
}
