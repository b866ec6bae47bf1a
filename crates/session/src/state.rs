//! What handlers need.

use std::sync::Arc;

use prometheus::{Gauge, IntCounterVec};
use ud_kernel::{
    Clock, EventType, Service, UserId,
    models::{FeedKnown, Provenance},
};
use ud_service::{SecurityEvent, SecurityLog};
use ud_telemetry::Metrics;

use crate::models::{
    error::SessionError, feed::Feed, seen::Seen, session::Refusal, session_flow::SessionFlow,
    session_store::SessionStore,
};

/// Clones are the same.
#[derive(Clone)]
pub struct SessionState {
    /// Where sessions are kept.
    pub store: Arc<dyn SessionStore>,
    /// Use cases of the public routes.
    pub flow: SessionFlow,
    /// Tells verifiers what is revoked.
    pub feed: Feed,
    /// How many follow it.
    pub subscribers: Gauge,
    /// Tells the time.
    pub clock: Clock,
    /// Registry of this service's metrics.
    pub metrics: Metrics,
    security_log: SecurityLog,
    operations: IntCounterVec,
}

impl SessionState {
    /// Counts operations in `metrics`, and tells the audit log by `security_log` what it should know beside
    /// changes.
    #[must_use]
    pub fn new(
        store: Arc<dyn SessionStore>,
        flow: SessionFlow,
        feed: Feed,
        clock: Clock,
        security_log: SecurityLog,
        metrics: &Metrics,
    ) -> Self {
        let operations = metrics.counter_vec(
            "session_operations_total",
            "Sessions created, refreshed and closed for auth, by outcome.",
            &["operation", "outcome"],
        );
        let subscribers = metrics
            .gauge_vec(
                "revocation_feed_subscribers",
                "Verifiers that follow the revocation feed of this process.",
                &[],
            )
            .with_label_values::<&str>(&[]);
        Self {
            store,
            flow,
            feed,
            subscribers,
            clock,
            metrics: metrics.clone(),
            security_log,
            operations,
        }
    }

    /// Notes that the caller behind `origin` read what belongs to `owner` (SECURITY rule 33), unless it is
    /// their own.
    pub fn note_read(&self, origin: &Provenance, owner: UserId) {
        if origin.actor_id != Some(owner) {
            self.note(EventType::ADMIN_READ, origin.clone(), owner);
        }
    }

    /// What `caller` claims to have seen of the revocation feed, if session's own tag is on it. Otherwise the audit log is
    /// told (SECURITY rule 19), and the claim counts for nothing.
    pub fn believe(
        &self,
        claim: FeedKnown,
        caller: Service,
        provenance: impl FnOnce() -> Provenance,
    ) -> Option<Seen> {
        let seen = self.feed.believe(claim);
        if seen.is_none() {
            self.security_log.note(SecurityEvent {
                kind: EventType::FEED_CLAIM_REFUSED,
                origin: provenance(),
                target_type: "service",
                target_id: caller.as_str().to_owned(),
            });
        }
        seen
    }

    /// Notes `event` about the things of `owner`.
    pub fn note(&self, event: EventType, origin: Provenance, owner: UserId) {
        let (target_type, target_id) = ("user", owner.to_string());
        self.security_log.note(SecurityEvent {
            kind: event,
            origin,
            target_type,
            target_id,
        });
    }

    /// Counts an operation and hands its result on.
    ///
    /// # Errors
    /// That of `result`.
    pub fn count<T>(
        &self,
        operation: &str,
        result: Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        let outcome = match &result {
            Ok(_) => "done",
            Err(SessionError::Refused(Refusal::Closed)) => "closed",
            Err(SessionError::Refused(Refusal::EpochTooOld)) => "epoch_too_old",
            Err(SessionError::Refused(Refusal::PolicyStale)) => "policy_stale",
            Err(_) => "failed",
        };
        self.operations
            .with_label_values(&[operation, outcome])
            .inc();
        result
    }
}
