//! Registration (docs/ARCHITECTURE.md, SECURITY rules 7 and 31): pending row, credential at auth, active. Whoever
//! finds it half-done finishes it: the same request again, auth's event, the user's first token, the sweeper.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use ud_db::{Db, DbConn, StoreError};
use ud_events::{EventType, NewEvent, OutboxHandle, outbox};
use ud_idempotency::{IdempotencyRecord, ServerKey};
use ud_kernel::{
    Clock, Code, Failpoints, Service, Timestamp, UserId,
    models::{CreateCredential, Credential, PasswordContext, Provenance},
    operation,
};
use ud_peer::{CallError, RemoteProblem, ServiceClient};

use super::{
    ProfileError, idempotency_store, personal,
    user::{NewUser, User, UserStatus},
    user_store,
};

/// An attempt has ended after this time: longer than the call to auth takes at most, repetition included.
/// One that has not does no harm: both do the same.
const LOCK: Duration = Duration::from_secs(6);
/// The call to auth has this long: turns and jobs in its hash pool, two seconds each at most, and the insert. What auth
/// has not committed by then it does not commit.
const CREDENTIAL_DEADLINE: Duration = Duration::from_secs(5);
/// What a client that comes too early is told, in seconds: attempts usually end sooner than the lock.
const RETRY_AFTER: u32 = 2;
/// What makes a repeated request recognisable.
#[derive(Debug, Clone)]
pub enum RequestKey {
    /// A client's `Idempotency-Key`.
    Client(String),
    /// The one registration of the first administrator, of this installation.
    FirstAdministrator,
}

/// A registration as asked for.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Who.
    pub user: NewUser,
    /// Their password.
    pub password: SecretString,
    /// If the request can be recognised when it is repeated.
    pub key: Option<RequestKey>,
    /// Where from.
    pub origin: Provenance,
}

/// Registers users.
#[derive(Clone)]
pub struct RegistrationFlow {
    db: Db,
    key: ServerKey,
    auth: ServiceClient,
    outbox: OutboxHandle,
    clock: Clock,
    failpoints: Failpoints,
}

/// An attempt's hold on its Idempotency-Key.
#[derive(Debug, Clone)]
struct Lock {
    key_id: String,
    until: Timestamp,
}

enum Reserved {
    /// To be completed by this request.
    Pending(UserId, Option<Lock>),
    /// Completed by an earlier one.
    Complete(User),
}

impl RegistrationFlow {
    /// A flow on `db` that stores credentials through `auth` and wakes `outbox`; Idempotency-Keys are stored under
    /// `key`.
    #[must_use]
    pub const fn new(
        db: Db,
        key: ServerKey,
        auth: ServiceClient,
        outbox: OutboxHandle,
        clock: Clock,
        failpoints: Failpoints,
    ) -> Self {
        Self {
            db,
            key,
            auth,
            outbox,
            clock,
            failpoints,
        }
    }

    /// Registers a user. The same request with the same key gives the same user.
    ///
    /// # Errors
    /// [`ProfileError::EmailTaken`], [`ProfileError::UsernameTaken`], [`ProfileError::Invalid`]: nothing is
    /// left of the attempt. [`ProfileError::KeyReused`], [`ProfileError::KeyInUse`],
    /// [`ProfileError::StatusConflict`] (the user was deleted since). [`ProfileError::Peer`]: auth may have
    /// stored the credential or not; the same request completes it, and in the end the sweeper decides.
    pub async fn register(&self, request: Registration) -> Result<User, ProfileError> {
        let idempotency = self.idempotency_record(&request).await?;
        // Whoever configures the first administrator's address vouches for it (SECURITY rule 3).
        let is_verified = matches!(request.key, Some(RequestKey::FirstAdministrator));
        let (id, lock) = match self
            .reserve(&request.user, idempotency, is_verified)
            .await?
        {
            Reserved::Pending(id, lock) => (id, lock),
            Reserved::Complete(user) => return Ok(user),
        };
        self.failpoints.at("registration.reserved").await;
        let credential = match self.create_credential(id, &request).await {
            Ok(credential) => credential,
            Err(CallError::Refused { service, problem }) => {
                self.withdraw(id, lock).await;
                return Err(refusal(service, problem));
            }
            Err(error) => {
                self.unlock(lock).await;
                return Err(error.into());
            }
        };
        self.failpoints.at("registration.credential_created").await;
        let user = self.complete(id, Some(credential), &request.origin).await?;
        self.failpoints.at("registration.activated").await;
        user.filter(|user| user.status.is_visible())
            .ok_or(ProfileError::NotFound)
    }

