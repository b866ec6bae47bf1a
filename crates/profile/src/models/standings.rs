//! The one way by which an account becomes unable to log in (SECURITY rule 3). There is always an administrator, and
//! who is one is decided in role's database; so a change of status that keeps somebody out goes through three steps:
//!
//! 1. It is announced here: a row in `standing_changes` with the version that the change will make.
//! 2. The user is reserved at role, which refuses for an administrator, and makes no administrator of whom it reserved.
//! 3. It is made here, by a compare-and-set on the version.
//!
//! A change that is not made is withdrawn by raising the version: after that step 3 cannot happen any more, and only
//! then role is told. So role frees nobody whose change can still be made, whatever is lost, late, or killed in
//! between. What role has not confirmed stays in `standing_changes`, and is finished by [`Standings::sweep`].

use std::time::Duration;

use ud_db::{Db, DbConn, StoreError};
use ud_kernel::{
    Clock, Code, Failpoints, UserId,
    models::{Standing, UserStanding},
    operation::SetStanding,
};
use ud_peer::ServiceClient;

use super::{
    ProfileError, standing_store,
    user::{User, UserStatus},
    user_store,
};

/// An announced change is made by then, or withdrawn.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(60);
/// Clocks of replicas differ by this at most.
const CLOCKS_APART: Duration = Duration::from_secs(300);
/// Role is told again of deletions that are not older.
const RECALLED: Duration = Duration::from_secs(90 * 86_400);
/// Looked at in one round of the sweeper.
const AT_ONCE: i64 = 100;
/// So often a change is tried that others get ahead of.
const ROUNDS: usize = 3;

/// Announces, reserves, tells, withdraws.
#[derive(Clone)]
pub struct Standings {
    db: Db,
    role: ServiceClient,
    clock: Clock,
    failpoints: Failpoints,
}

/// How an attempt to make an announced change ended.
enum Made<T> {
    Done(T),
    /// The user was changed since, or the announcement withdrawn.
    Overtaken,
}

impl Standings {
    /// Tells `role` of users in `db`.
    #[must_use]
    pub const fn new(db: Db, role: ServiceClient, clock: Clock, failpoints: Failpoints) -> Self {
        Self {
            db,
            role,
            clock,
            failpoints,
        }
    }

