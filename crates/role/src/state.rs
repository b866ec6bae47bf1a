//! What handlers need.

use ud_db::Db;
use ud_events::SqlEvents;
use ud_http::PendingRevocations;
use ud_kernel::Service;
use ud_service::{Base, SecurityLog};
use ud_telemetry::Metrics;

use crate::models::{AssignmentFlow, Marker, NamesLimit, ReadFlow, RoleFlow, StandingFlow};

/// What handlers need.
#[derive(Clone)]
pub struct RoleState {
    /// Changes of roles.
    pub roles: RoleFlow,
    /// Changes of assignments.
    pub assignments: AssignmentFlow,
    /// Who may be an administrator.
    pub standings: StandingFlow,
    /// Reads.
    pub reads: ReadFlow,
    /// Events of this service and of others.
    pub events: SqlEvents,
    /// Takes refusals and reads by permission for the audit log.
    pub security_log: SecurityLog,
    /// Adds and counts `Revocation: pending`.
    pub revocations: PendingRevocations,
    /// Counters.
    pub metrics: Metrics,
}

impl RoleState {
    /// The state of a service on `db` that bounds the names of one user by `names`.
    #[must_use]
    pub fn new(base: &Base, db: &Db, names: NamesLimit) -> Self {
        let events = SqlEvents::new(db.clone(), base);
        let outbox = events.handle();
        let overdue = base.metrics.gauge_vec(
            "role_reservations_overdue",
            "Users whose change of status was announced over a minute ago and has no outcome.",
            &[],
        );
        let marker = Marker::new(base.peers.client(Service::Session));
        Self {
            roles: RoleFlow {
                db: db.clone(),
                clock: base.clock.clone(),
                outbox: outbox.clone(),
                marker: marker.clone(),
                names: names.clone(),
                failpoints: base.failpoints.clone(),
            },
            assignments: AssignmentFlow {
                db: db.clone(),
                clock: base.clock.clone(),
                outbox: outbox.clone(),
                marker,
                names,
                auth: base.peers.client(Service::Auth),
                failpoints: base.failpoints.clone(),
            },
            standings: StandingFlow {
                db: db.clone(),
                clock: base.clock.clone(),
                failpoints: base.failpoints.clone(),
                overdue: overdue.with_label_values::<&str>(&[]),
            },
            reads: ReadFlow {
                db: db.clone(),
                clock: base.clock.clone(),
            },
            security_log: base.security_log.clone(),
            events,
            revocations: PendingRevocations::new(&base.metrics),
            metrics: base.metrics.clone(),
        }
    }
}
