//! How long everything is measured.

use std::{thread, time::Duration};

/// Lengths of a run.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Whether it is the short one.
    pub is_quick: bool,
    /// How often limit and scenario take turns.
    pub rounds: usize,
    /// Load before each measurement that is not counted.
    pub warm: Duration,
    /// Length of one measurement.
    pub span: Duration,
    /// Passwords hashed in one round, for each core.
    pub hashes: usize,
    /// Batches of events in one round.
    pub batches: usize,
    /// Sessions closed.
    pub revocations: usize,
    /// Starts of each binary.
    pub starts: usize,
}

impl Pace {
    /// For figures to be written down.
    #[must_use]
    pub const fn full() -> Self {
        Self {
            is_quick: false,
            rounds: 5,
            warm: Duration::from_secs(2),
            span: Duration::from_secs(8),
            hashes: 20,
            batches: 500,
            revocations: 1_000,
            starts: 10,
        }
    }

    /// For a first look, within two minutes.
    #[must_use]
    pub const fn quick() -> Self {
        Self {
            is_quick: true,
            rounds: 3,
            warm: Duration::from_millis(200),
            span: Duration::from_secs(1),
            hashes: 4,
            batches: 100,
            revocations: 100,
            starts: 3,
        }
    }
}

/// Processors that may be used.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
