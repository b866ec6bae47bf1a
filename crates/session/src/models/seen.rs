//! How far the list of revocations has been seen (SECURITY rule 19): what a store that went back is found out by.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ud_kernel::{EventId, Timestamp, models::FeedPosition};

/// A store found to have gone back begins anew, unless the last one did less than this ago.
pub const RENEW_EVERY: Duration = Duration::from_secs(300);

/// A place in the list that somebody has really seen: this process, or a verifier that proved it by session's own tag
/// ([`super::feed_tags::FeedTags::believe`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Incarnation of the store.
    pub incarnation: String,
    /// The last entry seen of it.
    pub position: FeedPosition,
}

impl Seen {
    /// Whether a store that is at `other` has gone back behind this. Of two incarnations the one that began later is
    /// further: a store restored to before that beginning is behind, too.
    #[must_use]
    pub fn is_beyond(&self, other: &Self) -> bool {
        if self.incarnation == other.incarnation {
            self.position > other.position
        } else {
            began(&self.incarnation) > began(&other.incarnation)
        }
    }
}

/// When an incarnation began, in milliseconds: its id is a UUIDv7 (RFC 9562). 0 for what is none.
fn began(incarnation: &str) -> u64 {
    let high = incarnation.get(..8).unwrap_or_default();
    let low = incarnation.get(9..13).unwrap_or_default();
    u64::from_str_radix(&format!("{high}{low}"), 16).unwrap_or_default()
}

/// What one process remembers of a store, as long as it runs.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    seen: Option<Seen>,
    renewed_at: Option<Timestamp>,
}

impl Memory {
    /// Remembers a place, if none further is remembered.
    pub fn saw(&self, seen: Seen) {
        let mut inner = self.lock();
        if inner.seen.as_ref().is_none_or(|own| seen.is_beyond(own)) {
            inner.seen = Some(seen);
        }
    }

    /// The furthest place remembered.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        self.lock().seen.clone()
    }

    /// Forgets `seen`, unless a further place was remembered since.
    pub fn forget(&self, seen: &Seen) {
        let mut inner = self.lock();
        inner.seen = inner.seen.take().filter(|own| own.is_beyond(seen));
    }

    /// Remembers that a store which had gone back began anew at that time, by this process's clock.
    pub fn renewed(&self, at: Timestamp) {
        let mut inner = self.lock();
        inner.renewed_at = inner.renewed_at.max(Some(at));
    }

    /// How long ago that was. What lies ahead of the clock is not waited for.
    #[must_use]
    pub fn renewed_ago(&self, now: Timestamp) -> Option<Duration> {
        let at = self.lock().renewed_at.filter(|at| *at <= now)?;
        Some(now.since(at))
    }

    /// An id for a new incarnation: it begins after every one remembered, whatever the clock says.
    #[must_use]
    pub fn next_incarnation(&self, now: Timestamp) -> EventId {
        let last = self
            .lock()
            .seen
            .as_ref()
            .map_or(0, |s| began(&s.incarnation));
        let after = Timestamp::from_millis(i64::try_from(last).unwrap_or_default() + 1);
        EventId::new(now.max(after))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64, position: u64) -> Seen {
        Seen {
            incarnation: EventId::new(Timestamp::from_millis(millis)).to_string(),
            position: FeedPosition(position, 0),
        }
    }

    #[test]
    fn a_later_incarnation_is_further_than_any_place_of_an_earlier_one() {
        let (early, late) = (at(1_750_000_000_000, 9), at(1_750_000_000_001, 0));
        assert!(late.is_beyond(&early) && !early.is_beyond(&late));
        let further = Seen {
            position: FeedPosition(10, 0),
            ..early.clone()
        };
        assert!(further.is_beyond(&early) && !early.is_beyond(&early));
        for odd in ["", "x", "another", "é0000000-0000"] {
            let odd = Seen {
                incarnation: odd.to_owned(),
                position: FeedPosition(u64::MAX, 0),
            };
            assert!(!odd.is_beyond(&early), "{odd:?}");
        }
    }

    #[test]
    fn a_new_incarnation_is_later_than_what_was_seen_whatever_the_clock_says() {
        let memory = Memory::default();
        let seen = at(1_750_000_000_000, 9);
        memory.saw(seen.clone());
        memory.saw(at(1_740_000_000_000, 99));
        assert_eq!(memory.seen(), Some(seen.clone()));
        let next = memory.next_incarnation(Timestamp::from_millis(5));
        let next = Seen {
            incarnation: next.to_string(),
            position: FeedPosition::default(),
        };
        assert!(next.is_beyond(&seen));
    }

    #[test]
    fn a_renewal_ahead_of_the_clock_is_not_waited_for() {
        let (memory, now) = (Memory::default(), Timestamp::from_millis(1_000_000));
        assert_eq!(memory.renewed_ago(now), None);
        memory.renewed(now.plus(RENEW_EVERY));
        assert_eq!(memory.renewed_ago(now), None);
        let later = now.plus(RENEW_EVERY * 2);
        assert_eq!(memory.renewed_ago(later), Some(RENEW_EVERY));
    }
}
