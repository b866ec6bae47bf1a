//! All queries on users.

use diesel::prelude::*;
use ud_db::{DbConn, MultiBackend, StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId};

use super::{
    personal,
    schema::{user_words, users},
    user::{User, UserStatus},
};

/// Which users a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Only of this status; otherwise all that are visible.
    pub status: Option<UserStatus>,
    /// Only with this canonical email address.
    pub email: Option<String>,
    /// Only with this canonical username.
    pub username: Option<String>,
    /// Only with words that begin so, each of them.
    pub words: Vec<String>,
}

/// Inserts a pending user.
///
/// # Errors
/// [`StoreError`].
pub fn insert(conn: &mut DbConn, user: &User) -> Result<(), StoreError> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(Bind(user.id)),
            users::status.eq(user.status.as_str()),
            users::email.eq(&user.email),
            users::email_canonical.eq(&user.email_canonical),
            users::email_verified.eq(user.email_verified),
            users::username.eq(&user.username),
            users::given_name.eq(&user.given_name),
            users::family_name.eq(&user.family_name),
            users::phone.eq(&user.phone),
            users::locale.eq(&user.locale),
            users::timezone.eq(&user.timezone),
            users::version.eq(user.version),
            users::created_at.eq(Bind(user.created_at)),
            users::updated_at.eq(Bind(user.updated_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// The user of that id, of whatever status.
///
/// # Errors
/// [`StoreError`].
pub fn find(conn: &mut DbConn, id: UserId) -> Result<Option<User>, StoreError> {
    Ok(users::table
        .find(Bind(id))
        .select(User::as_select())
        .first(conn)
        .optional()?)
}

/// The user of that id, email address or username, of whatever status.
///
/// # Errors
/// [`StoreError`].
pub fn find_named(conn: &mut DbConn, identifier: &str) -> Result<Option<User>, StoreError> {
    if let Ok(id) = identifier.parse::<UserId>() {
        return find(conn, id);
    }
    let query = users::table
        .select(User::as_select())
        .into_boxed::<MultiBackend>();
    let query = if identifier.contains('@') {
        query.filter(users::email_canonical.eq(personal::canonical_email(identifier)))
    } else {
        query.filter(users::username.eq(identifier.to_ascii_lowercase()))
    };
    // Pending rows may have the same address: registrations that came to nothing.
    Ok(query
        .filter(users::status.ne(UserStatus::Pending.as_str()))
        .first(conn)
        .optional()?)
}

/// Says that somebody tries to complete the registration now. False if it is not pending any more.
///
/// # Errors
/// [`StoreError`].
pub fn touch_pending(conn: &mut DbConn, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
    let rows = diesel::update(users::table.find(Bind(id)))
        .filter(users::status.eq(UserStatus::Pending.as_str()))
        .set(users::updated_at.eq(Bind(now)))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Pending becomes active, version 1. False if it is not pending any more.
///
/// # Errors
/// [`StoreError`].
pub fn activate(conn: &mut DbConn, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
    let rows = diesel::update(users::table.find(Bind(id)))
        .filter(users::status.eq(UserStatus::Pending.as_str()))
        .set((
            users::status.eq(UserStatus::Active.as_str()),
            users::version.eq(1),
            users::updated_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Writes the copies of what auth keeps.
///
/// # Errors
/// [`StoreError`].
pub fn set_identifiers(
    conn: &mut DbConn,
    id: UserId,
    email: &str,
    email_canonical: &str,
    username: Option<&str>,
) -> Result<(), StoreError> {
    diesel::update(users::table.find(Bind(id)))
        .set((
            users::email.eq(email),
            users::email_canonical.eq(email_canonical),
            users::username.eq(username),
        ))
        .execute(conn)?;
    Ok(())
}

/// Removes a registration that came to nothing; with `seen`, only if nobody tried to complete it since. What
/// refers to it goes with it. False if it was not removed.
///
/// # Errors
/// [`StoreError`].
pub fn delete_pending(
    conn: &mut DbConn,
    id: UserId,
    seen: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let mut delete = diesel::delete(users::table)
        .filter(users::id.eq(Bind(id)))
        .filter(users::status.eq(UserStatus::Pending.as_str()))
        .into_boxed::<MultiBackend>();
    if let Some(seen) = seen {
        delete = delete.filter(users::updated_at.eq(Bind(seen)));
    }
    Ok(delete.execute(conn)? == 1)
}

/// Registrations nobody has tried to complete since `before`, and when somebody last did.
///
/// # Errors
/// [`StoreError`].
pub fn stale_pending(
    conn: &mut DbConn,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<(UserId, Timestamp)>, StoreError> {
    Ok(users::table
        .filter(users::status.eq(UserStatus::Pending.as_str()))
        .filter(users::updated_at.lt(Bind(before)))
        .order(users::id)
        .limit(limit)
        .select((users::id, users::updated_at))
        .load(conn)?)
}

/// Writes the members a client can change, of `user`, whose version was `version`. False if it is another by
/// now.
///
/// # Errors
/// [`StoreError`].
pub fn update(conn: &mut DbConn, user: &User, version: i64) -> Result<bool, StoreError> {
    let rows = diesel::update(users::table.find(Bind(user.id)))
        .filter(users::version.eq(version))
        .set((
            users::given_name.eq(&user.given_name),
            users::family_name.eq(&user.family_name),
            users::locale.eq(&user.locale),
            users::timezone.eq(&user.timezone),
            users::version.eq(user.version),
            users::updated_at.eq(Bind(user.updated_at)),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Raises the version of a user from `version` to `to`, and changes nothing else. False if it is another by now.
///
/// # Errors
/// [`StoreError`].
pub fn raise_version(
    conn: &mut DbConn,
    id: UserId,
    version: i64,
    to: i64,
) -> Result<bool, StoreError> {
    let rows = diesel::update(users::table.find(Bind(id)))
        .filter(users::version.eq(version))
        .set(users::version.eq(to))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Writes that the address of `user`, whose version was `version`, is verified. False if it is another by now.
///
/// # Errors
/// [`StoreError`].
pub fn set_verified(conn: &mut DbConn, user: &User, version: i64) -> Result<bool, StoreError> {
    let rows = diesel::update(users::table.find(Bind(user.id)))
        .filter(users::version.eq(version))
        .set((
            users::email_verified.eq(true),
            users::version.eq(user.version),
            users::updated_at.eq(Bind(user.updated_at)),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Writes status, version and time of `user`, whose version was `version`. False if it is another by now.
///
/// # Errors
/// [`StoreError`].
pub fn set_status(conn: &mut DbConn, user: &User, version: i64) -> Result<bool, StoreError> {
    let rows = diesel::update(users::table.find(Bind(user.id)))
        .filter(users::version.eq(version))
        .set((
            users::status.eq(user.status.as_str()),
            users::version.eq(user.version),
            users::updated_at.eq(Bind(user.updated_at)),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Marks `user`, whose version was `version`, as deleted and removes everything personal. False if it is
/// another version by now.
///
/// # Errors
/// [`StoreError`].
pub fn erase(conn: &mut DbConn, user: &User, version: i64) -> Result<bool, StoreError> {
    const NOTHING: Option<&str> = None;
    let rows = diesel::update(users::table.find(Bind(user.id)))
        .filter(users::version.eq(version))
        .set((
            users::status.eq(UserStatus::Deleted.as_str()),
            users::email.eq(NOTHING),
            users::email_canonical.eq(NOTHING),
            users::email_verified.eq(false),
            users::username.eq(NOTHING),
            users::given_name.eq(NOTHING),
            users::family_name.eq(NOTHING),
            users::phone.eq(NOTHING),
            users::locale.eq(NOTHING),
            users::timezone.eq(NOTHING),
            users::version.eq(user.version),
            users::updated_at.eq(Bind(user.updated_at)),
        ))
        .execute(conn)?;
    diesel::delete(user_words::table)
        .filter(user_words::user_id.eq(Bind(user.id)))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Puts `words` in the place of the words the user is found by.
///
/// # Errors
/// [`StoreError`].
pub fn set_words(conn: &mut DbConn, id: UserId, words: &[String]) -> Result<(), StoreError> {
    diesel::delete(user_words::table)
        .filter(user_words::user_id.eq(Bind(id)))
        .execute(conn)?;
    for word in words {
        diesel::insert_into(user_words::table)
            .values((user_words::word.eq(word), user_words::user_id.eq(Bind(id))))
            .execute(conn)?;
    }
    Ok(())
}

/// Up to `limit` users after `after`, in the order of their ids, which is that of their registrations.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    conn: &mut DbConn,
    filter: &UserFilter,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<User>, StoreError> {
    let mut query = users::table
        .select(User::as_select())
        .order(users::id)
        .limit(limit)
        .into_boxed::<MultiBackend>();
    query = match filter.status {
        Some(status) => query.filter(users::status.eq(status.as_str())),
        None => query.filter(
            users::status
                .ne(UserStatus::Pending.as_str())
                .and(users::status.ne(UserStatus::Deleted.as_str())),
        ),
    };
    if let Some(after) = after {
        query = query.filter(users::id.gt(Bind(after)));
    }
    if let Some(email) = &filter.email {
        query = query.filter(users::email_canonical.eq(email));
    }
    if let Some(username) = &filter.username {
        query = query.filter(users::username.eq(username));
    }
    for word in &filter.words {
        // The last code point: nothing that begins with `word` sorts after it.
        let end = format!("{word}\u{10FFFF}");
        let found = user_words::table
            .filter(user_words::word.ge(word))
            .filter(user_words::word.lt(end))
            .select(user_words::user_id);
        query = query.filter(users::id.eq_any(found));
    }
    Ok(query.load(conn)?)
}
