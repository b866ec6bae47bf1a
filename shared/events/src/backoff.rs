//! How long to wait after a failure: doubling, capped, with jitter so that replicas do not knock together.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// Longest wait of an event that was refused.
pub(crate) const LONGEST_PARKING: Duration = Duration::from_secs(300);

/// Pause after so many failures in a row of one destination: 0.2 s doubling to 5 s.
pub(crate) fn retry_pause(failures: u32) -> Duration {
    doubled(
        Duration::from_millis(200),
        failures.saturating_sub(1),
        Duration::from_secs(5),
    )
}

/// How long an event that was refused waits after so many attempts: 1 s doubling to 5 minutes.
pub(crate) fn park_delay(attempts: u32) -> Duration {
    doubled(
        Duration::from_secs(1),
        attempts.saturating_sub(1),
        LONGEST_PARKING,
    )
}

/// `first * 2^times`, at most `cap`; of that, half for certain and half by chance.
fn doubled(first: Duration, times: u32, cap: Duration) -> Duration {
    let whole = first.saturating_mul(2_u32.saturating_pow(times)).min(cap);
    let half = whole / 2;
    // Each `RandomState` has its own keys: enough chance for this, without a further dependency.
    let chance = u32::try_from(RandomState::new().hash_one(()) % 1001).unwrap_or(0);
    half + half * chance / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_vary() {
        for (failures, whole) in [
            (1, 200),
            (2, 400),
            (5, 3200),
            (6, 5000),
            (1000, 5000),
            (u32::MAX, 5000),
        ] {
            for _ in 0..100 {
                let pause = retry_pause(failures).as_millis();
                assert!((whole / 2..=whole).contains(&pause), "{failures}: {pause}");
            }
        }
        assert!(park_delay(u32::MAX) <= Duration::from_secs(300));
        assert!(park_delay(0) >= Duration::from_millis(500));
        let many: std::collections::HashSet<_> = (0..50).map(|_| park_delay(20)).collect();
        assert!(many.len() > 5);
    }
}
