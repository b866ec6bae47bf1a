//! Making, changing and deleting roles.

use serde_json::{Value, json};
use ud_db::{Db, DbConn};
use ud_events::{EventType, OutboxHandle, outbox};
use ud_kernel::{
    Clock, Failpoints, Revocation, RoleId, UserId,
    models::{NotBefore, Provenance},
};

use super::{
    ADMIN_ROLE, NewRole, PermissionSet, Role, RoleError, RolePatch, USER_ROLE, assignment_store,
    change::{Change, NotBeforeClient, not_before_of_role},
    limits::{self, NamesLimit},
    role_store,
};

/// Permission to change roles.
const NEEDED: &str = "roles:write";

/// Use cases of roles.
#[derive(Clone)]
pub struct RoleFlow {
    /// The store.
    pub db: Db,
    /// Tells the time.
    pub clock: Clock,
    /// Woken after each commit.
    pub outbox: OutboxHandle,
    /// Tells the session service.
    pub not_before: NotBeforeClient,
    /// Bounds the names of one user.
    pub names: NamesLimit,
    /// Failpoints of tests.
    pub failpoints: Failpoints,
}

impl RoleFlow {
    /// Makes a role.
    ///
    /// # Errors
    /// [`RoleError::NameTaken`], [`RoleError::Escalation`], [`RoleError::PermissionsOutliveGrantor`],
    /// [`RoleError::PermissionDenied`], [`RoleError::Store`].
    pub async fn create(
        &self,
        caller: UserId,
        origin: Provenance,
        new: NewRole,
    ) -> Result<Role, RoleError> {
        let change = self.change(caller, origin);
        let role = self.db.tx(move |conn| create(conn, &change, &new)).await?;
        self.outbox.wake();
        Ok(role)
    }

    /// Changes a role whose version `is_expected` accepts.
    ///
    /// # Errors
    /// [`RoleError::RoleNotFound`], [`RoleError::VersionMismatch`], [`RoleError::BuiltIn`],
    /// [`RoleError::TooManyPermissions`], [`RoleError::NamesTooLong`], and as [`RoleFlow::create`].
    pub async fn update(
        &self,
        caller: UserId,
        origin: Provenance,
        id: RoleId,
        patch: RolePatch,
        is_expected: impl Fn(i64) -> bool + Send + 'static,
    ) -> Result<(Role, Revocation), RoleError> {
        let change = self.change(caller, origin);
        let (role, not_before) = self
            .db
            .tx(move |conn| update(conn, &change, id, &patch, &is_expected))
            .await?;
        Ok((role, self.committed(caller, not_before).await))
    }

    /// Deletes a role whose version `is_expected` accepts, and with it its assignments.
    ///
    /// # Errors
    /// [`RoleError::RoleNotFound`], [`RoleError::VersionMismatch`], [`RoleError::BuiltIn`],
    /// [`RoleError::Escalation`], [`RoleError::PermissionDenied`], [`RoleError::Store`].
    pub async fn delete(
        &self,
        caller: UserId,
        origin: Provenance,
        id: RoleId,
        is_expected: impl Fn(i64) -> bool + Send + 'static,
    ) -> Result<Revocation, RoleError> {
        let change = self.change(caller, origin);
        let not_before = self
            .db
            .tx(move |conn| delete(conn, &change, id, &is_expected))
            .await?;
        Ok(self.committed(caller, Some(not_before)).await)
    }

    fn change(&self, caller: UserId, origin: Provenance) -> Change {
        Change {
            caller,
            origin,
            clock: self.clock.clone(),
            most_names: self.names.bytes(),
        }
    }

    async fn committed(&self, caller: UserId, not_before: Option<NotBefore>) -> Revocation {
        self.outbox.wake();
        self.failpoints.at("role.committed").await;
        match not_before {
            Some(not_before) => self.not_before.store(caller, &not_before).await,
            None => Revocation::Confirmed,
        }
    }
}

