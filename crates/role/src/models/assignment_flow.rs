//! Assigning roles, taking them away, and what happens to a user's roles when the user is deleted or an
//! assignment ends.

use serde_json::{Value, json};
use ud_db::{Db, DbConn, StoreError};
use ud_events::{ApplyError, Event, EventType, NewEvent, OutboxHandle, outbox};
use ud_kernel::{
    AssignmentId, Clock, Code, EventId, Failpoints, Revocation, Service, Timestamp, UserId,
    models::{CredentialStatus, NotBefore, Provenance},
    operation::ReadCredential,
};
use ud_peer::{CallError, ServiceClient};

use super::{
    ADMIN_ROLE, Assignment, NewAssignment, Role, RoleError, USER_ROLE, assignment_store,
    change::{Change, NotBeforeClient, not_before_of_user},
    limits::{self, NamesLimit},
    policy_store, role_store, standing_store,
};

/// Permission to change assignments.
const NEEDED: &str = "role-assignments:write";

/// An assignment's events: it begins, and once it ends. Nothing happens between.
const BEGUN: i64 = 1;
const ENDED: i64 = 2;

/// So many assignments that have ended are removed in one transaction.
const ENDED_AT_ONCE: i64 = 100;

/// Use cases of assignments.
#[derive(Clone)]
pub struct AssignmentFlow {
    /// The store.
    pub db: Db,
    /// Tells the time.
    pub clock: Clock,
    /// Woken after each commit.
    pub outbox: OutboxHandle,
    /// Tells the session service.
    pub not_before: NotBeforeClient,
    /// Knows which users there are.
    pub auth: ServiceClient,
    /// Bounds the names of one user.
    pub names: NamesLimit,
    /// Failpoints of tests.
    pub failpoints: Failpoints,
}

impl AssignmentFlow {
    /// Gives a user a role; with the role's name.
    ///
    /// # Errors
    /// [`RoleError::UnknownUser`], [`RoleError::RoleNotFound`], [`RoleError::BuiltIn`],
    /// [`RoleError::AlreadyAssigned`], [`RoleError::InvalidExpiry`], [`RoleError::AdministratorExpires`],
    /// [`RoleError::UserInactive`],
    /// [`RoleError::TooManyPermissions`], [`RoleError::NamesTooLong`], [`RoleError::Escalation`],
    /// [`RoleError::TargetHoldsMore`], [`RoleError::AssignmentOutlivesGrantor`], [`RoleError::PermissionDenied`],
    /// [`RoleError::PeerUnavailable`], [`RoleError::Store`].
    pub async fn create(
        &self,
        caller: UserId,
        origin: Provenance,
        new: NewAssignment,
    ) -> Result<(Assignment, String), RoleError> {
        self.check_user(caller, &new).await?;
        self.failpoints.at("assignment.user_checked").await;
        let change = self.change(caller, origin);
        let made = self.db.tx(move |conn| assign(conn, &change, new)).await?;
        self.outbox.wake();
        Ok(made)
    }

    /// Takes a role from a user.
    ///
    /// # Errors
    /// [`RoleError::AssignmentNotFound`], [`RoleError::LastAdministrator`], [`RoleError::Escalation`],
    /// [`RoleError::TargetHoldsMore`], [`RoleError::PermissionDenied`], [`RoleError::Store`].
    pub async fn delete(
        &self,
        caller: UserId,
        origin: Provenance,
        id: AssignmentId,
    ) -> Result<Revocation, RoleError> {
        let change = self.change(caller, origin);
        let not_before = self.db.tx(move |conn| unassign(conn, &change, id)).await?;
        self.outbox.wake();
        self.failpoints.at("assignment.deleted").await;
        Ok(self.not_before.store(caller, &not_before).await)
    }

    /// Makes `user` the first administrator: `true` the first time, `false` if it is so already.
    ///
    /// # Errors
    /// [`RoleError::AdministratorExists`], [`RoleError::UnknownUser`], [`RoleError::Store`].
    pub async fn make_first_administrator(
        &self,
        user: UserId,
        origin: Provenance,
    ) -> Result<bool, RoleError> {
        let clock = self.clock.clone();
        let made = self
            .db
            .tx(move |conn| make_first_administrator(conn, user, &origin, &clock))
            .await?;
        self.outbox.wake();
        Ok(made)
    }

