//! The revocation feed of this process (SECURITY rule 19): one reader of the store's list, and any number of
//! subscribers that are told what it reads.
//!
//! Everything rests on numbered reads. A read that began after a ping arrived, and succeeded, has seen whatever was
//! stored before the ping was sent; only then is the ping answered. What wakes the reader early is for speed alone.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus::Gauge;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use ud_db::StoreError;
use ud_kernel::{
    Clock, Timestamp,
    models::{FeedEntry, FeedKnown, FeedPosition, Revoked, RevokedUntil},
};
use ud_service::StopSignal;
use ud_telemetry::Metrics;

use super::{
    error::SessionError,
    feed_tags::FeedTags,
    seen::Seen,
    session::CLOCKS_APART,
    session_store::{FEED_PAGE, SessionStore},
};

/// The list is read at least so often.
const READ_EVERY: Duration = Duration::from_millis(500);
/// Pause after the store failed.
const RETRY: Duration = Duration::from_millis(100);
/// How often what has passed is forgotten.
const PURGE_EVERY: Duration = Duration::from_secs(10);
/// How long a new subscriber waits for the first read.
const FIRST_READ: Duration = Duration::from_secs(2);
/// Number of a read that says that there will be no other.
const STOPPED: u64 = u64::MAX;

/// The feed. Clones are the same.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    store: Arc<dyn SessionStore>,
    clock: Clock,
    tags: FeedTags,
    /// 1 while the store is refused for having gone back again.
    behind: Gauge,
    list: Mutex<List>,
    /// Number of the last read that began.
    begun: AtomicU64,
    /// Number of the last read that succeeded.
    done: watch::Sender<u64>,
    wanted: Notify,
    /// Told when a signing key was revoked.
    key_revoked: Notify,
}

/// The list as far as it was read, less what concerns no living token.
#[derive(Default)]
struct List {
    incarnation: Option<String>,
    entries: BTreeMap<FeedPosition, RevokedUntil>,
    last: FeedPosition,
    purged_at: Option<Timestamp>,
}

impl List {
    fn known(&self) -> Option<Seen> {
        Some(Seen {
            incarnation: self.incarnation.clone()?,
            position: self.last,
        })
    }
}

impl Feed {
    /// Reads `store`, as soon as [`Feed::run`] runs; what it hands out is tagged by `tags`. `metrics` tells of a store that
    /// is refused.
    #[must_use]
    pub fn new(
        store: Arc<dyn SessionStore>,
        clock: Clock,
        tags: FeedTags,
        metrics: &Metrics,
    ) -> Self {
        let behind = metrics.gauge_vec(
            "session_store_behind",
            "1 while the session store is older than what was seen of it and is refused.",
            &[],
        );
        Self(Arc::new(Shared {
            store,
            clock,
            tags,
            behind: behind.with_label_values::<&str>(&[]),
            list: Mutex::default(),
            begun: AtomicU64::new(0),
            done: watch::Sender::new(0),
            wanted: Notify::new(),
            key_revoked: Notify::new(),
        }))
    }

    /// Reads the list until `stop`.
    pub async fn run(self, mut stop: StopSignal) {
        let mut stopping = stop.clone();
        tokio::select! {
            () = self.read_on() => {}
            () = self.wake_on_growth() => {}
            () = stopping.stopped() => {}
        }
        stop.stopped().await;
        self.0.done.send_replace(STOPPED);
    }

    /// Returns when a signing key was revoked, since this was last asked. One waiter at a time.
    pub async fn key_revoked(&self) {
        self.0.key_revoked.notified().await;
    }

