//! Changes of an existing user: own data, suspension and reactivation, deletion (docs/ARCHITECTURE.md). The order
//! of truth is profile, auth, session: a change of status is committed here first, then auth is told directly,
//! and again by the event if that failed.

use serde_json::json;
use ud_db::{Db, DbConn, StoreError};
use ud_events::{EventType, NewEvent, OutboxHandle, outbox};
use ud_kernel::{
    Clock, Code, Failpoints, Revocation, Service, Timestamp, UserId,
    models::{
        CredentialStatus, CredentialUnlocked, Provenance, SetCredentialStatus, UnlockCredential,
    },
    operation,
};
use ud_peer::ServiceClient;

use super::{
    ProfileError,
    rights::Rights,
    standing_store,
    standings::{Standings, visible},
    user::{User, UserPatch, UserStatus},
    user_store,
};

/// What an administrator does to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// Nobody logs in to it any more.
    Suspend,
    /// Its user may log in again.
    Reactivate,
}

/// Changes users.
#[derive(Clone)]
pub struct AccountFlow {
    db: Db,
    auth: ServiceClient,
    rights: Rights,
    standings: Standings,
    outbox: OutboxHandle,
    clock: Clock,
    failpoints: Failpoints,
}

impl AccountFlow {
    /// A flow on `db` that tells auth of changes, asks `rights` who may act on whom, keeps nobody out but through
    /// `standings`, and wakes `outbox`.
    #[must_use]
    pub const fn new(
        db: Db,
        auth: ServiceClient,
        rights: Rights,
        standings: Standings,
        outbox: OutboxHandle,
        clock: Clock,
        failpoints: Failpoints,
    ) -> Self {
        Self {
            db,
            auth,
            rights,
            standings,
            outbox,
            clock,
            failpoints,
        }
    }

    /// The user of that id, if clients may know of one.
    ///
    /// # Errors
    /// [`ProfileError::NotFound`], [`ProfileError::Store`].
    pub async fn find(&self, id: UserId) -> Result<User, ProfileError> {
        self.db.read(move |conn| visible(conn, id)).await
    }

    /// Applies `patch` to a user whose version `expected` accepts. A patch that changes nothing leaves version
    /// and time as they are.
    ///
    /// # Errors
    /// [`ProfileError::NotFound`], [`ProfileError::VersionMismatch`], and those of [`Rights::may_act`].
    pub async fn update(
        &self,
        actor: UserId,
        origin: &Provenance,
        id: UserId,
        patch: UserPatch,
        expected: impl Fn(i64) -> bool + Send + 'static,
    ) -> Result<User, ProfileError> {
        self.find(id).await?;
        self.rights.may_act(actor, id, "users:write").await?;
        let (now, origin) = (self.clock.now(), origin.clone());
        let user = self
            .db
            .tx(move |conn| {
                let old = visible(conn, id)?;
                if !expected(old.version) {
                    return Err(ProfileError::VersionMismatch);
                }
                let (user, changed) = old.patched(&patch);
                if changed.is_empty() {
                    return Ok(old);
                }
                let user = next_version(user, now);
                won(user_store::update(conn, &user, old.version)?)?;
                user_store::set_words(conn, id, &user.words())?;
                // Names of members only: events carry no personal data.
                let event = event_about(EventType::USER_UPDATED, &user, &origin)
                    .details(json!({"changed": changed}));
                outbox::write(conn, event)?;
                Ok(user)
            })
            .await?;
        self.outbox.wake();
        Ok(user)
    }

    /// Deletes a user: status and times stay, everything personal goes.
    ///
    /// # Errors
    /// [`ProfileError::NotFound`], and those of [`Rights::may_lock_out`] and [`Standings::lock_out`].
    pub async fn delete(
        &self,
        actor: UserId,
        origin: &Provenance,
        id: UserId,
    ) -> Result<Revocation, ProfileError> {
        self.find(id).await?;
        self.rights.may_lock_out(actor, id, "users:delete").await?;
        let (clock, event_origin) = (self.clock.clone(), origin.clone());
        let user = self
            .standings
            .lock_out(actor, id, nothing_done, move |conn, old| {
                let user = next_version(
                    User {
                        status: UserStatus::Deleted,
                        ..old.clone()
                    },
                    clock.now(),
                );
                won(user_store::erase(conn, &user, old.version)?)?;
                write_status_event(
                    conn,
                    EventType::USER_DELETED,
                    old.status,
                    &user,
                    &event_origin,
                )?;
                Ok(user)
            })
            .await?;
        self.outbox.wake();
        self.failpoints.at("deletion.committed").await;
        let (revocation, ()) = tokio::join!(
            self.tell_auth(&user, CredentialStatus::Deleted, origin),
            self.standings.tell_or_leave(id)
        );
        Ok(revocation)
    }

    /// Suspends or reactivates a user. One who already is so stays so, without an event; auth is told all the
    /// same, so that repeating the request after `Revocation: pending` tells how it stands.
    ///
    /// # Errors
    /// [`ProfileError::IsSelf`], [`ProfileError::NotFound`], and those of [`Rights::may_lock_out`] and
    /// [`Standings::lock_out`].
    pub async fn change_status(
        &self,
        actor: UserId,
        origin: &Provenance,
        id: UserId,
        change: StatusChange,
    ) -> Result<(User, Revocation), ProfileError> {
        if actor == id {
            return Err(ProfileError::IsSelf);
        }
        self.find(id).await?;
        let (user, credential) = match change {
            StatusChange::Suspend => (
                self.suspend(actor, origin, id).await?,
                CredentialStatus::Suspended,
            ),
            StatusChange::Reactivate => (
                self.reactivate(actor, origin, id).await?,
                CredentialStatus::Active,
            ),
        };
        self.outbox.wake();
        self.failpoints.at("suspension.committed").await;
        let (revocation, ()) = tokio::join!(
            self.tell_auth(&user, credential, origin),
            self.standings.tell_or_leave(id)
        );
        Ok((user, revocation))
    }

