//! All SQL about credentials.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId, models::CredentialStatus};
use uuid::Uuid;

use super::{NewCredential, StatusChange, StoredCredential, identifier::Identifier};
use crate::models::{
    device,
    password::hash::PasswordHash,
    place,
    schema::{credentials, identifiers},
    unlock,
};

/// Epoch of a new credential.
pub const FIRST_EPOCH: i64 = 1;

#[derive(Queryable, Selectable)]
#[diesel(table_name = credentials)]
struct CredentialRow {
    user_id: UserId,
    status: String,
    password_hash: Option<String>,
    epoch: i64,
    status_sequence: i64,
    event_seq: i64,
    created_at: Timestamp,
}

impl TryFrom<CredentialRow> for StoredCredential {
    type Error = StoreError;

    fn try_from(row: CredentialRow) -> Result<Self, StoreError> {
        let bad = |what: &str| StoreError::Internal(format!("credentials.{what} is not readable"));
        let password_hash = row.password_hash.and_then(|text| {
            PasswordHash::parse(&text)
                .inspect_err(|error| log::warn!("password of user {}: {error}", row.user_id))
                .ok()
        });
        Ok(Self {
            user_id: row.user_id,
            status: parse_status(&row.status).ok_or_else(|| bad("status"))?,
            password_hash,
            epoch: row.epoch,
            status_sequence: row.status_sequence,
            event_seq: row.event_seq,
            created_at: row.created_at,
        })
    }
}

fn parse_status(text: &str) -> Option<CredentialStatus> {
    use CredentialStatus::{Active, Deleted, Suspended};
    [Active, Suspended, Deleted]
        .into_iter()
        .find(|status| status.as_str() == text)
}

/// The credential of a user.
///
/// # Errors
/// [`StoreError`].
pub fn find(conn: &mut DbConn, user_id: UserId) -> Result<Option<StoredCredential>, StoreError> {
    credentials::table
        .find(Bind(user_id))
        .select(CredentialRow::as_select())
        .first(conn)
        .optional()?
        .map(TryInto::try_into)
        .transpose()
}

/// The credential somebody logs in to by `identifier`; a name held back after a deletion opens none. One
/// statement, so that hash, status and epoch belong together.
///
/// # Errors
/// [`StoreError`].
pub fn find_by_identifier(
    conn: &mut DbConn,
    identifier: &Identifier,
) -> Result<Option<StoredCredential>, StoreError> {
    credentials::table
        .inner_join(identifiers::table)
        .filter(identifiers::kind.eq(identifier.kind().as_str()))
        .filter(identifiers::canonical.eq(identifier.canonical()))
        .filter(identifiers::held_until.is_null())
        .select(CredentialRow::as_select())
        .first(conn)
        .optional()?
        .map(TryInto::try_into)
        .transpose()
}