    async fn read_on(&self) {
        let mut failing = false;
        loop {
            let number = self.0.begun.fetch_add(1, Ordering::SeqCst) + 1;
            match self.read().await {
                Ok(()) => {
                    if std::mem::take(&mut failing) {
                        log::info!("the revocation feed goes on");
                    }
                    self.0.behind.set(0.0);
                    self.0.done.send_replace(number);
                    // Whether it was wanted or it is time.
                    let _ = timeout(READ_EVERY, self.0.wanted.notified()).await;
                }
                Err(error) => {
                    let is_behind = matches!(error, SessionError::StoreBehind);
                    if is_behind && self.0.behind.get() == 0.0 {
                        log::error!(
                            "{error}: logins, refreshes and states are refused until five minutes have passed since it \
                             last began anew"
                        );
                    }
                    self.0.behind.set(if is_behind { 1.0 } else { 0.0 });
                    if !std::mem::replace(&mut failing, true) {
                        log::warn!("the revocation feed stands still: {error}");
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn read(&self) -> Result<(), SessionError> {
        loop {
            let known = self.list().known();
            let now = self.0.clock.now();
            let read = self.0.store.feed(known.clone(), now).await?;
            let is_all = read.entries.len() < FEED_PAGE;
            let mut list = self.list();
            if !read.resumed {
                if known.is_some() {
                    log::error!(
                        "the session store is not the one it was: every session of before has ended"
                    );
                }
                *list = List {
                    incarnation: Some(read.incarnation),
                    ..List::default()
                };
            }
            for entry in read.entries {
                if matches!(entry.revocation.revoked, Revoked::Key { .. }) {
                    self.0.key_revoked.notify_one();
                }
                list.last = entry.position;
                list.entries.insert(entry.position, entry.revocation);
            }
            if list.purged_at.is_none_or(|at| now.since(at) >= PURGE_EVERY) {
                // A verifier whose clock is behind still needs what has passed here.
                let passed = now.minus(CLOCKS_APART);
                list.entries
                    .retain(|_, revocation| revocation.until > passed);
                list.purged_at = Some(now);
            }
            drop(list);
            if is_all {
                return Ok(());
            }
        }
    }

    /// Has the list read as soon as it has grown.
    async fn wake_on_growth(&self) {
        let mut done = self.0.done.subscribe();
        loop {
            let last = self.list().last;
            if self.0.store.wait_for_feed(last).await.is_err() {
                sleep(RETRY).await;
                continue;
            }
            // Not before that is read would waiting beyond `last` make sense again.
            let needed = self.want_read();
            let _ = timeout(READ_EVERY, done.wait_for(|n| *n >= needed)).await;
        }
    }

    /// Asks for a read that begins after this call, and gives its number.
    fn want_read(&self) -> u64 {
        let number = self.0.begun.load(Ordering::SeqCst) + 1;
        self.0.wanted.notify_one();
        number
    }

    /// What a verifier claims to have seen, if session's own tag is on it.
    #[must_use]
    pub fn believe(&self, claim: FeedKnown) -> Option<Seen> {
        self.0.tags.believe(claim)
    }

    /// A subscriber that has seen the list as far as `known`.
    ///
    /// # Errors
    /// If the store cannot be read in time, or has gone back again.
    pub async fn subscribe(&self, known: Option<Seen>) -> Result<Subscription, SessionError> {
        let mut done = self.0.done.subscribe();
        let own = self.list().known();
        if let Some(known) = &known
            && own.is_none_or(|own| known.is_beyond(&own))
        {
            // They know more than this process: either it is behind, or the store has gone back.
            self.0.store.learn(known.clone()).await?;
        }
        let needed = self.want_read();
        let read = timeout(FIRST_READ, done.wait_for(|n| *n >= needed)).await;
        let is_read = matches!(&read, Ok(Ok(n)) if **n != STOPPED);
        drop(read);
        if !is_read {
            return Err(StoreError::Unavailable("the feed was not read in time".into()).into());
        }
        let own = self.list().known();
        let Some(own) = own else {
            return Err(StoreError::Unavailable("the feed was not read".into()).into());
        };
        let resumed = known
            .filter(|known| known.incarnation == own.incarnation && known.position <= own.position);
        let is_resumed = resumed.is_some();
        let sent = resumed.map_or(FeedPosition::default(), |known| known.position);
        Ok(Subscription {
            resumed: is_resumed,
            tag: self.0.tags.of(&own.incarnation, sent),
            sent,
            incarnation: own.incarnation,
            feed: self.clone(),
            done,
            pings: VecDeque::new(),
        })
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One verifier's way through the list.
pub struct Subscription {
    /// The incarnation it follows.
    pub incarnation: String,
    /// Whether it goes on from where the verifier was.
    pub resumed: bool,
    /// Tag of the place it goes on from.
    pub tag: String,
    feed: Feed,
    sent: FeedPosition,
    done: watch::Receiver<u64>,
    /// Pings not answered, each with the number of the read that answers it.
    pings: VecDeque<(u64, u64)>,
}

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Further entries, and the tag of the last one's place.
    Entries(Vec<FeedEntry>, String),
    /// All entries stored before this ping was sent have been told.
    Pong(u64),
    /// The store has another incarnation: subscribe anew.
    Renewed,
    /// The service stops.
    Stopped,
}

/// So many pings of one subscriber may wait for an answer.
const MOST_PINGS: usize = 32;

impl Subscription {
    /// Takes a ping, to be answered by [`News::Pong`]. Returns whether there was room: a verifier waits for answers and
    /// has few on the way.
    #[must_use]
    pub fn ping(&mut self, ping: u64) -> bool {
        if self.pings.len() >= MOST_PINGS {
            return false;
        }
        let needed = self.feed.want_read();
        self.pings.push_back((ping, needed));
        true
    }

    /// The next news, at most `most` entries at once. May be dropped and called again.
    pub async fn next(&mut self, most: usize) -> News {
        loop {
            let done = *self.done.borrow_and_update();
            if done == STOPPED {
                return News::Stopped;
            }
            if let Some(news) = self.take(done, most) {
                return news;
            }
            if self.done.changed().await.is_err() {
                return News::Stopped;
            }
        }
    }

    /// What there is to tell after read `done`.
    fn take(&mut self, done: u64, most: usize) -> Option<News> {
        let list = self.feed.list();
        if list.incarnation.as_ref() != Some(&self.incarnation) {
            return Some(News::Renewed);
        }
        let rest = (Bound::Excluded(self.sent), Bound::Unbounded);
        let entries: Vec<_> = list
            .entries
            .range(rest)
            .take(most)
            .map(|(position, revocation)| FeedEntry {
                position: *position,
                revocation: revocation.clone(),
            })
            .collect();
        drop(list);
        if let Some(last) = entries.last() {
            self.sent = last.position;
            let tag = self.feed.0.tags.of(&self.incarnation, self.sent);
            return Some(News::Entries(entries, tag));
        }
        let mut pong = None;
        while let Some((ping, needed)) = self.pings.front().copied()
            && needed <= done
        {
            self.pings.pop_front();
            pong = Some(News::Pong(ping));
        }
        pong
    }
}
