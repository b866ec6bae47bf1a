//! Waiting for what comes by itself.

use std::{
    future::Future,
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant},
};

/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(25);

/// Asks until there is an answer; the answer.
///
/// # Panics
/// If there is none `within` this time; the message has `what`.
pub async fn eventually<T, F>(within: Duration, what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + within;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sixteen hexadecimal digits that nobody has seen.
#[must_use]
pub fn unique() -> String {
    format!("{:016x}", RandomState::new().hash_one(0))
}

/// How often something is repeated: `short` in `make test`, `long` in `make test-long`, which sets `TEST_LONG`.
#[must_use]
pub fn rounds(short: usize, long: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "tells tests how often to repeat")]
    let is_long = std::env::var_os("TEST_LONG").is_some_and(|value| !value.is_empty());
    if is_long { long } else { short }
}

/// A number below `end` that nobody can foretell.
#[must_use]
pub fn any_below(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end.max(1)
}
