//! Queries on roles.

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{RoleId, Timestamp};

use super::{PermissionSet, Role, role::names_bytes, schema::roles};

/// A row of `roles`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = roles)]
pub(crate) struct RoleRow {
    id: RoleId,
    name: String,
    description: Option<String>,
    permissions: String,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl TryFrom<RoleRow> for Role {
    type Error = StoreError;

    fn try_from(row: RoleRow) -> Result<Self, StoreError> {
        let permissions = PermissionSet::from_json(&row.permissions)
            .map_err(|e| StoreError::Internal(format!("roles.permissions of {}: {e}", row.id)))?;
        Ok(Self {
            id: row.id,
            name: row.name,
            description: row.description,
            permissions,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Rows as roles.
pub(crate) fn read_rows(rows: Vec<RoleRow>) -> Result<Vec<Role>, StoreError> {
    rows.into_iter().map(Role::try_from).collect()
}

/// What `names_bytes` of the role's row is.
fn stored_bytes(role: &Role) -> i32 {
    i32::try_from(names_bytes([role])).unwrap_or(i32::MAX)
}

/// Stores a new role.
pub(crate) fn insert(conn: &mut DbConn, role: &Role) -> Result<(), StoreError> {
    diesel::insert_into(roles::table)
        .values((
            roles::id.eq(Bind(role.id)),
            roles::name.eq(&role.name),
            roles::description.eq(role.description.as_deref()),
            roles::permissions.eq(role.permissions.to_json()),
            roles::names_bytes.eq(stored_bytes(role)),
            roles::version.eq(role.version),
            roles::created_at.eq(Bind(role.created_at)),
            roles::updated_at.eq(Bind(role.updated_at)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Stores what changed of a role; its name never does.
pub(crate) fn update(conn: &mut DbConn, role: &Role) -> Result<(), StoreError> {
    let rows = diesel::update(roles::table.find(Bind(role.id)))
        .set((
            roles::description.eq(role.description.as_deref()),
            roles::permissions.eq(role.permissions.to_json()),
            roles::names_bytes.eq(stored_bytes(role)),
            roles::version.eq(role.version),
            roles::updated_at.eq(Bind(role.updated_at)),
        ))
        .execute(conn)?;
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::NotFound)
    }
}

/// Removes a role that nobody has.
pub(crate) fn delete(conn: &mut DbConn, id: RoleId) -> Result<(), StoreError> {
    diesel::delete(roles::table.find(Bind(id))).execute(conn)?;
    Ok(())
}

/// The role of that id.
pub(crate) fn find(conn: &mut DbConn, id: RoleId) -> Result<Option<Role>, StoreError> {
    roles::table
        .find(Bind(id))
        .select(RoleRow::as_select())
        .first(conn)
        .optional()?
        .map(Role::try_from)
        .transpose()
}

/// Whether a role has that name.
pub(crate) fn name_is_taken(conn: &mut DbConn, name: &str) -> Result<bool, StoreError> {
    let found: Option<RoleId> = roles::table
        .filter(roles::name.eq(name))
        .select(roles::id)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

/// Up to `limit` roles in the order of their ids, after `after`.
pub(crate) fn page(
    conn: &mut DbConn,
    after: Option<RoleId>,
    limit: i64,
) -> Result<Vec<Role>, StoreError> {
    let mut query = roles::table
        .order(roles::id)
        .limit(limit)
        .select(RoleRow::as_select())
        .into_boxed();
    if let Some(id) = after {
        query = query.filter(roles::id.gt(Bind(id)));
    }
    read_rows(query.load(conn)?)
}