/// Stores a new, active credential with epoch [`FIRST_EPOCH`], about which one event is written.
///
/// # Errors
/// [`StoreError::Unique`] if the user has one already.
pub fn insert(conn: &mut DbConn, new: &NewCredential) -> Result<(), StoreError> {
    diesel::insert_into(credentials::table)
        .values((
            credentials::user_id.eq(Bind(new.user_id)),
            credentials::status.eq(CredentialStatus::Active.as_str()),
            credentials::password_hash.eq(Some(new.password_hash.as_str())),
            credentials::epoch.eq(FIRST_EPOCH),
            credentials::status_sequence.eq(0),
            credentials::event_seq.eq(1),
            credentials::created_at.eq(Bind(new.created_at)),
            credentials::updated_at.eq(Bind(new.created_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Replaces a hash by a stronger one of the same password, unless it was changed meanwhile. Ends no session.
///
/// # Errors
/// [`StoreError`].
pub fn replace_hash(
    conn: &mut DbConn,
    user_id: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<bool, StoreError> {
    let rows = diesel::update(credentials::table.find(Bind(user_id)))
        .filter(credentials::password_hash.eq(old.as_str()))
        .set(credentials::password_hash.eq(Some(new.as_str())))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Puts another password in place of the one whose hash is `old`, raises the epoch, and takes the numbers of
/// two events. False if `old` is not the hash any more, or the credential not active.
///
/// # Errors
/// [`StoreError`].
pub fn change_password(
    conn: &mut DbConn,
    user_id: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let rows = diesel::update(credentials::table.find(Bind(user_id)))
        .filter(credentials::password_hash.eq(old.as_str()))
        .filter(credentials::status.eq(CredentialStatus::Active.as_str()))
        .set((
            credentials::password_hash.eq(Some(new.as_str())),
            credentials::epoch.eq(credentials::epoch + 1),
            credentials::event_seq.eq(credentials::event_seq + 2),
            credentials::updated_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    if rows == 1 {
        end_evidence(conn, &[user_id])?;
    }
    Ok(rows == 1)
}

/// Puts a password in place of whatever there is, raises the epoch, and takes the numbers of two events. With
/// `reactivate` a suspended credential becomes active. False if it is not active otherwise.
///
/// # Errors
/// [`StoreError`].
pub fn reset_password(
    conn: &mut DbConn,
    user_id: UserId,
    new: &PasswordHash,
    reactivate: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let active = CredentialStatus::Active.as_str();
    let also = if reactivate {
        CredentialStatus::Suspended.as_str()
    } else {
        active
    };
    let rows = diesel::update(credentials::table.find(Bind(user_id)))
        .filter(credentials::status.eq_any([active, also]))
        .set((
            credentials::status.eq(active),
            credentials::password_hash.eq(Some(new.as_str())),
            credentials::epoch.eq(credentials::epoch + 1),
            credentials::event_seq.eq(credentials::event_seq + 2),
            credentials::updated_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    if rows == 1 {
        end_evidence(conn, &[user_id])?;
    }
    Ok(rows == 1)
}

/// Holds the row of an active credential of `epoch` until the transaction ends. False if it is not that any more.
///
/// # Errors
/// [`StoreError`].
pub fn hold(conn: &mut DbConn, user_id: UserId, epoch: i64) -> Result<bool, StoreError> {
    // Of the three databases one cannot select for update.
    let rows = diesel::update(credentials::table.find(Bind(user_id)))
        .filter(credentials::epoch.eq(epoch))
        .filter(credentials::status.eq(CredentialStatus::Active.as_str()))
        .set(credentials::epoch.eq(epoch))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Ends what proves a login of `users`, in the transaction that raises their epochs (SECURITY rule 21): devices and unlock
/// codes. Places stay for mails; they carry the epoch.
fn end_evidence(conn: &mut DbConn, users: &[UserId]) -> Result<(), StoreError> {
    device::store::remove(conn, users)?;
    unlock::store::remove(conn, users)
}

/// Takes the number of the next event about the credential, and thereby the lock of its row until the
/// transaction ends. False if there is none.
///
/// # Errors
/// [`StoreError`].
pub fn take_event_number(conn: &mut DbConn, user_id: UserId) -> Result<bool, StoreError> {
    let rows = diesel::update(credentials::table.find(Bind(user_id)))
        .set(credentials::event_seq.eq(credentials::event_seq + 1))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Raises the epoch, in a transaction that holds the row's lock.
///
/// # Errors
/// [`StoreError`].
pub fn raise_epoch(conn: &mut DbConn, user_id: UserId, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(credentials::table.find(Bind(user_id)))
        .set((
            credentials::epoch.eq(credentials::epoch + 1),
            credentials::updated_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    end_evidence(conn, &[user_id])
}

/// Stores a change of status, in a transaction that holds the row's lock. A deleted credential loses its
/// hash and its places; what else proves a login ends with the epoch that is raised.
///
/// # Errors
/// [`StoreError`].
pub fn change_status(
    conn: &mut DbConn,
    user_id: UserId,
    change: StatusChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(credentials::table.find(Bind(user_id)))
        .set((
            credentials::status.eq(change.status.as_str()),
            credentials::status_sequence.eq(change.sequence),
            credentials::updated_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    if change.status == CredentialStatus::Deleted {
        diesel::update(credentials::table.find(Bind(user_id)))
            .set(credentials::password_hash.eq(None::<String>))
            .execute(conn)?;
        place::store::remove(conn, user_id)?;
    }
    Ok(())
}

/// The first `max` users after `after`, in the order of their ids, whatever their status.
///
/// # Errors
/// [`StoreError`].
pub fn list_after(
    conn: &mut DbConn,
    after: Option<UserId>,
    max: i64,
) -> Result<Vec<UserId>, StoreError> {
    let after = after.unwrap_or_else(|| UserId::from_uuid(Uuid::nil()));
    Ok(credentials::table
        .filter(credentials::user_id.gt(Bind(after)))
        .order(credentials::user_id)
        .limit(max)
        .select(credentials::user_id)
        .load(conn)?)
}

/// Raises the epochs of `users` by `by`, takes the number of one event about each, and holds their rows' locks.
///
/// # Errors
/// [`StoreError`].
pub fn raise_epochs(
    conn: &mut DbConn,
    users: &[UserId],
    by: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ids = users.iter().copied().map(Bind);
    diesel::update(credentials::table.filter(credentials::user_id.eq_any(ids)))
        .set((
            credentials::epoch.eq(credentials::epoch + by),
            credentials::event_seq.eq(credentials::event_seq + 1),
            credentials::updated_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    end_evidence(conn, users)
}

/// User, epoch, and number of the last event of each of `users`.
///
/// # Errors
/// [`StoreError`].
pub fn epochs(conn: &mut DbConn, users: &[UserId]) -> Result<Vec<(UserId, i64, i64)>, StoreError> {
    let users = users.iter().copied().map(Bind);
    Ok(credentials::table
        .filter(credentials::user_id.eq_any(users))
        .select((
            credentials::user_id,
            credentials::epoch,
            credentials::event_seq,
        ))
        .load(conn)?)
}
