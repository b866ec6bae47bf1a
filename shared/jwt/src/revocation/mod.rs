//! Whether the session of a token still lives (SECURITY rules 18 and 19): told by the session service's revocation
//! feed; while that is not fresh, the service is asked, and its answers are kept for a moment.

mod cached;
mod connection;
mod feed;
mod http;
mod set;
mod state;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::Url;
use ud_kernel::{Clock, models::SessionStateQuery};

pub use connection::{FeedEvent, LocalFeed, LocalSubscription};
pub use feed::{FRESH, Follower};
pub use http::{HttpStateError, http_source};
pub use state::{CheckerCounts, DEADLINE, RevocationError, StateSource, StateUnavailable};

use crate::{VerifiedToken, service::ServiceSigner};
use cached::Cached;
use connection::Way;
use feed::Feed;
use state::{question, verdict};

/// How long the session service waits for its own store.
const LOCAL_DEADLINE: Duration = Duration::from_secs(2);

/// What becomes of a token when nobody tells whether its session lives (`REVOCATION_FALLBACK`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// It is not accepted: 503.
    Closed,
    /// It is accepted, except where [`Sensitivity::High`].
    Open,
}

/// What a request could do with a token that should not be accepted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sensitivity {
    /// The caller's own things, or reading.
    Ordinary,
    /// Writing or deleting by permission.
    High,
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
    Following(Arc<Following>),
}

/// The copy of the feed, and whom to ask while it is not fresh.
struct Following {
    feed: Arc<Feed>,
    asked: Arc<Cached>,
    fallback: Fallback,
    unchecked: AtomicU64,
}

impl Following {
    async fn check(
        &self,
        token: &VerifiedToken,
        sensitivity: Sensitivity,
    ) -> Result<(), RevocationError> {
        if let Some(state) = self.feed.state(token) {
            return verdict(Ok(state));
        }
        // Boxed: seldom taken, and every request would carry its room.
        let answer = Box::pin(self.asked.check(token)).await;
        let accepts = self.fallback == Fallback::Open && sensitivity == Sensitivity::Ordinary;
        if answer == Err(RevocationError::Unavailable) && accepts {
            self.unchecked.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        answer
    }
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
    /// opened again and not-befores only grow; the token's `exp` ends the matter). At most 8 questions at once;
    /// after 250 ms the answer is [`RevocationError::Unavailable`].
    #[must_use]
    pub fn cached(source: StateSource) -> Self {
        Self {
            mode: Mode::Cached(Arc::new(Cached::new(source))),
        }
    }

    /// For all others, once they follow the feed: tokens are judged by a copy of it while that is fresh, and
    /// `source` is asked otherwise. The second part keeps the copy up to date and has to be run.
    ///
    /// # Errors
    /// [`HttpStateError`].
    pub fn following(
        session_url: &Url,
        signer: Arc<ServiceSigner>,
        clock: Clock,
        fallback: Fallback,
    ) -> Result<(Self, Follower), HttpStateError> {
        let source = http_source(session_url, Arc::clone(&signer))?;
        let way = Way::over_http(session_url, signer)?;
        Ok(Self::by(way, source, clock, fallback))
    }

    /// The same within a process: `feed` is the session service's own, and `source` asks it.
    #[must_use]
    pub fn following_locally(
        feed: LocalFeed,
        source: StateSource,
        clock: Clock,
    ) -> (Self, Follower) {
        Self::by(Way::Local(feed), source, clock, Fallback::Closed)
    }

    fn by(way: Way, source: StateSource, clock: Clock, fallback: Fallback) -> (Self, Follower) {
        let feed = Arc::new(Feed::new());
        let known = Arc::clone(&feed);
        // Whoever is asked learns how far the feed was seen: a store that has gone back is found out.
        let source: StateSource = Arc::new(move |session, query| {
            let known = known.known();
            let query = SessionStateQuery {
                feed_incarnation: known.as_ref().map(|k| k.incarnation.clone()),
                feed_position: known.as_ref().map(|k| k.position),
                feed_tag: known.and_then(|k| k.tag),
                ..query
            };
            source(session, query)
        });
        let follower = Follower::new(&feed, way, clock);
        let following = Following {
            feed,
            asked: Arc::new(Cached::new(source)),
            fallback,
            unchecked: AtomicU64::new(0),
        };
        let checker = Self {
            mode: Mode::Following(Arc::new(following)),
        };
        (checker, follower)
    }

    /// Whether `token` may be accepted now, for whatever request.
    ///
    /// # Errors
    /// See [`RevocationError`].
    pub async fn check(&self, token: &VerifiedToken) -> Result<(), RevocationError> {
        self.check_for(token, Sensitivity::High).await
    }

    /// Whether `token` may be accepted now, for a request of such sensitivity.
    ///
    /// # Errors
    /// See [`RevocationError`].
    pub async fn check_for(
        &self,
        token: &VerifiedToken,
        sensitivity: Sensitivity,
    ) -> Result<(), RevocationError> {
        match &self.mode {
            Mode::Unchecked => Ok(()),
            Mode::Local(source) => {
                let (session, query) = question(token);
                let answer = tokio::time::timeout(LOCAL_DEADLINE, source(session, query)).await;
                verdict(answer.unwrap_or(Err(StateUnavailable)))
            }
            Mode::Cached(cached) => Box::pin(cached.check(token)).await,
            Mode::Following(following) => following.check(token, sensitivity).await,
        }
    }

    /// Returns when the feed has told of a revoked signing key: the issuer's sign to look which key signs now. One waiter
    /// at a time. Never returns where no feed is followed.
    pub async fn key_revoked(&self) {
        match &self.mode {
            Mode::Following(following) => following.feed.key_revoked().await,
            Mode::Unchecked | Mode::Local(_) | Mode::Cached(_) => std::future::pending().await,
        }
    }

    /// Whether tokens are checked at all.
    #[must_use]
    #[cfg(feature = "testing")]
    pub const fn is_checking(&self) -> bool {
        !matches!(self.mode, Mode::Unchecked)
    }

    /// How tokens are checked now: `feed`, `asking`, `asking, open`, `store` or `unchecked`.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.mode {
            Mode::Unchecked => "unchecked",
            Mode::Local(_) => "store",
            Mode::Cached(_) => "asking",
            Mode::Following(following) => match (following.feed.is_fresh(), following.fallback) {
                (true, _) => "feed",
                (false, Fallback::Closed) => "asking",
                (false, Fallback::Open) => "asking, open",
            },
        }
    }

    /// Whether tokens are judged by the feed now; none if they never are.
    #[must_use]
    pub fn is_fresh(&self) -> Option<bool> {
        match &self.mode {
            Mode::Following(following) => Some(following.feed.is_fresh()),
            Mode::Unchecked | Mode::Local(_) | Mode::Cached(_) => None,
        }
    }

    /// Counts of a [`SessionChecker::cached`] or [`SessionChecker::following`]; zeros for the others.
    #[must_use]
    pub fn counts(&self) -> CheckerCounts {
        match &self.mode {
            Mode::Cached(cached) => cached.counts(),
            Mode::Following(following) => CheckerCounts {
                judged: following.feed.judged(),
                unchecked: following.unchecked.load(Ordering::Relaxed),
                entries: following.feed.len(),
                ..following.asked.counts()
            },
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
            Mode::Following(_) => "SessionChecker(following)",
        })
    }
}