    /// Makes the account of `id` unable to log in, by `make`: within a transaction it gets the user as stored, and
    /// makes a change that raises the version by one, or returns what needs no change. `is_done` says of a user
    /// whether nothing has to be changed. `actor` asks for it.
    ///
    /// # Errors
    /// [`ProfileError::NotFound`]; [`ProfileError::IsAdministrator`] if the user holds `*`, and nothing is changed;
    /// [`ProfileError::Peer`] if role does not answer, and nothing is changed; [`ProfileError::Store`]. What is left
    /// of an attempt the sweeper finishes.
    pub async fn lock_out<T, D, M>(
        &self,
        actor: UserId,
        id: UserId,
        is_done: D,
        make: M,
    ) -> Result<T, ProfileError>
    where
        T: Send + 'static,
        D: Fn(&User) -> Option<T> + Clone + Send + 'static,
        M: Fn(&mut DbConn, User) -> Result<T, ProfileError> + Clone + Send + 'static,
    {
        for _ in 0..ROUNDS {
            let sequence = match self.announce(id, is_done.clone()).await? {
                Ok(done) => return Ok(done),
                Err(sequence) => sequence,
            };
            self.failpoints.at("standing.announced").await;
            match self.reserve(actor, id, sequence).await {
                Ok(held) if held.state == Standing::Reserved && held.sequence == sequence => {}
                // Role knows of a later standing. It is caught up with, and tried again.
                Ok(held) => {
                    self.withdraw(id, sequence.max(held.sequence)).await;
                    continue;
                }
                Err(error) => {
                    self.withdraw(id, sequence).await;
                    return Err(error);
                }
            }
            self.failpoints.at("standing.reserved").await;
            let make = make.clone();
            let made = self
                .db
                .tx(move |conn| {
                    let user = visible(conn, id)?;
                    let announced = standing_store::find(conn, id)?;
                    if announced != Some(sequence) || user.version + 1 != sequence {
                        return Ok(Made::Overtaken);
                    }
                    make(conn, user).map(Made::Done)
                })
                .await;
            match made {
                Ok(Made::Done(done)) => return Ok(done),
                Ok(Made::Overtaken) => {}
                Err(error) => {
                    self.withdraw(id, sequence).await;
                    return Err(error);
                }
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Writes the intention down; returns the sequence, or what is done already. A change announced by another request
    /// is joined: whichever is made first overtakes the other.
    async fn announce<T: Send + 'static>(
        &self,
        id: UserId,
        is_done: impl Fn(&User) -> Option<T> + Send + 'static,
    ) -> Result<Result<T, i64>, ProfileError> {
        let now = self.clock.now();
        self.db
            .tx(move |conn| {
                let user = visible(conn, id)?;
                if let Some(done) = is_done(&user) {
                    // Role may have lost what it was told.
                    standing_store::put(conn, id, user.version, now)?;
                    return Ok(Ok(done));
                }
                let sequence = user.version + 1;
                standing_store::put(conn, id, sequence, now)?;
                Ok::<_, ProfileError>(Err(sequence))
            })
            .await
    }

    async fn reserve(
        &self,
        actor: UserId,
        id: UserId,
        sequence: i64,
    ) -> Result<UserStanding, ProfileError> {
        let state = Standing::Reserved;
        let role = self.role.on_behalf_of(actor);
        let standing = UserStanding { state, sequence };
        match role.call::<SetStanding>(id, standing).await {
            Err(error) if error.is(Code::USER_IS_ADMINISTRATOR) => {
                Err(ProfileError::IsAdministrator)
            }
            other => other.map_err(ProfileError::from),
        }
    }

    /// Makes it impossible that a change is made whose sequence is at most `sequence`, and tells role. If that fails,
    /// the sweeper does it.
    async fn withdraw(&self, id: UserId, sequence: i64) {
        let outcome = match self.decide(id, sequence).await {
            Ok(()) => self.tell(id).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = outcome {
            log::warn!("a change of status of user {id} is withdrawn later: {error}");
        }
    }

    /// Raises the user's version to `sequence` at least.
    async fn decide(&self, id: UserId, sequence: i64) -> Result<(), StoreError> {
        self.db
            .tx(move |conn| match user_store::find(conn, id)? {
                Some(user) if user.version < sequence => {
                    if user_store::raise_version(conn, id, user.version, sequence)? {
                        Ok(())
                    } else {
                        Err(StoreError::Conflict)
                    }
                }
                Some(_) | None => Ok(()),
            })
            .await
    }

    /// Tells role what the user's status says, if no change of it is announced; forgets the change that this confirms.
    /// Where role holds something else of the same or a later sequence (one of the databases went back), the user's
    /// version is raised beyond that, and role is told again.
    ///
    /// # Errors
    /// [`ProfileError::Peer`], [`ProfileError::Store`]; [`StoreError::Conflict`] if role does not come to hold what it is
    /// told.
    pub async fn tell(&self, id: UserId) -> Result<(), ProfileError> {
        for _ in 0..ROUNDS {
            match self.tell_once(id).await? {
                None => return Ok(()),
                Some(held) => self.decide(id, held.sequence.saturating_add(1)).await?,
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// What role holds, if that is something else.
    async fn tell_once(&self, id: UserId) -> Result<Option<UserStanding>, ProfileError> {
        let told = self
            .db
            .read(move |conn| {
                let announced = standing_store::find(conn, id)?;
                let user = user_store::find(conn, id)?;
                Ok::<_, StoreError>(user.zip(announced))
            })
            .await?;
        let Some((user, announced)) = told else {
            return Ok(None);
        };
        if user.version < announced {
            return Ok(None);
        }
        let state = match user.status {
            UserStatus::Active => Standing::Active,
            UserStatus::Suspended | UserStatus::Deleted => Standing::Inactive,
            UserStatus::Pending => return Ok(None),
        };
        let sequence = user.version;
        let standing = UserStanding { state, sequence };
        let held = self.role.call::<SetStanding>(id, standing).await?;
        self.failpoints.at("standing.told").await;
        if held.state != state {
            // A change announced meanwhile is no contradiction: it is told when it is decided.
            let announced = self.db.read(move |conn| standing_store::find(conn, id));
            let is_announced = announced
                .await?
                .is_some_and(|sequence| sequence > user.version);
            return Ok((!is_announced).then_some(held));
        }
        self.db
            .tx(move |conn| standing_store::confirm(conn, id, sequence))
            .await?;
        Ok(None)
    }

    /// As [`Standings::tell`], after a change was made; what fails is left to the sweeper.
    pub(crate) async fn tell_or_leave(&self, id: UserId) {
        if let Err(error) = self.tell(id).await {
            log::warn!("role is told later of a change of status of user {id}: {error}");
        }
    }

    /// One round: withdraws announced changes that nobody made within a minute, and tells role of what is decided.
    /// Returns how many users were looked at.
    ///
    /// # Errors
    /// [`ProfileError::Peer`] if role does not answer, [`ProfileError::Store`]: what is left waits for the next round.
    pub async fn sweep(&self) -> Result<usize, ProfileError> {
        let now = self.clock.now();
        let (before, latest) = (now.minus(OVERDUE_AFTER), now.plus(CLOCKS_APART));
        let due = self
            .db
            .read(move |conn| standing_store::due(conn, before, latest, AT_ONCE))
            .await?;
        let mut outcome = Ok(due.len());
        for change in &due {
            let finished = match self.decide(change.user_id, change.sequence).await {
                Ok(()) => self.tell(change.user_id).await,
                Err(error) => Err(error.into()),
            };
            // One that fails holds up nobody else.
            if let Err(error) = finished {
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }

    /// Writes down everybody whose account cannot log in, so that role is told again: at the start of the service, for
    /// a database that went back, and for what a version before this one did while it still ran. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recall(&self) -> Result<usize, StoreError> {
        let since = self.clock.now().minus(RECALLED);
        let (mut after, mut recalled) = (None, 0);
        loop {
            // A part in each transaction: there may be very many.
            let page = self
                .db
                .tx(move |conn| standing_store::recall(conn, since, after, AT_ONCE))
                .await?;
            recalled += page.len();
            match page.last() {
                Some(last) => after = Some(*last),
                None => return Ok(recalled),
            }
        }
    }
}

/// The user of that id, if clients may know of one.
///
/// # Errors
/// [`ProfileError::NotFound`], [`ProfileError::Store`].
pub(crate) fn visible(conn: &mut DbConn, id: UserId) -> Result<User, ProfileError> {
    user_store::find(conn, id)?
        .filter(|user| user.status.is_visible())
        .ok_or(ProfileError::NotFound)
}
