//! What everybody holds, read from the tables themselves, and SECURITY rule 1 as a comparison of before and after.

use std::collections::BTreeMap;

use diesel::prelude::*;
use ud_db::{DbConn, StoreError};
use ud_kernel::{Timestamp, UserId, permission};

use crate::support::Fixture;

mod tables {
    diesel::table! {
        use diesel::sql_types::*;
        use ud_db::sql;

        roles (id) {
            id -> sql::Id,
            name -> Text,
            permissions -> Text,
        }
    }

    diesel::table! {
        use diesel::sql_types::*;
        use ud_db::sql;

        role_assignments (id) {
            id -> sql::Id,
            user_id -> sql::Id,
            role_id -> sql::Id,
            expires_at -> Nullable<sql::Instant>,
        }
    }

    diesel::joinable!(role_assignments -> roles (role_id));
    diesel::allow_tables_to_appear_in_same_query!(role_assignments, roles);
}

/// In seconds; [`NEVER`] is the latest.
pub type End = i64;

/// The end of what has none.
pub const NEVER: End = i64::MAX;

/// Until when somebody holds what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    pub names: BTreeMap<String, End>,
    pub permissions: BTreeMap<String, End>,
}

impl Held {
    /// Adds a role with `permissions`, a JSON array.
    fn add(&mut self, name: &str, permissions: &str, end: End) {
        later(&mut self.names, name, end);
        for text in serde_json::from_str::<Vec<String>>(permissions).unwrap() {
            later(&mut self.permissions, &text, end);
        }
    }

    /// Adds all that `other` holds.
    pub fn extend(&mut self, other: &Self) {
        for (name, end) in &other.names {
            later(&mut self.names, name, *end);
        }
        for (text, end) in &other.permissions {
            later(&mut self.permissions, text, *end);
        }
    }

    /// Until when what needs `permission` is allowed.
    pub fn end_of(&self, permission: &str) -> Option<End> {
        let by = |text| self.permissions.get(text).copied();
        by(permission).max(by("*"))
    }

    /// Until when the role `name` is held, or may be given because foreign roles may.
    pub fn end_of_name(&self, name: &str) -> Option<End> {
        let held = self.names.get(name).copied();
        held.max(self.end_of("roles:grant"))
    }

    /// Whether one of the platform's own permissions is held that `other` lacks.
    pub fn has_more_of_ours_than(&self, other: &Self) -> bool {
        self.permissions
            .keys()
            .any(|p| permission::is_own(p) && other.end_of(p).is_none())
    }

    /// What is here and not, or not as long, in `other`.
    pub fn beyond(&self, other: &Self) -> Self {
        let beyond = |all: &BTreeMap<String, End>, others: &BTreeMap<String, End>| {
            all.iter()
                .filter(|(what, end)| others.get(*what).is_none_or(|has| has < end))
                .map(|(what, end)| (what.clone(), *end))
                .collect()
        };
        Self {
            names: beyond(&self.names, &other.names),
            permissions: beyond(&self.permissions, &other.permissions),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.permissions.is_empty()
    }
}

fn later(all: &mut BTreeMap<String, End>, what: &str, end: End) {
    let known = all.entry(what.to_owned()).or_insert(end);
    *known = end.max(*known);
}

/// What everybody holds at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    everybody: Held,
    users: BTreeMap<UserId, Held>,
}

impl Snapshot {
    /// Reads it; `now` ends what ended before.
    pub fn read(conn: &mut DbConn, now: Timestamp) -> Result<Self, StoreError> {
        use tables::{role_assignments as assignments, roles};
        let everybody: (String, String) = roles::table
            .filter(roles::name.eq("user"))
            .select((roles::name, roles::permissions))
            .first(conn)?;
        let rows: Vec<(UserId, Option<Timestamp>, String, String)> = assignments::table
            .inner_join(roles::table)
            .select((
                assignments::user_id,
                assignments::expires_at,
                roles::name,
                roles::permissions,
            ))
            .load(conn)?;
        let mut all = Self::default();
        all.everybody.add(&everybody.0, &everybody.1, NEVER);
        for (user, expires_at, name, permissions) in rows {
            let end = expires_at.map_or(NEVER, Timestamp::as_secs);
            if end > now.as_secs() {
                let held = all.users.entry(user).or_default();
                held.add(&name, &permissions, end);
            }
        }
        Ok(all)
    }

    pub async fn of(f: &Fixture) -> Self {
        let now = f.clock.now();
        f.db.read(move |conn| Self::read(conn, now)).await.unwrap()
    }

    /// What `user` holds, by the role `user` too.
    pub fn held_by(&self, user: UserId) -> Held {
        let mut held = self.everybody.clone();
        if let Some(own) = self.users.get(&user) {
            held.extend(own);
        }
        held
    }

    /// What `users` hold together.
    pub fn held_by_all(&self, users: &[UserId]) -> Held {
        let mut held = Held::default();
        for user in users {
            held.extend(&self.held_by(*user));
        }
        held
    }
}

/// SECURITY rule 1 of one change by `caller`: what anybody gained, the caller held for at least as long; what
/// anybody lost, the caller held; who holds more than the caller kept all they had and got nothing.
pub fn assert_rule_one(caller: UserId, before: &Snapshot, after: &Snapshot, case: &str) {
    let own = before.held_by(caller);
    let lifts_names = own.end_of("roles:grant").is_some();
    if own.end_of("*").is_some() {
        return;
    }
    let users: Vec<UserId> = before
        .users
        .keys()
        .chain(after.users.keys())
        .copied()
        .collect();
    for user in users {
        let (had, has) = (before.held_by(user), after.held_by(user));
        let (gained, lost) = (has.beyond(&had), had.beyond(&has));
        for (text, end) in &gained.permissions {
            assert!(
                own.end_of(text) >= Some(*end),
                "{case}: {user} gained {text}"
            );
        }
        for (name, end) in &gained.names {
            assert!(
                own.end_of_name(name) >= Some(*end),
                "{case}: {user} gained {name}"
            );
        }
        for text in lost.permissions.keys() {
            assert!(own.end_of(text).is_some(), "{case}: {user} lost {text}");
        }
        for name in lost.names.keys() {
            assert!(
                own.end_of_name(name).is_some(),
                "{case}: {user} lost {name}"
            );
        }
        if had.has_more_of_ours_than(&own) && !lifts_names {
            assert!(
                gained.is_empty() && lost.is_empty(),
                "{case}: {user} holds more"
            );
        }
    }
    if !lifts_names {
        let gained = after.held_by(caller).beyond(&own);
        assert!(gained.is_empty(), "{case}: the caller gained {gained:?}");
    }
}
