//! What profile asks of auth: storing a credential, reading it, and following the user's status.

use std::net::{IpAddr, Ipv4Addr};

use ud_db::{DbConn, StoreError};
use ud_events::{ApplyError, Event, EventType, NewEvent, outbox};
use ud_kernel::{
    FieldError, Revocation, Service, Source, Timestamp, UserId, check_line,
    models::{
        CreateCredential, Credential, CredentialStatus, CredentialStatusChanged, Provenance,
        SetCredentialStatus,
    },
    trim_identifier,
};
use zeroize::Zeroizing;

use crate::{
    models::{
        credential::{
            self, NewCredential, StoredCredential,
            epoch::raise_epoch,
            identifier::{Identifier, IdentifierError},
            identifier_store::{self, UserIdentifiers},
        },
        error::AuthError,
        password::policy::ContextWords,
        peers::told_or_pending,
        queue::fair_queue::Entrant,
    },
    state::AuthState,
};

/// At most so many words of the user's own data, each of so many characters.
const MAX_CONTEXT_WORDS: usize = 16;
const MAX_CONTEXT_WORD: usize = 512;

/// A credential, and whether this call made it.
#[derive(Clone, PartialEq, Eq)]
pub struct Created {
    /// As stored.
    pub credential: Credential,
    /// False if the user had one already, which is never changed by this.
    pub is_new: bool,
}

/// The identifiers of a registration in canonical form, each with what the user wrote.
#[derive(Clone)]
struct Identifiers {
    email: (Identifier, String),
    username: Option<(Identifier, String)>,
}

/// Stores identifiers and password of a new user: the commit point of a registration.
///
/// # Errors
/// [`AuthError::EmailTaken`], [`AuthError::UsernameTaken`], [`AuthError::Invalid`] with pointers into the
/// body; [`AuthError::CredentialNotFound`] if the user was deleted; [`AuthError::Busy`] or
/// [`AuthError::Store`] when it may succeed later.
pub async fn create_credential(
    state: &AuthState,
    user_id: UserId,
    body: CreateCredential,
) -> Result<Created, AuthError> {
    // Before any hashing: a repeated call is cheap.
    if let Some(found) = find_any(state, user_id).await? {
        return found.map(existing).ok_or(AuthError::CredentialNotFound);
    }
    let error = match store_new(state, user_id, body).await {
        Ok(credential) => {
            return Ok(Created {
                credential,
                is_new: true,
            });
        }
        Err(error) => error,
    };
    // If the same call came twice at once, it is this very user who was stored or has the names by now.
    let may_be_own = matches!(
        error,
        AuthError::EmailTaken | AuthError::UsernameTaken | AuthError::Store(StoreError::Unique(_))
    );
    if may_be_own && let Some(credential) = find_any(state, user_id).await?.flatten() {
        return Ok(existing(credential));
    }
    Err(error)
}

fn existing(credential: Credential) -> Created {
    Created {
        credential,
        is_new: false,
    }
}

async fn store_new(
    state: &AuthState,
    user_id: UserId,
    mut body: CreateCredential,
) -> Result<Credential, AuthError> {
    let password = Zeroizing::new(std::mem::take(&mut body.password));
    // Whoever calls may have left spaces at the ends.
    body.email = trim_identifier(&body.email).to_owned();
    body.username = body
        .username
        .as_deref()
        .map(trim_identifier)
        .map(str::to_owned);
    let entrant = entrant(&body.origin);
    let identifiers = check(state, &body, entrant, &password).await?;
    refuse_taken(state, &identifiers).await?;
    let new = NewCredential {
        user_id,
        password_hash: state.passwords.hash(entrant, &password).await?,
        created_at: state.clock.now(),
    };
    state.failpoints.at("credential.hashed").await;
    let created_at = new.created_at;
    let (names, origin) = (identifiers.clone(), body.origin);
    state
        .db
        .tx(move |conn| insert(conn, &new, &names, &origin))
        .await?;
    state.outbox.wake();
    state.failpoints.at("credential.stored").await;
    Ok(Credential {
        user_id,
        email: identifiers.email.1,
        username: identifiers.username.map(|(i, _)| i.canonical().to_owned()),
        status: CredentialStatus::Active,
        epoch: credential::store::FIRST_EPOCH,
        created_at,
    })
}

