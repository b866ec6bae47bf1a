//! Following the revocation feed of the session service (SECURITY rule 19).
//!
//! How fresh the copy is, is known from the verifier's own clock alone: it sends a ping every half second, and the
//! answer to a ping says that everything stored before it was sent has arrived. For [`FRESH`] after such a ping was
//! sent the copy is good; then, until the next answer, the session service is asked about each token.

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use ud_kernel::{
    Clock,
    models::{FeedEntry, FeedKnown, FeedMessage, FeedPing, Revoked, SessionState},
};

use super::{
    connection::{Connection, Ended, Way},
    set::RevocationSet,
};
use crate::{KeySource, VerifiedToken};

/// How long the copy is good after a ping was sent that has been answered.
pub const FRESH: Duration = Duration::from_secs(2);
/// How often a ping is sent.
const PING_EVERY: Duration = Duration::from_millis(500);
/// A connection without an answer for so long is given up.
const SILENCE: Duration = Duration::from_secs(5);
/// How long connecting may take.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// Pauses between attempts to connect: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Pings without an answer that are remembered.
const UNANSWERED: usize = 32;
/// How often what has passed is forgotten.
const PURGE_EVERY: Duration = Duration::from_secs(30);

/// The copy of the feed that tokens are checked against.
pub(super) struct Feed {
    copy: RwLock<Copied>,
    /// Tokens judged by the copy.
    judged: AtomicU64,
    /// Told when a signing key was revoked.
    key_revoked: Notify,
}

