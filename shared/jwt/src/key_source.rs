use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use crate::{
    algorithm::Algorithm,
    error::{Refusal, TokenError},
    jwks::JwksClient,
    key_set::KeySet,
    verification_key::VerificationKey,
};

/// How often a set that was fetched is fetched again: so long at most, and one fetch, a revoked key is accepted by
/// who was not told of it. Far below the 10 minutes by which a key is published before it signs.
const REFRESH: Duration = Duration::from_secs(10);
/// Between two fetches that unknown `kid`s cause; those of the background task do not count.
const UNKNOWN_KID_INTERVAL: Duration = Duration::from_secs(10);
/// Between two fetches while there has never been a set: nothing works until then.
const FIRST_SET_INTERVAL: Duration = Duration::from_secs(1);

/// Where a [`crate::Verifier`] gets its keys: a set its owner gives and replaces, or one fetched from an
/// address. Clones share the keys.
#[derive(Clone, Debug)]
pub struct KeySource {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    published: RwLock<Option<Published>>,
    /// Raised whenever a key left the set. Read on every cache hit, hence beside the lock.
    generation: AtomicU64,
    remote: Option<Remote>,
    /// Told by [`KeySource::look_again`].
    wanted: Notify,
}

#[derive(Clone, Debug)]
struct Published {
    set: Arc<KeySet>,
    generation: u64,
}

#[derive(Debug)]
struct Remote {
    client: JwksClient,
    fetching: Mutex<Fetching>,
    fetches: AtomicU64,
    failures: AtomicU64,
    /// Whether the last fetch failed, so that a long outage is told once.
    failing: AtomicBool,
}

#[derive(Debug, Default)]
struct Fetching {
    /// When the last fetch began that a token caused.
    asked: Option<Instant>,
    /// Closed as soon as that fetch has ended, however it did.
    running: Option<watch::Receiver<()>>,
}

/// A key and the generation of the set it was found in.
pub(crate) struct Found {
    pub(crate) key: Arc<VerificationKey>,
    pub(crate) generation: u64,
}

impl KeySource {
    /// A set that changes only by [`KeySource::replace`]: for the issuer itself, for a shared secret, for
    /// tests.
    #[must_use]
    pub fn fixed(set: KeySet) -> Self {
        let published = Published {
            set: Arc::new(set),
            generation: 0,
        };
        Self::new(Some(published), None)
    }

    /// No set until the first [`KeySource::replace`]: for the issuer, whose keys are still to be loaded. Tokens are
    /// neither good nor bad until then: [`TokenError::KeysUnavailable`].
    #[must_use]
    pub fn pending() -> Self {
        Self::new(None, None)
    }

    /// The set at the client's address. Nothing is fetched until a token or [`KeySource::keep_fresh`] asks.
    #[must_use]
    pub fn remote(client: JwksClient) -> Self {
        let remote = Remote {
            client,
            fetching: Mutex::default(),
            fetches: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        };
        Self::new(None, Some(remote))
    }

    fn new(published: Option<Published>, remote: Option<Remote>) -> Self {
        Self {
            inner: Arc::new(Inner {
                published: RwLock::new(published),
                generation: AtomicU64::new(0),
                remote,
                wanted: Notify::new(),
            }),
        }
    }

    /// Puts another set in place of the present one. If a key is gone (or means another key now), every
    /// token verified so far is verified again when it next comes.
    pub fn replace(&self, set: KeySet) {
        self.inner.publish(set);
    }

    /// Takes the set away: as [`KeySource::pending`] again, also for tokens verified so far.
    pub fn withdraw(&self) {
        let mut published = self.inner.write();
        *published = None;
        self.inner.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether there has ever been a set.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.inner.snapshot().is_some()
    }