    /// Makes a pending user active, whose credential auth is known to have; changes nothing about any other.
    /// `credential` brings the identifiers in auth's form. Gives the user as it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn complete(
        &self,
        id: UserId,
        credential: Option<Credential>,
        origin: &Provenance,
    ) -> Result<Option<User>, StoreError> {
        let (now, origin) = (self.clock.now(), origin.clone());
        let user = self
            .db
            .tx(move |conn| {
                activate(conn, id, credential.as_ref(), &origin, now)?;
                user_store::find(conn, id)
            })
            .await?;
        self.outbox.wake();
        Ok(user)
    }

    /// Marks the address of a user verified on the word of whoever configures the platform; one that is so already
    /// stays so, without an event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn vouch(&self, id: UserId, origin: &Provenance) -> Result<(), StoreError> {
        let (now, origin) = (self.clock.now(), origin.clone());
        self.db
            .tx(move |conn| {
                let found = user_store::find(conn, id)?;
                let Some(old) = found.filter(|u| u.status.is_visible() && !u.email_verified) else {
                    return Ok(());
                };
                let user = User {
                    version: old.version + 1,
                    updated_at: now,
                    ..old
                };
                if !user_store::set_verified(conn, &user, user.version - 1)? {
                    return Err(StoreError::Conflict);
                }
                let kind = EventType::USER_UPDATED;
                let (about, version) = (user.id, user.version);
                let event = NewEvent::about(Service::Profile, kind, about, version, now, &origin);
                outbox::write(conn, event.details(json!({"changed": ["email_verified"]})))
            })
            .await?;
        self.outbox.wake();
        Ok(())
    }

    async fn idempotency_record(
        &self,
        request: &Registration,
    ) -> Result<Option<IdempotencyRecord>, ProfileError> {
        let Some(key) = &request.key else {
            return Ok(None);
        };
        let keys = self.key.get().await?;
        let user = &request.user;
        Ok(Some(match key {
            RequestKey::Client(key) => {
                let mut body = user.members().to_vec();
                body.push(Some(request.password.expose_secret()));
                keys.record("POST /api/v1/users", key, &body, self.clock.now())
            }
            // Without the password: its key is no secret, see `IdempotencyKeys::record`.
            RequestKey::FirstAdministrator => {
                keys.record_for_ever("first administrator", &[Some(user.email())])
            }
        }))
    }

    async fn reserve(
        &self,
        user: &NewUser,
        idempotency: Option<IdempotencyRecord>,
        is_verified: bool,
    ) -> Result<Reserved, ProfileError> {
        let now = self.clock.now();
        let mut user = user.clone().into_pending(UserId::new(now), now);
        user.email_verified = is_verified;
        self.db
            .tx(move |conn| {
                let Some(idempotency) = &idempotency else {
                    user_store::insert(conn, &user)?;
                    return Ok(Reserved::Pending(user.id, None));
                };
                match idempotency_store::find(conn, &idempotency.id)? {
                    Some(record) if record.expires_at <= now => {
                        idempotency_store::delete(conn, &idempotency.id)?;
                    }
                    Some(record) => return resume(conn, idempotency, &record, now),
                    None => {}
                }
                user_store::insert(conn, &user)?;
                let lock = Lock {
                    key_id: idempotency.id.clone(),
                    until: now.plus(LOCK),
                };
                idempotency_store::insert(conn, idempotency, user.id, lock.until, now)?;
                Ok(Reserved::Pending(user.id, Some(lock)))
            })
            .await
    }

    async fn create_credential(
        &self,
        id: UserId,
        request: &Registration,
    ) -> Result<Credential, CallError> {
        let body = CreateCredential {
            email: request.user.email().to_owned(),
            username: request.user.username().map(ToOwned::to_owned),
            password: request.password.expose_secret().to_owned(),
            context: PasswordContext {
                words: request.user.own_words(),
            },
            origin: request.origin.clone(),
        };
        let auth = self.auth.within(CREDENTIAL_DEADLINE);
        let created = auth.call::<operation::CreateCredential>(id, body).await?;
        Ok(created.value)
    }

    /// Removes what was reserved, after auth refused. If that fails the sweeper will do it.
    async fn withdraw(&self, id: UserId, lock: Option<Lock>) {
        let now = self.clock.now();
        let removed = self
            .db
            .tx(move |conn| {
                // Another attempt with the same key has taken over: the row is its own now.
                if let Some(lock) = &lock
                    && !idempotency_store::lock(conn, &lock.key_id, lock.until, now)?
                {
                    return Ok(());
                }
                user_store::delete_pending(conn, id, None).map(drop)
            })
            .await;
        if let Err(StoreError::Internal(_) | StoreError::Unavailable(_)) = &removed {
            log::warn!("a refused registration is left to the sweeper");
        }
    }

    /// Lets the next attempt with the same key begin at once. If that fails it waits for the lock's end.
    async fn unlock(&self, lock: Option<Lock>) {
        let (Some(lock), now) = (lock, self.clock.now()) else {
            return;
        };
        let unlock =
            move |conn: &mut DbConn| idempotency_store::lock(conn, &lock.key_id, lock.until, now);
        if let Err(error) = self.db.tx(unlock).await {
            log::debug!("an idempotency key stays locked: {error}");
        }
    }
}