    async fn suspend(
        &self,
        actor: UserId,
        origin: &Provenance,
        id: UserId,
    ) -> Result<User, ProfileError> {
        self.rights.may_lock_out(actor, id, "users:write").await?;
        let is_done = |user: &User| (user.status == UserStatus::Suspended).then(|| user.clone());
        let (clock, origin) = (self.clock.clone(), origin.clone());
        self.standings
            .lock_out(actor, id, is_done, move |conn, old| {
                let (status, kind) = (UserStatus::Suspended, EventType::USER_SUSPENDED);
                set_status(conn, &old, status, kind, &origin, clock.now())
            })
            .await
    }

    async fn reactivate(
        &self,
        actor: UserId,
        origin: &Provenance,
        id: UserId,
    ) -> Result<User, ProfileError> {
        self.rights.may_act(actor, id, "users:write").await?;
        let (now, origin) = (self.clock.now(), origin.clone());
        self.db
            .tx(move |conn| {
                let old = visible(conn, id)?;
                reactivate(conn, old, &origin, None, now)
            })
            .await
    }

    /// Has auth make a code with which the owner of an account that others keep waiting logs in. Not one's own: whoever
    /// holds a stolen token would have tries at the password that nobody else has.
    ///
    /// # Errors
    /// [`ProfileError::IsSelf`], [`ProfileError::NotFound`], those of [`Rights::may_act`], [`ProfileError::Peer`].
    pub async fn unlock(
        &self,
        actor: UserId,
        origin: &Provenance,
        id: UserId,
    ) -> Result<CredentialUnlocked, ProfileError> {
        if actor == id {
            return Err(ProfileError::IsSelf);
        }
        self.find(id).await?;
        self.rights.may_act(actor, id, "users:write").await?;
        let body = UnlockCredential {
            origin: origin.clone(),
        };
        // Of two codes the second is good, which is the one that is answered.
        match self
            .auth
            .call::<operation::UnlockCredential>(id, body)
            .await
        {
            Ok(unlocked) => Ok(unlocked),
            Err(error) if error.is(Code::AUTH_CREDENTIAL_NOT_FOUND) => Err(ProfileError::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    async fn tell_auth(
        &self,
        user: &User,
        status: CredentialStatus,
        origin: &Provenance,
    ) -> Revocation {
        let body = SetCredentialStatus {
            status,
            sequence: user.version,
            origin: origin.clone(),
        };
        let changed = self
            .auth
            .call::<operation::SetCredentialStatus>(user.id, body);
        match changed.await {
            Ok(changed) if changed.sessions_closed => Revocation::Confirmed,
            Ok(_) => Revocation::Pending,
            Err(error) => {
                log::warn!("auth is told later of a change of status: {error}");
                Revocation::Pending
            }
        }
    }
}

/// Nobody is deleted already who is still visible.
const fn nothing_done(_: &User) -> Option<User> {
    None
}

/// The transaction that lets a user log in again, also by the command on the machine, where `operator` says who ran
/// it. One who is active already stays as they are, but there.
pub(crate) fn reactivate(
    conn: &mut DbConn,
    old: User,
    origin: &Provenance,
    operator: Option<&serde_json::Value>,
    now: Timestamp,
) -> Result<User, ProfileError> {
    if old.status == UserStatus::Active && operator.is_none() {
        // Role may have lost what it was told.
        standing_store::put(conn, old.id, old.version, now)?;
        return Ok(old);
    }
    // On the machine it is said again to everybody, whatever they were told before.
    let user = next_version(
        User {
            status: UserStatus::Active,
            ..old.clone()
        },
        now,
    );
    won(user_store::set_status(conn, &user, old.version)?)?;
    let event = status_event(EventType::USER_REACTIVATED, old.status, &user, origin);
    outbox::write(
        conn,
        match operator {
            Some(operator) => event.details(operator),
            None => event,
        },
    )?;
    // Role is told at once, or by the sweeper.
    standing_store::put(conn, user.id, user.version, now)?;
    Ok(user)
}

fn set_status(
    conn: &mut DbConn,
    old: &User,
    status: UserStatus,
    kind: EventType,
    origin: &Provenance,
    now: Timestamp,
) -> Result<User, ProfileError> {
    let user = next_version(
        User {
            status,
            ..old.clone()
        },
        now,
    );
    won(user_store::set_status(conn, &user, old.version)?)?;
    write_status_event(conn, kind, old.status, &user, origin)?;
    Ok(user)
}

fn next_version(user: User, now: Timestamp) -> User {
    User {
        version: user.version + 1,
        updated_at: now,
        ..user
    }
}

/// A compare-and-set that lost runs its transaction again.
const fn won(won: bool) -> Result<(), StoreError> {
    if won {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

fn event_about(kind: EventType, user: &User, origin: &Provenance) -> NewEvent {
    NewEvent::about(
        Service::Profile,
        kind,
        user.id,
        user.version,
        user.updated_at,
        origin,
    )
}

fn write_status_event(
    conn: &mut DbConn,
    kind: EventType,
    before: UserStatus,
    user: &User,
    origin: &Provenance,
) -> Result<(), StoreError> {
    outbox::write(conn, status_event(kind, before, user, origin))
}

fn status_event(kind: EventType, before: UserStatus, user: &User, origin: &Provenance) -> NewEvent {
    event_about(kind, user, origin)
        .before(json!({"status": before.as_str()}))
        .after(json!({"status": user.status.as_str()}))
}