    /// Returns the algorithms of the keys there are, in no order; none before there has been a set.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        let published = self.inner.snapshot();
        let set = published.as_ref().map(|published| &published.set);
        set.map_or_else(Vec::new, |set| {
            set.kids().map(|(_, algorithm)| algorithm).collect()
        })
    }

    /// Returns how many fetches were begun so far, and how many of them failed.
    #[must_use]
    #[cfg(feature = "testing")]
    pub fn fetch_counts(&self) -> (u64, u64) {
        self.inner.remote.as_ref().map_or((0, 0), |remote| {
            (
                remote.fetches.load(Ordering::Relaxed),
                remote.failures.load(Ordering::Relaxed),
            )
        })
    }

    /// Has [`KeySource::keep_fresh`] fetch the set now, because it is known to have changed: a key was revoked, and
    /// another signs at once. An unknown `kid` alone may have to wait for 10 seconds.
    pub fn look_again(&self) {
        self.inner.wanted.notify_one();
    }

    /// Keeps a remote set fresh: fetches at once, then every 10 seconds and when told to, and every second while there
    /// has never been a set. Never ends; a fixed source has nothing to do and ends at once.
    pub async fn keep_fresh(self) {
        let Some(remote) = &self.inner.remote else {
            return;
        };
        loop {
            self.fetch(remote, None).await;
            let pause = if self.has_keys() {
                REFRESH
            } else {
                FIRST_SET_INTERVAL
            };
            tokio::select! {
                () = sleep(pause) => {}
                // What is under way may have begun before the change.
                () = self.inner.wanted.notified() => remote.under_way_ended().await,
            }
        }
    }

    /// See [`Found::generation`]; the one a token verified now would get.
    pub(crate) fn generation(&self) -> u64 {
        self.inner.generation.load(Ordering::Acquire)
    }

    /// The key of that id, asking the issuer if need be.
    pub(crate) async fn find(&self, kid: &str) -> Result<Found, TokenError> {
        match (self.inner.lookup(kid), &self.inner.remote) {
            (Err(error), Some(remote)) => {
                let interval = match error {
                    TokenError::KeysUnavailable => FIRST_SET_INTERVAL,
                    TokenError::Invalid(_) => UNKNOWN_KID_INTERVAL,
                };
                self.fetch(remote, Some(interval)).await;
                self.inner.lookup(kid)
            }
            (result, _) => result,
        }
    }

    /// Waits for the fetch that is under way, or for a new one; with an `interval`, unless the last one that had an
    /// interval began less than that ago. The fetch itself is a task of its own: it does not end with the request
    /// that caused it.
    async fn fetch(&self, remote: &Remote, interval: Option<Duration>) {
        let mut running = {
            let mut fetching = remote
                .fetching
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let asked = fetching.asked;
            let is_too_soon = |interval| asked.is_some_and(|at| at.elapsed() < interval);
            match fetching.under_way() {
                Some(running) => running,
                None if interval.is_some_and(is_too_soon) => return,
                None => {
                    let (ended, running) = watch::channel(());
                    if interval.is_some() {
                        fetching.asked = Some(Instant::now());
                    }
                    fetching.running = Some(running.clone());
                    let inner = Arc::clone(&self.inner);
                    tokio::spawn(async move {
                        inner.fetch_and_publish().await;
                        drop(ended);
                    });
                    running
                }
            }
        };
        // Nothing is ever sent: this returns when the sender is dropped.
        let _ = running.changed().await;
    }
}

impl Remote {
    async fn under_way_ended(&self) {
        let fetching = || self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let running = fetching().under_way();
        if let Some(mut running) = running {
            let _ = running.changed().await;
        }
    }
}

impl Fetching {
    fn under_way(&self) -> Option<watch::Receiver<()>> {
        let running = self.running.clone();
        running.filter(|running| running.has_changed().is_ok())
    }
}

impl Inner {
    fn snapshot(&self) -> Option<Published> {
        self.published
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn lookup(&self, kid: &str) -> Result<Found, TokenError> {
        let published = self.snapshot().ok_or(TokenError::KeysUnavailable)?;
        let key = published.set.get(kid).ok_or(Refusal::UnknownKey)?;
        Ok(Found {
            key: Arc::clone(key),
            generation: published.generation,
        })
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Published>> {
        self.published
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, set: KeySet) {
        let mut published = self.write();
        let generation = match published.as_ref() {
            Some(old) if !old.set.is_kept_by(&set) => old.generation + 1,
            Some(old) => old.generation,
            // Whatever was verified before a set was withdrawn has an older one.
            None => self.generation.load(Ordering::Acquire),
        };
        *published = Some(Published {
            set: Arc::new(set),
            generation,
        });
        self.generation.store(generation, Ordering::Release);
    }

    async fn fetch_and_publish(&self) {
        let Some(remote) = &self.remote else {
            return;
        };
        remote.fetches.fetch_add(1, Ordering::Relaxed);
        match remote.client.fetch().await {
            Ok(set) => {
                if remote.failing.swap(false, Ordering::Relaxed) {
                    log::info!("the keys can be fetched again");
                }
                self.publish(set);
            }
            Err(error) => {
                remote.failures.fetch_add(1, Ordering::Relaxed);
                let kept = if self.snapshot().is_some() {
                    "the known keys stay"
                } else {
                    "no token can be verified"
                };
                // The cause of a transport error is in its source, not in its text.
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let level = if remote.failing.swap(true, Ordering::Relaxed) {
                    log::Level::Debug
                } else {
                    log::Level::Warn
                };
                log::log!(level, cause = cause.as_deref(); "{error}; {kept}");
            }
        }
    }
}