/// The transaction of [`RoleFlow::create`].
///
/// # Errors
/// As there.
pub fn create(conn: &mut DbConn, change: &Change, new: &NewRole) -> Result<Role, RoleError> {
    let begun = change.begin(conn, NEEDED)?;
    begun.guard_put(&PermissionSet::default(), &new.permissions)?;
    if role_store::name_is_taken(conn, new.name.as_str())? {
        return Err(RoleError::NameTaken);
    }
    let role = Role::begin(new.clone(), begun.now);
    role_store::insert(conn, &role)?;
    let event = change.event(EventType::ROLE_CREATED, role.id, role.version, begun.now);
    outbox::write(conn, event.after(members(&role)))?;
    Ok(role)
}

/// The transaction of [`RoleFlow::update`]: the role as it is now, and a not-before if it lost a permission.
///
/// # Errors
/// As there.
pub fn update(
    conn: &mut DbConn,
    change: &Change,
    id: RoleId,
    patch: &RolePatch,
    is_expected: &dyn Fn(i64) -> bool,
) -> Result<(Role, Option<NotBefore>), RoleError> {
    let begun = change.begin(conn, NEEDED)?;
    let before = expected(conn, id, is_expected)?;
    if id == ADMIN_ROLE {
        return Err(RoleError::BuiltIn);
    }
    if id == USER_ROLE {
        // Everybody has it: only who may do everything decides on it.
        begun.guard(&PermissionSet::all())?;
    }
    begun.guard_changed(conn, &before)?;
    let Some(after) = before.patched(patch.clone(), begun.now) else {
        return Ok((before, None));
    };
    begun.guard_put(&before.permissions, &after.permissions)?;
    role_store::update(conn, &after)?;
    let gained = after.permissions.has_beyond(&before.permissions);
    if gained {
        limits::check_holders(conn, &after, change.most_names, begun.now)?;
    }
    let lost = before.permissions.has_beyond(&after.permissions);
    let not_before = lost.then(|| not_before_of_role(&after.name, begun.version));
    let event = change
        .event(EventType::ROLE_UPDATED, id, after.version, begun.now)
        .before(members(&before))
        .after(members(&after));
    outbox::write(
        conn,
        match &not_before {
            Some(not_before) => event.details(not_before),
            None => event,
        },
    )?;
    Ok((after, not_before))
}

/// The transaction of [`RoleFlow::delete`].
///
/// # Errors
/// As there.
pub fn delete(
    conn: &mut DbConn,
    change: &Change,
    id: RoleId,
    is_expected: &dyn Fn(i64) -> bool,
) -> Result<NotBefore, RoleError> {
    let begun = change.begin(conn, NEEDED)?;
    let role = expected(conn, id, is_expected)?;
    if role.is_built_in() {
        return Err(RoleError::BuiltIn);
    }
    begun.guard_deleted(conn, &role)?;
    // One event for all of them: it names the role, and each assignment's own event named it before.
    let assignments = assignment_store::delete_of_role(conn, id)?;
    role_store::delete(conn, id)?;
    let not_before = not_before_of_role(&role.name, begun.version);
    let mut before = members(&role);
    if let Value::Object(members) = &mut before {
        members.insert("assignments".to_owned(), json!(assignments));
    }
    let event = change
        .event(EventType::ROLE_DELETED, id, role.version + 1, begun.now)
        .before(before)
        .details(&not_before);
    outbox::write(conn, event)?;
    Ok(not_before)
}

fn expected(
    conn: &mut DbConn,
    id: RoleId,
    is_expected: &dyn Fn(i64) -> bool,
) -> Result<Role, RoleError> {
    let role = role_store::find(conn, id)?.ok_or(RoleError::RoleNotFound)?;
    if is_expected(role.version) {
        Ok(role)
    } else {
        Err(RoleError::VersionMismatch)
    }
}

/// A role in an event.
fn members(role: &Role) -> Value {
    json!({
        "name": role.name,
        "description": role.description,
        "permissions": role.permissions.to_vec(),
    })
}
