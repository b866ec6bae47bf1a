//! `Revocation: pending`: a response says that older tokens live a little longer than it suggests (docs/ARCHITECTURE.md).

use actix_web::{HttpResponseBuilder, http::header::HeaderName};
use prometheus::IntCounterVec;
use ud_kernel::Revocation;
use ud_telemetry::Metrics;

const REVOCATION: HeaderName = HeaderName::from_static("revocation");

/// Counts the responses of one service that say so. Clones share the counts.
#[derive(Clone)]
pub struct PendingRevocations(IntCounterVec);

impl PendingRevocations {
    /// Counts in `metrics`.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self(metrics.counter_vec(
            "revocation_pending_total",
            "Answers that carried Revocation: pending.",
            &["operation"],
        ))
    }

    /// Adds the header to the response of `operation` if its revocation is pending, and counts it.
    pub fn tell(
        &self,
        operation: &str,
        revocation: Revocation,
        response: &mut HttpResponseBuilder,
    ) {
        if revocation == Revocation::Pending {
            self.count(operation);
            response.insert_header((REVOCATION, "pending"));
        }
    }

    /// Counts a response of `operation` that says so in its body.
    pub fn count(&self, operation: &str) {
        self.0.with_label_values(&[operation]).inc();
    }
}
