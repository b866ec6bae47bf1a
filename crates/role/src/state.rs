//! What handlers need.

use ud_db::Db;
use ud_events::SqlEvents;
use ud_http::PendingRevocations;
use ud_kernel::Service;
use ud_service::{SecurityLog, ServiceContext};
use ud_telemetry::Metrics;

use crate::models::{
    AssignmentFlow, NamesLimit, NotBeforeClient, ReadFlow, RoleFlow, StandingFlow,
};

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
    pub fn new(context: &ServiceContext, db: &Db, names: NamesLimit) -> Self {
        let events = SqlEvents::new(db.clone(), context);
        let outbox = events.handle();
        let overdue = context.metrics.gauge_vec(
            "role_reservations_overdue",
            "Users whose change of status was announced over a minute ago and has no outcome.",
            &[],
        );
        let not_before = NotBeforeClient::new(context.peers.client(Service::Session));
        Self {
            roles: RoleFlow {
                db: db.clone(),
                clock: context.clock.clone(),
                outbox: outbox.clone(),
                not_before: not_before.clone(),
                names: names.clone(),
                failpoints: context.failpoints.clone(),
            },
            assignments: AssignmentFlow {
                db: db.clone(),
                clock: context.clock.clone(),
                outbox: outbox.clone(),
                not_before,
                names,
                auth: context.peers.client(Service::Auth),
                failpoints: context.failpoints.clone(),
            },
            standings: StandingFlow {
                db: db.clone(),
                clock: context.clock.clone(),
                failpoints: context.failpoints.clone(),
                overdue: overdue.with_label_values::<&str>(&[]),
            },
            reads: ReadFlow {
                db: db.clone(),
                clock: context.clock.clone(),
            },
            security_log: context.security_log.clone(),
            events,
            revocations: PendingRevocations::new(&context.metrics),
            metrics: context.metrics.clone(),
        }
    }
}
