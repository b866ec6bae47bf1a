//! What the pool and the calls are measured by.

use std::time::Duration;

use prometheus::{GaugeVec, HistogramVec, IntCounterVec};
use ud_telemetry::Metrics;

use crate::StoreError;

/// From half a millisecond to the limit of a call.
const BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What the pool is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    /// The most connections there may be.
    pub max: u32,
    /// Open connections.
    pub size: u32,
    /// Of these, not in use.
    pub idle: u32,
    /// Calls waiting for their turn.
    pub waiting: u32,
}

pub(crate) struct DbMetrics {
    connections: GaugeVec,
    waiting: GaugeVec,
    wait: HistogramVec,
    call: HistogramVec,
    repeats: IntCounterVec,
    errors: IntCounterVec,
}

impl DbMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            connections: metrics.gauge_vec(
                "db_pool_connections",
                "Open connections by state: idle or used.",
                &["state"],
            ),
            waiting: metrics.gauge_vec(
                "db_pool_waiting",
                "Calls that have not begun: they wait for a thread with a connection.",
                &[],
            ),
            wait: metrics.histogram_vec(
                "db_pool_wait_seconds",
                "Time a call waited for a connection to become free.",
                &[],
                BUCKETS,
            ),
            call: metrics.histogram_vec(
                "db_call_seconds",
                "Time of a call on its connection, repeats included, by kind: read or tx.",
                &["kind"],
                BUCKETS,
            ),
            repeats: metrics.counter_vec(
                "db_tx_repeats_total",
                "Transactions run again because they lost a race.",
                &[],
            ),
            errors: metrics.counter_vec(
                "db_errors_total",
                "Calls that failed for the database's own reasons: conflict, unavailable, timeout, internal.",
                &["kind"],
            ),
        }
    }

    pub(crate) fn pool(&self, state: PoolState) {
        let gauges = [
            ("idle", state.idle),
            ("used", state.size.saturating_sub(state.idle)),
        ];
        for (name, value) in gauges {
            self.connections
                .with_label_values(&[name])
                .set(f64::from(value));
        }
        self.waiting
            .with_label_values::<&str>(&[])
            .set(f64::from(state.waiting));
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.wait
            .with_label_values::<&str>(&[])
            .observe(time.as_secs_f64());
    }

    pub(crate) fn called(&self, kind: &str, time: Duration) {
        self.call
            .with_label_values(&[kind])
            .observe(time.as_secs_f64());
    }

    pub(crate) fn repeated(&self) {
        self.repeats.with_label_values::<&str>(&[]).inc();
    }

    /// Counts what a service cannot help; a violated index is its own business.
    pub(crate) fn failed(&self, error: &StoreError) {
        let kind = match error {
            StoreError::NotFound | StoreError::Unique(_) | StoreError::ForeignKey => return,
            StoreError::Conflict => "conflict",
            StoreError::Unavailable(_) => "unavailable",
            StoreError::Timeout(_) => "timeout",
            StoreError::Internal(_) => "internal",
        };
        self.errors.with_label_values(&[kind]).inc();
    }
}
