//! A store as services write them, and its table.

use diesel::prelude::*;
use ud_db::{DbConn, Migrations, StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId};

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    things (id) {
        id -> sql::Id,
        name -> Text,
        count -> BigInt,
        active -> Bool,
        owner_id -> Nullable<sql::Id>,
        created_at -> sql::Instant,
        deleted_at -> Nullable<sql::Instant>,
    }
}

pub static MIGRATIONS: Migrations = Migrations {
    sqlite: diesel_migrations::embed_migrations!("tests/migrations/sqlite"),
    postgres: diesel_migrations::embed_migrations!("tests/migrations/postgres"),
    mysql: diesel_migrations::embed_migrations!("tests/migrations/mysql"),
};

pub static OTHER: Migrations = Migrations {
    sqlite: diesel_migrations::embed_migrations!("tests/other_migrations/sqlite"),
    postgres: diesel_migrations::embed_migrations!("tests/other_migrations/postgres"),
    mysql: diesel_migrations::embed_migrations!("tests/other_migrations/mysql"),
};

/// Nobody wrote how to undo it.
pub static ONE_WAY: Migrations = Migrations {
    sqlite: diesel_migrations::embed_migrations!("tests/one_way_migrations/sqlite"),
    postgres: diesel_migrations::embed_migrations!("tests/one_way_migrations/postgres"),
    mysql: diesel_migrations::embed_migrations!("tests/one_way_migrations/mysql"),
};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = things)]
pub struct Thing {
    pub id: UserId,
    pub name: String,
    pub count: i64,
    pub active: bool,
    pub owner_id: Option<UserId>,
    pub created_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
}

#[derive(Insertable)]
#[diesel(table_name = things, treat_none_as_default_value = false)]
struct ThingRow<'a> {
    id: Bind<UserId>,
    name: &'a str,
    count: i64,
    active: bool,
    owner_id: Option<Bind<UserId>>,
    created_at: Bind<Timestamp>,
    deleted_at: Option<Bind<Timestamp>>,
}

fn row(thing: &Thing) -> ThingRow<'_> {
    ThingRow {
        id: Bind(thing.id),
        name: &thing.name,
        count: thing.count,
        active: thing.active,
        owner_id: thing.owner_id.map(Bind),
        created_at: Bind(thing.created_at),
        deleted_at: thing.deleted_at.map(Bind),
    }
}

pub fn insert(conn: &mut DbConn, thing: &Thing) -> Result<(), StoreError> {
    diesel::insert_into(things::table)
        .values(&row(thing))
        .execute(conn)?;
    Ok(())
}

/// All of them by one COPY, which PostgreSQL alone has.
pub fn copy(conn: &mut DbConn, things: &[Thing]) -> Result<usize, StoreError> {
    let DbConn::Postgres(conn) = conn else {
        panic!("not PostgreSQL");
    };
    let rows: Vec<ThingRow<'_>> = things.iter().map(row).collect();
    Ok(diesel::copy_from(things::table)
        .from_insertable(&rows)
        .execute(conn)?)
}

pub fn find(conn: &mut DbConn, id: UserId) -> Result<Option<Thing>, StoreError> {
    Ok(things::table
        .find(Bind(id))
        .select(Thing::as_select())
        .first(conn)
        .optional()?)
}

pub fn find_all(conn: &mut DbConn, ids: &[UserId]) -> Result<Vec<Thing>, StoreError> {
    Ok(things::table
        .filter(things::id.eq_any(ids.iter().copied().map(Bind)))
        .order(things::id)
        .select(Thing::as_select())
        .load(conn)?)
}

/// Compare-and-set: whether it was this call that deleted it.
pub fn delete(conn: &mut DbConn, id: UserId, at: Timestamp) -> Result<bool, StoreError> {
    let rows = diesel::update(things::table.find(Bind(id)))
        .filter(things::deleted_at.is_null())
        .set(things::deleted_at.eq(Some(Bind(at))))
        .execute(conn)?;
    Ok(rows == 1)
}

/// One page in the order (created_at, id), after a position.
pub fn page(
    conn: &mut DbConn,
    after: Option<(Timestamp, UserId)>,
    limit: i64,
) -> Result<Vec<Thing>, StoreError> {
    let mut query = things::table
        .filter(things::deleted_at.is_null())
        .order((things::created_at, things::id))
        .limit(limit)
        .select(Thing::as_select())
        .into_boxed();
    if let Some((at, id)) = after {
        query = query.filter(
            things::created_at
                .gt(Bind(at))
                .or(things::created_at.eq(Bind(at)).and(things::id.gt(Bind(id)))),
        );
    }
    Ok(query.load(conn)?)
}

/// Adds to the counter of that name, which is made if it is not there.
pub fn add(conn: &mut DbConn, id: UserId, name: &str, at: Timestamp) -> Result<(), StoreError> {
    let rows = diesel::update(things::table.filter(things::name.eq(name)))
        .set(things::count.eq(things::count + 1))
        .execute(conn)?;
    if rows == 0 {
        let thing = Thing {
            id,
            name: name.to_owned(),
            count: 1,
            active: true,
            owner_id: None,
            created_at: at,
            deleted_at: None,
        };
        insert(conn, &thing).map_err(StoreError::or_again)?;
    }
    Ok(())
}

pub fn count(conn: &mut DbConn, name: &str) -> Result<i64, StoreError> {
    Ok(things::table
        .filter(things::name.eq(name))
        .select(things::count)
        .first(conn)?)
}
