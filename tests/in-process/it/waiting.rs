//! Waiting for what comes by itself, and how often something is repeated.

use std::time::{Duration, Instant};

/// A loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until it is so.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// `short`, or `long` with `TEST_LONG`.
pub fn rounds(short: u32, long: u32) -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch of the test run, not configuration"
    )]
    let is_long = std::env::var_os("TEST_LONG").is_some_and(|value| !value.is_empty());
    if is_long { long } else { short }
}
