//! SQL types with one Rust type each, for `diesel::table!` (`use diesel::sql_types::*; use ud_db::sql;`
//! inside the macro). A nullable column is `Nullable<sql::Id>` and takes and gives `Option`. Enums and JSON are `Text`; a store turns them into its own types.

mod id;
mod instant;

use std::fmt;

use diesel::{
    backend::Backend,
    expression::AsExpression,
    query_builder::QueryId,
    serialize::{self, Output, ToSql},
    sql_types::SqlType,
};

/// `uuid` on PostgreSQL, `BINARY(16)` on MySQL, `BLOB` on SQLite; in Rust [`ud_kernel::Id`].
/// Sorts by the bytes, so UUIDv7 sorts by time, on all three.
#[derive(Debug, Clone, Copy, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951))]
#[diesel(mysql_type(name = "Blob"))]
#[diesel(sqlite_type(name = "Binary"))]
pub struct Id;

/// `timestamptz` on PostgreSQL, `DATETIME(6)` on MySQL, `TEXT` (RFC 3339 in UTC with milliseconds, 24
/// characters, so it sorts) on SQLite; in Rust [`ud_kernel::Timestamp`]. Holds the years 1000 to 9999.
#[derive(Debug, Clone, Copy, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185))]
#[diesel(mysql_type(name = "DateTime"))]
#[diesel(sqlite_type(name = "Text"))]
pub struct Instant;

// So that `max` and `min` work on them.
impl diesel::sql_types::SqlOrd for Id {}
impl diesel::sql_types::SqlOrd for Instant {}

/// An id or a timestamp on its way into a query: `users::id.eq(Bind(id))`, `.eq(at.map(Bind))`,
/// `.eq_any(ids.into_iter().map(Bind))`, and as the type of a field of an `Insertable` or
/// `AsChangeset`. Only this way needs it (Rust's orphan rule); what is read comes as the bare type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression)]
#[diesel(sql_type = Id)]
#[diesel(sql_type = Instant)]
pub struct Bind<T: fmt::Debug>(pub T);

impl<T, DB> ToSql<Id, DB> for Bind<T>
where
    T: ToSql<Id, DB>,
    DB: Backend,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<T, DB> ToSql<Instant, DB> for Bind<T>
where
    T: ToSql<Instant, DB>,
    DB: Backend,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}
