//! What a store of sessions can do. Two exist, Redis and SQLite, and one test suite holds both to the same
//! behaviour. Each operation is one atomic step, and writes its events in that step.

use std::{future::Future, pin::Pin, time::Duration};

use ud_events::NewEvent;
use ud_kernel::{
    SessionId, Timestamp, UserId,
    models::{
        CreateSession, FeedEntry, FeedPosition, NotBefore, Provenance, RevokedKey, RotateSession,
        SessionGrant, SessionState, SessionStateQuery,
    },
};

use super::{
    error::SessionError,
    seen::Seen,
    session::{CloseReason, Session},
};

/// What an operation of a [`SessionStore`] answers, in time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionError>> + Send + 'a>>;

/// What [`SessionStore::check`] answers, in time: what is wrong, in words without secrets.
pub type Checked<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Answer to [`SessionStore::create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// What auth may sign.
    pub grant: SessionGrant,
    /// Whether the session was made now, and not by an earlier sending of the same request.
    pub is_new: bool,
}

/// Which sessions of a user end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// This one.
    One(SessionId),
    /// Those of a smaller epoch, and none can be made any more; `except` stays and gets the epoch.
    Below {
        /// The first epoch that is good.
        min_epoch: i64,
        /// The session that changed the password.
        except: Option<SessionId>,
    },
    /// All of them, less `except`.
    All {
        /// The session that asks.
        except: Option<SessionId>,
    },
}

impl Closing {
    /// Why they end, as their last events tell it.
    #[must_use]
    pub const fn reason(self) -> CloseReason {
        match self {
            Self::One(_) | Self::All { .. } => CloseReason::Requested,
            Self::Below { .. } => CloseReason::CredentialsChanged,
        }
    }
}

/// An order to end sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseOrder {
    /// Whose. A session of somebody else is not touched, whatever its id.
    pub user_id: UserId,
    /// Which of them.
    pub closing: Closing,
    /// Where the order comes from.
    pub origin: Provenance,
    /// Now.
    pub now: Timestamp,
}

/// What a look at the list of revocations found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRead {
    /// The store's incarnation.
    pub incarnation: String,
    /// Whether `entries` go on from where the reader was; otherwise they begin with the oldest there is.
    pub resumed: bool,
    /// In order, at most [`FEED_PAGE`]; if so many, there may be more.
    pub entries: Vec<FeedEntry>,
}

/// Most entries of one [`FeedRead`].
pub const FEED_PAGE: usize = 1_000;

/// How long [`SessionStore::wait_for_feed`] waits at most.
pub const FEED_WAIT: Duration = Duration::from_secs(1);

/// A store of sessions. A missing session is a closed session.
pub trait SessionStore: Send + Sync {
    /// Makes a session. The same request again gives the same grant. Refused with `EpochTooOld` or
    /// `PolicyStale` below the user's `min_epoch` or a not-before, and with `Closed` if the id was used before.
    fn create(&self, id: SessionId, new: CreateSession) -> Answer<'_, Created>;

    /// Does with a presented refresh token what [`Session::rotate`] decides. A session that ends by it, too,
    /// is `Closed`.
    fn rotate(&self, request: RotateSession) -> Answer<'_, SessionGrant>;

    /// Ends sessions; answers how many were living. The same order again ends none.
    fn close(&self, order: CloseOrder) -> Answer<'_, u32>;

    /// Makes tokens below a policy version stale. Not-befores only grow. Without a user and a role, or with both,
    /// nothing happens.
    fn set_not_before(&self, not_before: NotBefore, now: Timestamp) -> Answer<'_, ()>;

    /// Makes tokens of a signing key stale. The same key again changes nothing.
    fn revoke_key(&self, key: RevokedKey, now: Timestamp) -> Answer<'_, ()>;

    /// Whether a token of session `id` may still be accepted. What `token` claims of the feed is not looked at:
    /// [`SessionStore::learn`].
    fn state(
        &self,
        id: SessionId,
        token: SessionStateQuery,
        now: Timestamp,
    ) -> Answer<'_, SessionState>;

    /// The living session of that id.
    fn find(&self, id: SessionId, now: Timestamp) -> Answer<'_, Option<Session>>;

    /// The living sessions of a user, newest first; at most [`super::session::MAX_LIVE`].
    fn list(&self, user_id: UserId, now: Timestamp) -> Answer<'_, Vec<Session>>;

    /// Remembers that the list was seen so far. A store found behind that (a restored file, a replica that had not
    /// everything) begins anew with its next use: everybody logs in again, and nothing that was closed comes back. If the
    /// last one did so less than [`super::seen::RENEW_EVERY`] ago, everything is [`SessionError::StoreBehind`] until that
    /// time has passed: an older store is never served.
    fn learn(&self, seen: Seen) -> Answer<'_, ()>;

    /// The list of revocations from where the reader, who has seen it as far as `known`, left off; from its oldest entry
    /// for whoever knows nothing of this incarnation.
    fn feed(&self, known: Option<Seen>, now: Timestamp) -> Answer<'_, FeedRead>;

    /// Returns when the list may have grown beyond `after`, or [`FEED_WAIT`] has passed.
    fn wait_for_feed(&self, after: FeedPosition) -> Answer<'_, ()>;

    /// Writes events that go with no change of a session: refusals and the like, for the audit log. After
    /// a failure some may be written; written again, receivers know them by their ids.
    fn note(&self, events: Vec<NewEvent>) -> Answer<'_, ()>;

    /// Whether the store works as its configuration promises.
    fn check(&self) -> Checked<'_>;
}
