//! All SQL about login identifiers.

use std::time::Duration;

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId};

use super::identifier::{Identifier, IdentifierKind};
use crate::models::schema::identifiers;

/// A freed username is not given out again for 180 days (SECURITY rule 6). An email address is free at
/// once: whoever reads its mail is its owner, and keeping it would keep personal data of somebody who left.
pub const USERNAME_HOLD: Duration = Duration::from_secs(180 * 24 * 3600);

/// Identifiers forgotten in one go.
const FORGET_AT_ONCE: i64 = 500;

/// The identifiers a user logs in by.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UserIdentifiers {
    /// As written; mail goes there.
    pub email: Option<String>,
    /// Canonical form of the email address.
    pub email_canonical: Option<String>,
    /// Canonical form.
    pub username: Option<String>,
}

/// Stores an identifier of a user. A hold on the same name that has run out gives way.
///
/// # Errors
/// [`StoreError::Unique`] if somebody else has it, or it is held.
pub fn insert(
    conn: &mut DbConn,
    user_id: UserId,
    identifier: &Identifier,
    written: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    diesel::delete(identifiers::table)
        .filter(identifiers::kind.eq(identifier.kind().as_str()))
        .filter(identifiers::canonical.eq(identifier.canonical()))
        .filter(identifiers::held_until.le(Some(Bind(now))))
        .execute(conn)?;
    diesel::insert_into(identifiers::table)
        .values((
            identifiers::user_id.eq(Bind(user_id)),
            identifiers::kind.eq(identifier.kind().as_str()),
            identifiers::canonical.eq(identifier.canonical()),
            identifiers::written.eq(written),
            identifiers::created_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whether somebody has the identifier, or it is held.
///
/// # Errors
/// [`StoreError`].
pub fn is_taken(
    conn: &mut DbConn,
    identifier: &Identifier,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let taken = identifiers::table
        .filter(identifiers::kind.eq(identifier.kind().as_str()))
        .filter(identifiers::canonical.eq(identifier.canonical()))
        .select(identifiers::held_until)
        .first::<Option<Timestamp>>(conn)
        .optional()?;
    Ok(taken.is_some_and(|held_until| held_until.is_none_or(|until| until > now)))
}

/// The identifiers of a user, without those held after a deletion.
///
/// # Errors
/// [`StoreError`].
pub fn of_user(conn: &mut DbConn, user_id: UserId) -> Result<UserIdentifiers, StoreError> {
    let rows = identifiers::table
        .filter(identifiers::user_id.eq(Bind(user_id)))
        .filter(identifiers::held_until.is_null())
        .select((
            identifiers::kind,
            identifiers::canonical,
            identifiers::written,
        ))
        .load::<(String, String, String)>(conn)?;
    let mut found = UserIdentifiers::default();
    for (kind, canonical, written) in rows {
        if kind == IdentifierKind::Email.as_str() {
            found.email = Some(written);
            found.email_canonical = Some(canonical);
        } else if kind == IdentifierKind::Username.as_str() {
            found.username = Some(canonical);
        }
    }
    Ok(found)
}

/// Frees the identifiers of a user who is deleted: the email address at once, the username after
/// [`USERNAME_HOLD`]. How the user wrote it is forgotten.
///
/// # Errors
/// [`StoreError`].
pub fn release(conn: &mut DbConn, user_id: UserId, now: Timestamp) -> Result<(), StoreError> {
    let of_user = identifiers::user_id.eq(Bind(user_id));
    diesel::delete(identifiers::table)
        .filter(of_user)
        .filter(identifiers::kind.ne(IdentifierKind::Username.as_str()))
        .execute(conn)?;
    diesel::update(identifiers::table)
        .filter(identifiers::user_id.eq(Bind(user_id)))
        .filter(identifiers::held_until.is_null())
        .set((
            identifiers::held_until.eq(Some(Bind(now.plus(USERNAME_HOLD)))),
            identifiers::written.eq(identifiers::canonical),
        ))
        .execute(conn)?;
    Ok(())
}

/// Forgets names whose hold has run out; says how many.
///
/// # Errors
/// [`StoreError`].
pub fn forget_released(conn: &mut DbConn, now: Timestamp) -> Result<usize, StoreError> {
    let released = identifiers::table
        .filter(identifiers::held_until.le(Some(Bind(now))))
        .select(identifiers::canonical)
        .limit(FORGET_AT_ONCE)
        .load::<String>(conn)?;
    let rows = diesel::delete(identifiers::table)
        .filter(identifiers::canonical.eq_any(released))
        .filter(identifiers::held_until.le(Some(Bind(now))))
        .execute(conn)?;
    Ok(rows)
}