    /// Removes assignments that have ended, and writes their events. They gave nothing since their end; this
    /// only tidies up.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_ended(&self) -> Result<(), StoreError> {
        loop {
            let now = self.clock.now();
            let some: Vec<_> = self
                .db
                .read(move |conn| assignment_store::ended(conn, now, 1))
                .await?;
            if some.is_empty() {
                return Ok(());
            }
            self.db.tx(move |conn| remove_ended(conn, now)).await?;
            self.outbox.wake();
        }
    }

    /// Auth is asked before the transaction; whoever is deleted after its response is found by [`remove_user`], and
    /// whoever is suspended after it by their standing.
    async fn check_user(&self, caller: UserId, new: &NewAssignment) -> Result<(), RoleError> {
        let auth = self.auth.on_behalf_of(caller);
        match auth.call::<ReadCredential>(new.user_id, ()).await {
            Ok(credential) if credential.status == CredentialStatus::Deleted => {
                Err(RoleError::UnknownUser)
            }
            Ok(credential)
                if new.role_id == ADMIN_ROLE && credential.status != CredentialStatus::Active =>
            {
                Err(RoleError::UserInactive)
            }
            Ok(_) => Ok(()),
            Err(error) if error.is(Code::AUTH_CREDENTIAL_NOT_FOUND) => Err(RoleError::UnknownUser),
            Err(error @ CallError::Unavailable { .. }) => {
                Err(RoleError::PeerUnavailable(error.to_string()))
            }
            Err(error @ CallError::Refused { .. }) => {
                Err(RoleError::PeerRefused(error.to_string()))
            }
        }
    }

    fn change(&self, caller: UserId, origin: Provenance) -> Change {
        Change {
            caller,
            origin,
            clock: self.clock.clone(),
            most_names: self.names.bytes(),
        }
    }
}

/// The transaction of [`AssignmentFlow::create`].
///
/// # Errors
/// As there.
pub fn assign(
    conn: &mut DbConn,
    change: &Change,
    new: NewAssignment,
) -> Result<(Assignment, String), RoleError> {
    let begun = change.begin(conn, NEEDED)?;
    let role = role_store::find(conn, new.role_id)?.ok_or(RoleError::RoleNotFound)?;
    begun.guard_role(&role)?;
    let assignment = Assignment::begin(new, begun.now)?;
    begun.guard_given(conn, &assignment, &role)?;
    if policy_store::is_deleted(conn, new.user_id)? {
        return Err(RoleError::UnknownUser);
    }
    if new.role_id == ADMIN_ROLE && !standing_store::can_act(conn, new.user_id)? {
        return Err(RoleError::UserInactive);
    }
    let everybody = role_store::find(conn, USER_ROLE)?.ok_or(StoreError::NotFound)?;
    let mut roles = vec![&everybody, &role];
    let others = assignment_store::of_user(conn, new.user_id)?;
    for (other, its_role) in &others {
        if !other.is_in_effect(begun.now) {
            // It would stand in the way of a new one for the same role.
            end_by_time(conn, other, its_role, begun.now)?;
        } else if other.role_id == new.role_id {
            return Err(RoleError::AlreadyAssigned);
        } else {
            roles.push(its_role);
        }
    }
    limits::check_user(&roles, change.most_names)?;
    assignment_store::insert(conn, &assignment)?;
    let event = change.event(EventType::ROLE_ASSIGNED, assignment.id, BEGUN, begun.now);
    outbox::write(conn, assigned(event, &assignment, &role))?;
    Ok((assignment, role.name))
}

/// The transaction of [`AssignmentFlow::delete`].
///
/// # Errors
/// As there.
pub fn unassign(
    conn: &mut DbConn,
    change: &Change,
    id: AssignmentId,
) -> Result<NotBefore, RoleError> {
    let begun = change.begin(conn, NEEDED)?;
    let assignment = assignment_store::find(conn, id)?
        .filter(|found| found.is_in_effect(begun.now))
        .ok_or(RoleError::AssignmentNotFound)?;
    let role = role_store::find(conn, assignment.role_id)?.ok_or(StoreError::NotFound)?;
    begun.guard_taken(conn, &assignment, &role)?;
    if role.id == ADMIN_ROLE && standing_store::other_administrators(conn, assignment.user_id)? == 0
    {
        return Err(RoleError::LastAdministrator);
    }
    let not_before = not_before_of_user(assignment.user_id, begun.version);
    assignment_store::delete(conn, id)?;
    let event = change.event(EventType::ROLE_UNASSIGNED, id, ENDED, begun.now);
    outbox::write(conn, ended(event, &assignment, &role).details(&not_before))?;
    Ok(not_before)
}

/// The transaction of [`AssignmentFlow::make_first_administrator`].
///
/// # Errors
/// As there.
pub fn make_first_administrator(
    conn: &mut DbConn,
    user: UserId,
    origin: &Provenance,
    clock: &Clock,
) -> Result<bool, RoleError> {
    policy_store::raise_version(conn)?;
    match policy_store::first_administrator(conn)? {
        Some(first) if first == user => return Ok(false),
        Some(_) => return Err(RoleError::AdministratorExists),
        None => {}
    }
    if assignment_store::count_of_role(conn, ADMIN_ROLE)? > 0 {
        return Err(RoleError::AdministratorExists);
    }
    if !standing_store::can_act(conn, user)? {
        return Err(RoleError::UnknownUser);
    }
    let now = clock.now();
    policy_store::insert_first_administrator(conn, user, now)?;
    assign_administrator(conn, user, origin, &json!({}), now)?;
    Ok(true)
}

