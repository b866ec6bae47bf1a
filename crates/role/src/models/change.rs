//! What every change of a role or an assignment has in common: the raised version, the caller's rights, the
//! not-before that makes old tokens stale.

use ud_db::DbConn;
use ud_events::{EventType, NewEvent};
use ud_kernel::{
    Clock, Id, IdKind, Revocation, Service, Timestamp, UserId,
    models::{NotBefore, Provenance},
    operation::SetNotBefore,
};
use ud_peer::ServiceClient;

use super::{PermissionSet, RoleError, holdings::Holdings, policy_store};

/// Who asks for a change, and from where.
#[derive(Debug, Clone)]
pub struct Change {
    /// Whose rights decide.
    pub caller: UserId,
    /// For the event.
    pub origin: Provenance,
    /// Asked when the change has the lock, not before it waited for it.
    pub clock: Clock,
    /// How many bytes of names one user may have.
    pub most_names: usize,
}

/// A change that has the lock: no other runs beside it, and all before it are committed and seen.
pub(crate) struct Begun {
    /// The policy version this change makes.
    pub(crate) version: i64,
    /// The moment of the change.
    pub(crate) now: Timestamp,
    /// What the caller holds at this moment.
    pub(super) held: Holdings,
}

impl Change {
    /// Raises the policy version and reads what the caller may do now, which is not what their token says.
    /// `needed` is the permission the operation itself asks for.
    pub(crate) fn begin(&self, conn: &mut DbConn, needed: &str) -> Result<Begun, RoleError> {
        let version = policy_store::raise_version(conn)?;
        let now = self.clock.now();
        let held = Holdings::read(conn, self.caller, now)?;
        if !held.holds(needed) {
            return Err(RoleError::PermissionDenied);
        }
        Ok(Begun { version, now, held })
    }

    /// An event about `subject`, made by the caller.
    pub(crate) fn event<K: IdKind>(
        &self,
        kind: EventType,
        subject: Id<K>,
        sequence: i64,
        now: Timestamp,
    ) -> NewEvent {
        NewEvent::about(Service::Role, kind, subject, sequence, now, &self.origin)
            .actor(self.caller)
    }
}

impl Begun {
    /// Nobody grants or takes a permission that they do not hold (SECURITY rule 1). What it says of names and of
    /// ends is in [`super::grant`].
    pub(crate) fn guard(&self, permissions: &PermissionSet) -> Result<(), RoleError> {
        if self.held.includes(permissions) {
            Ok(())
        } else {
            Err(RoleError::Escalation)
        }
    }
}

/// The not-before for a user who lost something by the change `version`.
pub(crate) const fn not_before_of_user(user: UserId, version: i64) -> NotBefore {
    NotBefore {
        user_id: Some(user),
        role: None,
        min_pv: version,
    }
}

/// The not-before for all who have a role that lost something by the change `version`.
pub(crate) fn not_before_of_role(name: &str, version: i64) -> NotBefore {
    NotBefore {
        user_id: None,
        role: Some(name.to_owned()),
        min_pv: version,
    }
}

/// Tells the session service that tokens are stale.
#[derive(Clone)]
pub struct NotBeforeClient {
    session: ServiceClient,
}

impl NotBeforeClient {
    /// Calls `session`.
    #[must_use]
    pub const fn new(session: ServiceClient) -> Self {
        Self { session }
    }

    /// Stores `not_before` at the session service. A failure is no failure of the change, which stands: the event
    /// written with it carries the same not-before.
    pub async fn store(&self, caller: UserId, not_before: &NotBefore) -> Revocation {
        let session = self.session.on_behalf_of(caller);
        match session.call::<SetNotBefore>((), not_before.clone()).await {
            Ok(()) => Revocation::Confirmed,
            Err(error) => {
                log::warn!("a not-before is left to the outbox: {error}");
                Revocation::Pending
            }
        }
    }
}
