//! How long a try has to wait, and how failures are forgotten.

use std::time::Duration;
use ud_config::Limit;

use ud_kernel::Timestamp;

use super::store::Count;

/// How many tries are free, and when they are forgotten.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleLimits {
    /// With evidence, and of one identifier from one source: so many, all forgotten after that long without another.
    pub tries: Limit,
    /// Of one account from all sources without evidence: so many, one forgotten each time that long has passed.
    pub account: Limit,
    /// Failures of one source without evidence: so many, one forgotten each time that long has passed.
    pub source: Limit,
}

/// No try waits longer after the one before.
const LONGEST_WAIT: Duration = Duration::from_secs(900);
/// From so many failures beyond the free ones on, the wait is the longest: 2^10 seconds are more than that.
const LAST_DOUBLING: i64 = 10;
/// Clocks of replicas may differ by this much. A time further ahead was written by a clock that was wrong: nobody waits
/// for it.
pub const CLOCKS_APART: Duration = Duration::from_secs(300);

/// How one kind of count works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Some are free, then 1, 2, 4 ... 900 s after the one before; forgotten one by one while there is no other.
    Tries,
    /// The same, but forgotten one by one also while there are others.
    Account,
    /// Some are free and forgotten one by one; then as many as are forgotten.
    Source,
}

impl Rule {
    const fn limit(self, limits: &ThrottleLimits) -> Limit {
        match self {
            Self::Tries => limits.tries,
            Self::Account => limits.account,
            Self::Source => limits.source,
        }
    }

    /// Returns the seconds until another try is let through; none if it is now.
    #[must_use]
    pub fn wait(self, limits: &ThrottleLimits, count: Count, now: Timestamp) -> Option<u32> {
        if count.counted_at > now.plus(CLOCKS_APART) {
            return None;
        }
        let limit = self.limit(limits);
        let over = self.left(limits, count, now).failures - i64::from(limit.count);
        if over < 0 {
            return None;
        }
        let (since, pause) = match self {
            Self::Tries => (count.counted_at, doubled(over).min(limit.per)),
            Self::Account => (count.counted_at, doubled(over)),
            Self::Source => (self.left(limits, count, now).decays_from, limit.per),
        };
        let until = since.plus(pause);
        if until <= now {
            return None;
        }
        // A clock behind that of the replica that counted does not tell of longer waits than there are.
        let seconds = until.since(now).min(pause).as_millis().div_ceil(1000);
        u32::try_from(seconds).ok()
    }

    /// Returns what is counted after one more try at `now`.
    #[must_use]
    pub fn after(self, limits: &ThrottleLimits, before: Option<Count>, now: Timestamp) -> Count {
        let limit = self.limit(limits);
        let none = Count {
            failures: 0,
            counted_at: now,
            decays_from: now,
            forgotten_at: now,
        };
        let mut count = before.map_or(none, |before| self.left(limits, before, now));
        let free = i64::from(limit.count);
        // More than this changes no wait, and would only take longer to be forgotten.
        let most = match self {
            Self::Tries | Self::Account => free.saturating_add(LAST_DOUBLING),
            Self::Source => free,
        };
        count.failures = count.failures.saturating_add(1).min(most);
        // Replicas' clocks differ; the count never goes back.
        count.counted_at = count.counted_at.max(now);
        let failures = u32::try_from(count.failures).unwrap_or(u32::MAX);
        let from = match self {
            Self::Tries => count.counted_at,
            Self::Account | Self::Source => count.decays_from,
        };
        count.forgotten_at = from.plus(limit.per.saturating_mul(failures));
        count
    }

    /// Returns what is left of a count at `now`. Times that lie too far ahead are now.
    fn left(self, limits: &ThrottleLimits, count: Count, now: Timestamp) -> Count {
        let per = self.limit(limits).per;
        let nearest = |at: Timestamp| {
            if at > now.plus(CLOCKS_APART) { now } else { at }
        };
        let count = Count {
            counted_at: nearest(count.counted_at),
            decays_from: nearest(count.decays_from),
            ..count
        };
        let from = match self {
            Self::Tries => count.counted_at,
            Self::Account | Self::Source => count.decays_from,
        };
        let periods = now.since(from).as_millis() / per.as_millis().max(1);
        let gone = i64::try_from(periods).unwrap_or(i64::MAX);
        if gone >= count.failures {
            return Count {
                failures: 0,
                counted_at: count.counted_at,
                decays_from: now,
                forgotten_at: now,
            };
        }
        let periods = u32::try_from(gone).unwrap_or(u32::MAX);
        Count {
            failures: count.failures - gone,
            decays_from: match self {
                Self::Tries => count.decays_from,
                Self::Account | Self::Source => count.decays_from.plus(per.saturating_mul(periods)),
            },
            ..count
        }
    }

    /// Returns how long a row counts at most after it was written.
    #[must_use]
    pub fn longest(limits: &ThrottleLimits) -> Duration {
        let (tries, account) = (
            limits.tries.count.saturating_add(10),
            limits.account.count.saturating_add(10),
        );
        limits
            .tries
            .per
            .saturating_mul(tries)
            .max(limits.account.per.saturating_mul(account))
            .max(limits.source.per.saturating_mul(limits.source.count))
    }
}

/// 1 s, doubled for each try beyond the first one that is not free.
fn doubled(over: i64) -> Duration {
    let over = u32::try_from(over).unwrap_or(u32::MAX);
    1_u64
        .checked_shl(over)
        .map_or(LONGEST_WAIT, Duration::from_secs)
        .min(LONGEST_WAIT)
}