#[derive(Default)]
struct Copied {
    set: RevocationSet,
    fresh_until: Option<Instant>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            copy: RwLock::default(),
            judged: AtomicU64::new(0),
            key_revoked: Notify::new(),
        }
    }

    /// What the copy says of a token; none while it is not fresh, and of tokens of another incarnation.
    pub(super) fn state(&self, token: &VerifiedToken) -> Option<SessionState> {
        let copy = self.read();
        if copy.fresh_until.is_none_or(|until| Instant::now() >= until) {
            return None;
        }
        let state = copy.set.state(token);
        drop(copy);
        if state.is_some() {
            self.judged.fetch_add(1, Ordering::Relaxed);
        }
        state
    }

    /// Returns when the feed has told of a revoked signing key, since this was last asked.
    pub(super) async fn key_revoked(&self) {
        self.key_revoked.notified().await;
    }

    /// How far the feed is known.
    pub(super) fn known(&self) -> Option<FeedKnown> {
        self.read().set.known()
    }

    pub(super) fn is_fresh(&self) -> bool {
        let until = self.read().fresh_until;
        until.is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn judged(&self) -> u64 {
        self.judged.load(Ordering::Relaxed)
    }

    pub(super) fn len(&self) -> usize {
        self.read().set.len()
    }

    fn read(&self) -> RwLockReadGuard<'_, Copied> {
        self.copy.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Copied> {
        self.copy.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the copy up to date. Ends when nobody checks tokens against it any more.
pub struct Follower {
    feed: Weak<Feed>,
    way: Way,
    clock: Clock,
    failing: AtomicBool,
    /// The next connection claims nothing: the last claim was not understood.
    claims_nothing: AtomicBool,
    /// Whose set has changed when a key is revoked.
    keys: Option<KeySource>,
}

impl Follower {
    pub(super) fn new(feed: &Arc<Feed>, way: Way, clock: Clock) -> Self {
        Self {
            feed: Arc::downgrade(feed),
            way,
            clock,
            failing: AtomicBool::new(false),
            claims_nothing: AtomicBool::new(false),
            keys: None,
        }
    }

    /// Has `keys` look again when a signing key is revoked: another one signs at once.
    #[must_use]
    pub fn telling(self, keys: KeySource) -> Self {
        Self {
            keys: Some(keys),
            ..self
        }
    }

    /// Connects, follows, and connects again.
    pub async fn run(self) {
        let mut pause = RETRY.0;
        while let Some(feed) = self.feed.upgrade() {
            let claims_nothing = self.claims_nothing.swap(false, Ordering::Relaxed);
            let known = feed.known().filter(|_| !claims_nothing);
            drop(feed);
            let ended = match timeout(CONNECT, self.connect(known)).await {
                Ok(Ok(connection)) => {
                    pause = RETRY.0;
                    self.follow(connection).await
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(Ended::Silent),
            };
            let Err(error) = ended else {
                return;
            };
            if !self.failing.swap(true, Ordering::Relaxed) {
                log::warn!("the revocation feed ended: {error}; connecting again");
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    async fn connect(&self, known: Option<FeedKnown>) -> Result<Connection, Ended> {
        let connection = self.way.connect(known).await;
        if matches!(connection, Err(Ended::Claim)) {
            // Session of the version before knows no tags.
            self.claims_nothing.store(true, Ordering::Relaxed);
        }
        connection
    }

    /// Follows one connection. `Ok` when nobody checks tokens any more.
    async fn follow(&self, mut connection: Connection) -> Result<(), Ended> {
        let mut ticks = interval(PING_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut purged_at = Instant::now();
        let mut answered_at = Instant::now();
        let mut greeted = false;
        let mut sent: VecDeque<(u64, Instant)> = VecDeque::new();
        let mut number = 0;
        loop {
            tokio::select! {
                message = connection.next() => {
                    let message = message.map_err(|ended| self.ended(ended))?;
                    let Some(feed) = self.feed.upgrade() else {
                        return Ok(());
                    };
                    match message {
                        FeedMessage::Hello { incarnation, resumed, tag } => {
                            greeted = true;
                            let mut copy = feed.write();
                            if !resumed {
                                // Until the list is here, and an answer says so, others are asked.
                                copy.fresh_until = None;
                            }
                            copy.set.hello(incarnation, resumed, tag);
                        }
                        FeedMessage::Entries { entries, tag } if greeted => {
                            let is_key = |e: &FeedEntry| matches!(e.revocation.revoked, Revoked::Key { .. });
                            let has_key = entries.iter().any(is_key);
                            feed.write().set.apply(entries, tag);
                            if has_key {
                                feed.key_revoked.notify_one();
                                if let Some(keys) = &self.keys {
                                    keys.look_again();
                                }
                            }
                        }
                        FeedMessage::Pong { ping } if greeted => {
                            while let Some((n, at)) = sent.front().copied() && n <= ping {
                                sent.pop_front();
                                feed.write().fresh_until = Some(at + FRESH);
                            }
                            answered_at = Instant::now();
                            if self.failing.swap(false, Ordering::Relaxed) {
                                log::info!("the revocation feed is followed again");
                            }
                        }
                        FeedMessage::Entries { .. } | FeedMessage::Pong { .. } => {
                            return Err(Ended::Message);
                        }
                    }
                }
                _ = ticks.tick() => {
                    if answered_at.elapsed() > SILENCE || sent.len() >= UNANSWERED {
                        return Err(Ended::Silent);
                    }
                    let Some(feed) = self.feed.upgrade() else {
                        return Ok(());
                    };
                    if purged_at.elapsed() > PURGE_EVERY {
                        purged_at = Instant::now();
                        feed.write().set.purge(self.clock.now());
                    }
                    drop(feed);
                    number += 1;
                    // Before it is sent: what is stored later need not be told by its answer.
                    sent.push_back((number, Instant::now()));
                    let ping = connection.ping(FeedPing { ping: number });
                    let pinged = timeout(CONNECT, ping).await.map_err(|_| Ended::Silent)?;
                    pinged.map_err(|ended| self.ended(ended))?;
                }
            }
        }
    }

    /// A session service that stops says so: what it has told counts for as long as if the line were cut, so that not all
    /// verifiers ask the other replicas about every token while they connect to these. When it ends the feed for any other
    /// reason its store may be another one: until the next connection tells, others are asked.
    fn ended(&self, ended: Ended) -> Ended {
        if matches!(ended, Ended::Renewed)
            && let Some(feed) = self.feed.upgrade()
        {
            feed.write().fresh_until = None;
        }
        ended
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