/// A request whose key is known.
fn resume(
    conn: &mut DbConn,
    idempotency: &IdempotencyRecord,
    record: &idempotency_store::Record,
    now: Timestamp,
) -> Result<Reserved, ProfileError> {
    if record.fingerprint != idempotency.fingerprint {
        return Err(ProfileError::KeyReused);
    }
    let user = user_store::find(conn, record.user_id)?.ok_or(StoreError::NotFound)?;
    match user.status {
        UserStatus::Active | UserStatus::Suspended => Ok(Reserved::Complete(user)),
        UserStatus::Deleted => Err(ProfileError::StatusConflict),
        UserStatus::Pending if record.locked_until > now => Err(ProfileError::KeyInUse {
            retry_after: RETRY_AFTER,
        }),
        UserStatus::Pending => {
            let lock = Lock {
                key_id: idempotency.id.clone(),
                until: now.plus(LOCK),
            };
            let locked =
                idempotency_store::lock(conn, &idempotency.id, record.locked_until, lock.until)?;
            // The sweeper leaves alone what somebody tries to complete.
            if !locked || !user_store::touch_pending(conn, user.id, now)? {
                return Err(StoreError::Conflict.into());
            }
            Ok(Reserved::Pending(user.id, Some(lock)))
        }
    }
}

/// Within a transaction: pending becomes active, with the event; whoever comes second changes nothing and
/// gets false.
///
/// # Errors
/// [`StoreError`].
pub fn activate(
    conn: &mut DbConn,
    id: UserId,
    credential: Option<&Credential>,
    origin: &Provenance,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !user_store::activate(conn, id, now)? {
        return Ok(false);
    }
    if let Some(Credential {
        email, username, ..
    }) = credential
    {
        let canonical = personal::canonical_email(email);
        user_store::set_identifiers(conn, id, email, &canonical, username.as_deref())?;
    }
    let user = user_store::find(conn, id)?.ok_or(StoreError::NotFound)?;
    user_store::set_words(conn, id, &user.words())?;
    let event = NewEvent::about(
        Service::Profile,
        EventType::USER_CREATED,
        id,
        user.version,
        now,
        origin,
    )
    .after(json!({"status": user.status.as_str(), "locale": user.locale}));
    outbox::write(conn, event)?;
    Ok(true)
}

/// What auth's refusal means to the one who registers.
fn refusal(service: Service, problem: RemoteProblem) -> ProfileError {
    if problem.code == Code::USER_EMAIL_TAKEN.as_str() {
        ProfileError::EmailTaken
    } else if problem.code == Code::USER_USERNAME_TAKEN.as_str() {
        ProfileError::UsernameTaken
    } else if problem.status == 422 && !problem.errors.is_empty() {
        ProfileError::Invalid(problem.errors)
    } else {
        CallError::Refused { service, problem }.into()
    }
}