/// Registrations queue for their hashes with everybody else, by the address of the client.
fn entrant(origin: &Provenance) -> Entrant {
    let address = origin.ip.as_deref().and_then(|ip| ip.parse().ok());
    Entrant {
        source: Source::of(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
        has_evidence: false,
    }
}

/// Finds everything that is wrong with the body.
async fn check(
    state: &AuthState,
    body: &CreateCredential,
    entrant: Entrant,
    password: &Zeroizing<String>,
) -> Result<Identifiers, AuthError> {
    let mut errors = Vec::new();
    let mut keep = |pointer: &str, result: Result<Identifier, IdentifierError>| {
        result
            .map_err(|e| errors.push(FieldError::new(pointer, e.code(), e.to_string())))
            .ok()
    };
    let email = keep("/email", Identifier::email(&body.email));
    let username = body
        .username
        .as_deref()
        .and_then(|name| keep("/username", Identifier::username(name)));
    let words = &body.context.words;
    if words.len() > MAX_CONTEXT_WORDS {
        errors.push(FieldError::new(
            "/context/words",
            "field.too-long",
            format!("at most {MAX_CONTEXT_WORDS} words"),
        ));
    }
    for (index, word) in words.iter().enumerate().take(MAX_CONTEXT_WORDS) {
        if let Err(error) = check_line(&format!("/context/words/{index}"), word, MAX_CONTEXT_WORD) {
            errors.push(error);
        }
    }
    let own = std::iter::once(body.email.as_str()).chain(body.username.as_deref());
    let context = ContextWords::new(own.chain(words.iter().map(String::as_str)));
    if let Err(refusal) = state.passwords.check(entrant, password, context).await? {
        errors.push(refusal.field_error("/password"));
    }
    match email {
        Some(email) if errors.is_empty() => Ok(Identifiers {
            email: (email, body.email.clone()),
            username: username.zip(body.username.clone()),
        }),
        _ => Err(AuthError::Invalid(errors)),
    }
}

/// Spares the hash when a name is taken already. The unique index decides all the same.
async fn refuse_taken(state: &AuthState, identifiers: &Identifiers) -> Result<(), AuthError> {
    let (names, now) = (identifiers.clone(), state.clock.now());
    state
        .db
        .read(move |conn| {
            if identifier_store::is_taken(conn, &names.email.0, now)? {
                return Err(AuthError::EmailTaken);
            }
            if let Some((username, _)) = &names.username
                && identifier_store::is_taken(conn, username, now)?
            {
                return Err(AuthError::UsernameTaken);
            }
            Ok(())
        })
        .await
}

fn insert(
    conn: &mut DbConn,
    new: &NewCredential,
    identifiers: &Identifiers,
    origin: &Provenance,
) -> Result<(), AuthError> {
    let (user_id, now) = (new.user_id, new.created_at);
    credential::store::insert(conn, new)?;
    let (email, written) = &identifiers.email;
    identifier_store::insert(conn, user_id, email, written, now)
        .map_err(|e| taken_or(e, AuthError::EmailTaken))?;
    if let Some((username, written)) = &identifiers.username {
        identifier_store::insert(conn, user_id, username, written, now)
            .map_err(|e| taken_or(e, AuthError::UsernameTaken))?;
    }
    let kind = EventType::CREDENTIALS_CREATED;
    let event = NewEvent::about(Service::Auth, kind, user_id, 1, now, origin);
    Ok(outbox::write(conn, event)?)
}

fn taken_or(error: StoreError, taken: AuthError) -> AuthError {
    match error {
        StoreError::Unique(_) => taken,
        other => other.into(),
    }
}

/// The credential of a user.
///
/// # Errors
/// [`AuthError::CredentialNotFound`] if there is none, or it is deleted; [`AuthError::Store`].
pub async fn read_credential(state: &AuthState, user_id: UserId) -> Result<Credential, AuthError> {
    find_any(state, user_id)
        .await?
        .flatten()
        .ok_or(AuthError::CredentialNotFound)
}

/// `None`: there never was one. `Some(None)`: it is deleted.
async fn find_any(
    state: &AuthState,
    user_id: UserId,
) -> Result<Option<Option<Credential>>, AuthError> {
    let found = state
        .db
        .read(move |conn| {
            let Some(stored) = credential::store::find(conn, user_id)? else {
                return Ok::<_, StoreError>(None);
            };
            let identifiers = identifier_store::of_user(conn, user_id)?;
            Ok(Some(as_credential(stored, identifiers)))
        })
        .await?;
    Ok(found)
}

fn as_credential(stored: StoredCredential, identifiers: UserIdentifiers) -> Option<Credential> {
    // A deleted credential has no address left.
    let email = identifiers.email?;
    (stored.status != CredentialStatus::Deleted).then_some(Credential {
        user_id: stored.user_id,
        email,
        username: identifiers.username,
        status: stored.status,
        epoch: stored.epoch,
        created_at: stored.created_at,
    })
}

/// Follows a change of the user's status, and closes the sessions that must end for it.
///
/// # Errors
/// [`AuthError::CredentialNotFound`], [`AuthError::Store`].
pub async fn set_status(
    state: &AuthState,
    user_id: UserId,
    body: SetCredentialStatus,
) -> Result<CredentialStatusChanged, AuthError> {
    let now = state.clock.now();
    let SetCredentialStatus {
        status,
        sequence,
        origin,
    } = body;
    let event_origin = origin.clone();
    let epoch = state
        .db
        .tx(move |conn| {
            apply_status(conn, user_id, status, sequence, now, &event_origin)?
                .ok_or(AuthError::CredentialNotFound)
        })
        .await?;
    state.outbox.wake();
    state.failpoints.at("status.stored").await;
    // Also when nothing changed: a repeated call learns whether the sessions are closed by now.
    let direct = state.calls.close_below(user_id, epoch, None, &origin).await;
    Ok(CredentialStatusChanged {
        epoch,
        sessions_closed: told_or_pending(direct) == Revocation::Confirmed,
    })
}

/// Applies one of profile's events: a user suspended, reactivated or deleted. Other types are ignored, and so
/// are users without a credential.
///
/// # Errors
/// [`ApplyError::Store`].
pub fn apply_event(conn: &mut DbConn, event: &Event, now: Timestamp) -> Result<(), ApplyError> {
    let status = match event.kind {
        EventType::USER_SUSPENDED => CredentialStatus::Suspended,
        EventType::USER_REACTIVATED => CredentialStatus::Active,
        EventType::USER_DELETED => CredentialStatus::Deleted,
        _ => return Ok(()),
    };
    let user_id = UserId::from_uuid(event.subject);
    let origin = event.origin();
    apply_status(conn, user_id, status, event.sequence, now, &origin)
        .map(drop)
        .map_err(|error| match error {
            AuthError::Store(error) => ApplyError::Store(error),
            other => ApplyError::Bad(other.to_string()),
        })
}

/// Stores a change of status unless something later is known. Gives the epoch in force; none without a
/// credential.
fn apply_status(
    conn: &mut DbConn,
    user_id: UserId,
    status: CredentialStatus,
    sequence: i64,
    now: Timestamp,
    origin: &Provenance,
) -> Result<Option<i64>, AuthError> {
    // Takes the row's lock, so that of two changes at once the second sees the first. A number taken for
    // nothing leaves a gap, which nobody minds: order is all the numbers say.
    if !credential::store::take_event_number(conn, user_id)? {
        return Ok(None);
    }
    let stored = credential::store::find(conn, user_id)?.ok_or(AuthError::CredentialNotFound)?;
    let Some(change) = stored.change_of_status(status, sequence) else {
        return Ok(Some(stored.epoch));
    };
    credential::store::change_status(conn, user_id, change, now)?;
    if change.status == CredentialStatus::Deleted {
        identifier_store::release(conn, user_id, now)?;
    }
    if !change.ends_sessions {
        return Ok(Some(stored.epoch));
    }
    raise_epoch(conn, user_id, None, now, origin).map(Some)
}