/// Gives `user` the role of administrators, with its event, which carries `details`. It asks nothing: the caller has
/// decided. Neither roles nor names are limited here: `*` stands alone in a token, and with it the longest names of all
/// roles that one user may have fit.
///
/// # Errors
/// [`RoleError::Store`].
pub(crate) fn assign_administrator(
    conn: &mut DbConn,
    user: UserId,
    origin: &Provenance,
    details: &Value,
    now: Timestamp,
) -> Result<AssignmentId, RoleError> {
    let role = role_store::find(conn, ADMIN_ROLE)?.ok_or(StoreError::NotFound)?;
    let new = NewAssignment {
        user_id: user,
        role_id: ADMIN_ROLE,
        expires_at: None,
    };
    let assignment = Assignment::begin(new, now)?;
    assignment_store::insert(conn, &assignment)?;
    let (kind, id) = (EventType::ROLE_ASSIGNED, assignment.id);
    let event = NewEvent::about(Service::Role, kind, id, BEGUN, now, origin);
    outbox::write(conn, assigned(event, &assignment, &role).details(details))?;
    Ok(id)
}

/// What the event `user_deleted` does here, in the transaction of the inbox: the user has no role any more
/// and gets none again. Other events do nothing.
///
/// # Errors
/// [`ApplyError::Store`].
pub fn remove_user(conn: &mut DbConn, event: &Event, clock: &Clock) -> Result<(), ApplyError> {
    if event.kind != EventType::USER_DELETED {
        return Ok(());
    }
    let version = policy_store::raise_version(conn)?;
    let now = clock.now();
    let user = UserId::from_uuid(event.subject);
    policy_store::remember_deleted(conn, user, now)?;
    let origin = event.origin();
    for (assignment, role) in assignment_store::of_user(conn, user)? {
        if role.id == ADMIN_ROLE && standing_store::other_administrators(conn, user)? == 0 {
            // Profile deletes nobody whom this service did not reserve; a version before this one could.
            log::error!(
                "the last administrator was deleted: there is none now; `admin grant` makes one"
            );
        }
        if !assignment.is_in_effect(now) {
            end_by_time(conn, &assignment, &role, now)?;
            continue;
        }
        assignment_store::delete(conn, assignment.id)?;
        let kind = EventType::ROLE_UNASSIGNED;
        let event = NewEvent::about(Service::Role, kind, assignment.id, ENDED, now, &origin);
        let not_before = not_before_of_user(user, version);
        outbox::write(conn, ended(event, &assignment, &role).details(&not_before))?;
    }
    Ok(())
}

/// One transaction of [`AssignmentFlow::remove_ended`].
///
/// # Errors
/// As there.
pub fn remove_ended(conn: &mut DbConn, now: Timestamp) -> Result<(), StoreError> {
    policy_store::raise_version(conn)?;
    for (assignment, role) in assignment_store::ended(conn, now, ENDED_AT_ONCE)? {
        end_by_time(conn, &assignment, &role, now)?;
    }
    Ok(())
}

/// Removes an assignment that has ended. No not-before is set: tokens that reflect it ended with it.
fn end_by_time(
    conn: &mut DbConn,
    assignment: &Assignment,
    role: &Role,
    now: Timestamp,
) -> Result<(), StoreError> {
    assignment_store::delete(conn, assignment.id)?;
    // No request caused it; the id is made so that the record has one.
    let origin = Provenance {
        request_id: EventId::new(now).to_string(),
        ..Provenance::default()
    };
    let kind = EventType::ROLE_ASSIGNMENT_EXPIRED;
    let event = NewEvent::about(Service::Role, kind, assignment.id, ENDED, now, &origin);
    outbox::write(conn, ended(event, assignment, role))
}

fn assigned(event: NewEvent, assignment: &Assignment, role: &Role) -> NewEvent {
    event
        .target(assignment.user_id)
        .after(members(assignment, role))
}

fn ended(event: NewEvent, assignment: &Assignment, role: &Role) -> NewEvent {
    event
        .target(assignment.user_id)
        .before(members(assignment, role))
}

/// An assignment in an event.
fn members(assignment: &Assignment, role: &Role) -> Value {
    json!({
        "role": role.name,
        "role_id": role.id,
        "expires_at": assignment.expires_at,
    })
}
