//! Registrations that nobody came back for.

use std::time::Duration;

use ud_db::{Db, DbConn};
use ud_kernel::{
    Clock, Code, UserId,
    models::{Credential, Provenance},
    operation::ReadCredential,
};
use ud_peer::{CallError, ServiceClient};

use super::{ProfileError, RegistrationFlow, idempotency_store, user_store};

/// A registration nobody has tried to complete for so long is finished or removed.
pub const GIVEN_UP_AFTER: Duration = Duration::from_secs(3600);
/// Looked at in one round.
const AT_ONCE: i64 = 100;

/// Finishes or removes registrations left half-done. Replicas may sweep at once: every step is a
/// compare-and-set.
#[derive(Clone)]
pub struct Sweeper {
    db: Db,
    auth: ServiceClient,
    registration: RegistrationFlow,
    clock: Clock,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Auth had the credential: active now.
    pub completed: usize,
    /// Auth had none: removed.
    pub removed: usize,
}

impl Sweeper {
    /// A sweeper of `db` that asks `auth` and completes through `registration`.
    #[must_use]
    pub const fn new(
        db: Db,
        auth: ServiceClient,
        registration: RegistrationFlow,
        clock: Clock,
    ) -> Self {
        Self {
            db,
            auth,
            registration,
            clock,
        }
    }

    /// One round; also forgets Idempotency-Keys whose time is over.
    ///
    /// # Errors
    /// [`ProfileError::Store`], and [`ProfileError::Peer`] if auth does not answer: what is left waits for the
    /// next round.
    pub async fn sweep(&self) -> Result<Swept, ProfileError> {
        let now = self.clock.now();
        self.db
            .tx(move |conn| idempotency_store::delete_expired(conn, now))
            .await?;
        let before = now.minus(GIVEN_UP_AFTER);
        let stale = self
            .db
            .read(move |conn| user_store::stale_pending(conn, before, AT_ONCE))
            .await?;
        let mut swept = Swept::default();
        for (id, seen) in stale {
            if let Some(credential) = self.credential(id).await? {
                self.registration
                    .complete(id, Some(credential), &Provenance::default())
                    .await?;
                swept.completed += 1;
            } else {
                let remove =
                    move |conn: &mut DbConn| user_store::delete_pending(conn, id, Some(seen));
                swept.removed += usize::from(self.db.tx(remove).await?);
            }
        }
        Ok(swept)
    }

    async fn credential(&self, id: UserId) -> Result<Option<Credential>, CallError> {
        match self.auth.call::<ReadCredential>(id, ()).await {
            Ok(credential) => Ok(Some(credential)),
            Err(error) if error.is(Code::AUTH_CREDENTIAL_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
