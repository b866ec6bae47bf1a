use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use ud_kernel::models::SessionState;

use super::state::{
    CheckerCounts, DEADLINE, RevocationError, StateSource, StateUnavailable, question, verdict,
};
use crate::VerifiedToken;

/// How long a good answer is kept.
const GOOD: Duration = Duration::from_secs(1);
/// Questions at once.
const IN_FLIGHT: usize = 8;
/// Most answers kept.
const ENTRIES: u64 = 20_000;

/// Everything an answer depends on, hashed: [`VerifiedToken::state_key`].
type Key = [u8; 32];
type Answer = Result<SessionState, StateUnavailable>;
type Flight = Shared<BoxFuture<'static, Answer>>;
/// By key, each with its number.
type Flights = HashMap<Key, (u64, WeakShared<BoxFuture<'static, Answer>>)>;

#[derive(Clone, Copy)]
enum Known {
    Good { until: Instant },
    Closed,
    Stale,
}

pub(super) struct Cached {
    source: StateSource,
    known: Cache<Key, Known>,
    /// Questions under way, held by those who wait for them: when the last waiter has left, the question
    /// is dropped, so that nobody later takes an answer of long ago for a fresh one.
    flights: Mutex<Flights>,
    permits: Semaphore,
    asked: AtomicU64,
    unavailable: AtomicU64,
}

impl Cached {
    pub(super) fn new(source: StateSource) -> Self {
        Self {
            source,
            known: Cache::builder()
                .max_capacity(ENTRIES)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            flights: Mutex::default(),
            permits: Semaphore::new(IN_FLIGHT),
            asked: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
        }
    }

    pub(super) fn counts(&self) -> CheckerCounts {
        CheckerCounts {
            asked: self.asked.load(Ordering::Relaxed),
            unavailable: self.unavailable.load(Ordering::Relaxed),
            ..CheckerCounts::default()
        }
    }

    pub(super) async fn check(
        self: &Arc<Self>,
        token: &VerifiedToken,
    ) -> Result<(), RevocationError> {
        let now = Instant::now();
        match self.known.get(token.state_key()) {
            Some(Known::Good { until }) if now < until => return Ok(()),
            Some(Known::Closed) => return Err(RevocationError::Closed),
            Some(Known::Stale) => return Err(RevocationError::Stale),
            Some(Known::Good { .. }) | None => {}
        }
        let answer = timeout_at(now + DEADLINE, self.join(token)).await;
        let result = verdict(answer.unwrap_or(Err(StateUnavailable)));
        if result == Err(RevocationError::Unavailable) {
            self.unavailable.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// The question about this token that is under way, or a new one.
    fn join(self: &Arc<Self>, token: &VerifiedToken) -> Flight {
        let key = *token.state_key();
        let mut flights = self.lock_flights();
        if let Some(flight) = flights.get(&key).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let landing = Landing {
            cached: Arc::downgrade(self),
            key,
            number,
        };
        let (session, query) = question(token);
        let cached = Arc::clone(self);
        let flight = async move {
            let _landing = landing;
            let answer = timeout(DEADLINE, async {
                let _permit = cached.permits.acquire().await;
                let asked_at = Instant::now();
                let state = (cached.source)(session, query).await?;
                cached.keep(key, state, asked_at);
                Ok(state)
            });
            answer.await.unwrap_or(Err(StateUnavailable))
        }
        .boxed()
        .shared();
        // Always there: it has not been polled.
        if let Some(weak) = flight.downgrade() {
            flights.insert(key, (number, weak));
        }
        flight
    }

    fn keep(&self, key: Key, state: SessionState, asked_at: Instant) {
        let known = match state {
            // From the question, not from the answer: the store may have been read just after the one
            // and the session closed before the other.
            SessionState::Good => Known::Good {
                until: asked_at + GOOD,
            },
            SessionState::Closed => Known::Closed,
            SessionState::Stale => Known::Stale,
        };
        self.known.insert(key, known);
    }

    fn lock_flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a question off the list when it is answered or dropped.
struct Landing {
    cached: Weak<Cached>,
    key: Key,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let Some(cached) = self.cached.upgrade() else {
            return;
        };
        let mut flights = cached.lock_flights();
        // By now it may be the next question about the same.
        if flights
            .get(&self.key)
            .is_some_and(|(number, _)| *number == self.number)
        {
            flights.remove(&self.key);
        }
    }
}
