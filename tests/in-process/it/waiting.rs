//! Waiting for what comes by itself.

use std::time::{Duration, Instant};

/// A loaded machine is slow.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until it is so.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
