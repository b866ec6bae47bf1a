//! `admin grant`: makes a user an administrator whatever the state of the platform (SECURITY rule 3). Whoever can run
//! it has this service's database: nothing is asked but the user's id.

use serde_json::Value;
use ud_db::DbConn;
use ud_kernel::{
    AssignmentId, Clock, UserId,
    models::{Provenance, Standing},
};

use super::{
    ADMIN_ROLE, RoleError, assignment_flow::assign_administrator, assignment_store, policy_store,
    standing_store,
};

/// Makes `user` an administrator, in one transaction; `None` if they are one already. `operator` says who ran the
/// command, for the audit log. An account that is known as unable to log in becomes an administrator too, but does not
/// count as one until profile has told that it can: profile's and auth's commands see to that.
///
/// # Errors
/// [`RoleError::UnknownUser`] for a deleted user; [`RoleError::UserInactive`] while profile is changing the account's
/// status, which takes a minute at most; [`RoleError::Store`].
pub fn grant(
    conn: &mut DbConn,
    user: UserId,
    operator: &Value,
    clock: &Clock,
) -> Result<Option<AssignmentId>, RoleError> {
    policy_store::raise_version(conn)?;
    let now = clock.now();
    if policy_store::is_deleted(conn, user)? {
        return Err(RoleError::UnknownUser);
    }
    if standing_store::find(conn, user)?.is_some_and(|told| told.state == Standing::Reserved) {
        return Err(RoleError::UserInactive);
    }
    let held = assignment_store::of_user(conn, user)?;
    if held.iter().any(|(_, role)| role.id == ADMIN_ROLE) {
        return Ok(None);
    }
    if policy_store::first_administrator(conn)?.is_none() {
        policy_store::insert_first_administrator(conn, user, now)?;
    }
    assign_administrator(conn, user, &Provenance::default(), operator, now).map(Some)
}
