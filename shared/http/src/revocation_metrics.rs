//! How tokens are checked for revocation, as metrics and in the readiness report (SECURITY rule 19).

use prometheus::{Gauge, IntCounterVec};
use ud_jwt::revocation::SessionChecker;
use ud_kernel::Service;
use ud_telemetry::Metrics;

/// The metrics of one service's checker, brought up to date when they are read.
#[derive(Clone)]
pub(crate) struct RevocationMetrics {
    checker: SessionChecker,
    fresh: Gauge,
    entries: Gauge,
    checks: IntCounterVec,
}

impl RevocationMetrics {
    pub(crate) fn new(service: Service, checker: SessionChecker, metrics: &Metrics) -> Self {
        let metrics = metrics.for_service(service);
        let gauge = |name, help| {
            metrics
                .gauge_vec(name, help, &[])
                .with_label_values::<&str>(&[])
        };
        Self {
            checker,
            fresh: gauge(
                "revocation_feed_fresh",
                "1 while tokens are judged by the revocation feed, 0 while the session service is asked.",
            ),
            entries: gauge(
                "revocation_feed_entries",
                "Revocations that concern tokens that may still be alive.",
            ),
            checks: metrics.counter_vec(
                "revocation_checks_total",
                "Tokens judged by the feed, questions to the session service, checks without an answer, and tokens \
                 accepted without one (REVOCATION_FALLBACK=open).",
                &["by"],
            ),
        }
    }

    /// For the readiness report.
    pub(crate) fn state(&self) -> &'static str {
        self.checker.describe()
    }

    #[allow(clippy::cast_precision_loss, reason = "a gauge")]
    pub(crate) fn update(&self) {
        let counts = self.checker.counts();
        self.fresh
            .set(f64::from(u8::from(self.checker.is_fresh() == Some(true))));
        self.entries.set(counts.entries as f64);
        for (by, total) in [
            ("feed", counts.judged),
            ("asked", counts.asked),
            ("unavailable", counts.unavailable),
            ("open", counts.unchecked),
        ] {
            let counter = self.checks.with_label_values(&[by]);
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }
}
