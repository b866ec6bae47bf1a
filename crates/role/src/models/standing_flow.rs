//! Who may be an administrator (SECURITY rule 3): profile reserves a user before it makes their account unable to log
//! in, and tells the outcome. This service's serial transaction is the arbiter between that and `admin`.

use std::time::Duration;

use prometheus::Gauge;
use ud_db::{Db, DbConn, StoreError};
use ud_kernel::{
    Clock, Failpoints, UserId,
    models::{Standing, UserStanding},
};

use super::{RoleError, assignment_store, policy_store, role::union, standing_store};

/// A reservation has an outcome by then; otherwise somebody has to look.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(60);

/// Clocks of services differ by this at most.
const CLOCKS_APART: Duration = Duration::from_secs(300);

/// Use cases of standings.
#[derive(Clone)]
pub struct StandingFlow {
    /// The store.
    pub db: Db,
    /// Tells the time.
    pub clock: Clock,
    /// Failpoints of tests.
    pub failpoints: Failpoints,
    /// Reservations older than [`OVERDUE_AFTER`].
    pub overdue: Gauge,
}

impl StandingFlow {
    /// Takes what profile tells of `user`; returns what holds afterwards, which is something else if profile has told
    /// a later standing before.
    ///
    /// # Errors
    /// [`RoleError::IsAdministrator`] if the standing is a reservation and the user holds `*`; [`RoleError::Store`].
    pub async fn set(
        &self,
        user: UserId,
        standing: UserStanding,
    ) -> Result<UserStanding, RoleError> {
        let clock = self.clock.clone();
        let held = self
            .db
            .tx(move |conn| set(conn, user, standing, &clock))
            .await?;
        self.failpoints.at("standing.stored").await;
        Ok(held)
    }

    /// Counts reservations that are overdue, for the metric, and complains of them. Nothing is freed here: profile
    /// alone knows whether the change can still be made.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn watch(&self) -> Result<i64, StoreError> {
        let now = self.clock.now();
        let (before, latest) = (now.minus(OVERDUE_AFTER), now.plus(CLOCKS_APART));
        let overdue = self
            .db
            .read(move |conn| standing_store::reserved_before(conn, before, latest))
            .await?;
        if overdue > 0 {
            log::error!(
                "{overdue} users have been reserved for over a minute: the profile service has not finished changes of \
                 their status"
            );
        }
        self.overdue
            .set(f64::from(u32::try_from(overdue).unwrap_or(u32::MAX)));
        Ok(overdue)
    }
}

/// The transaction of [`StandingFlow::set`].
///
/// # Errors
/// As there.
pub fn set(
    conn: &mut DbConn,
    user: UserId,
    standing: UserStanding,
    clock: &Clock,
) -> Result<UserStanding, RoleError> {
    policy_store::raise_version(conn)?;
    let now = clock.now();
    if let Some(stored) = standing_store::find(conn, user)?
        && !standing.supersedes(&stored)
    {
        return Ok(stored);
    }
    if standing.state == Standing::Reserved {
        let held = union(&assignment_store::in_effect(conn, user, now)?.roles);
        if held.holds(ud_kernel::permission::ALL) {
            return Err(RoleError::IsAdministrator);
        }
    }
    standing_store::store(conn, user, standing, now)?;
    Ok(standing)
}
