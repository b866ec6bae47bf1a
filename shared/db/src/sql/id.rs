//! `ud_kernel::Id<K>` as `sql::Id`.

use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, Queryable},
    serialize::{self, IsNull, Output, ToSql},
    sql_types::HasSqlType,
};
use ud_kernel::Id;

use crate::{conn::MultiBackend, sql};

impl<K, DB> Queryable<sql::Id, DB> for Id<K>
where
    DB: Backend,
    Self: FromSql<sql::Id, DB>,
{
    type Row = Self;

    fn build(row: Self) -> deserialize::Result<Self> {
        Ok(row)
    }
}

impl HasSqlType<sql::Id> for MultiBackend {
    fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
        Self::lookup_sql_type::<sql::Id>(lookup)
    }
}

impl<K: 'static> ToSql<sql::Id, MultiBackend> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
        out.set_value((sql::Id, self));
        Ok(IsNull::No)
    }
}

impl<K: 'static> FromSql<sql::Id, MultiBackend> for Id<K> {
    fn from_sql(value: <MultiBackend as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        value.from_sql::<Self, sql::Id>()
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use diesel::{sql_types::Binary, sqlite::Sqlite};
    use uuid::Uuid;

    use super::*;

    impl<K> ToSql<sql::Id, Sqlite> for Id<K> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(&self.as_uuid().as_bytes()[..]);
            Ok(IsNull::No)
        }
    }

    impl<K> FromSql<sql::Id, Sqlite> for Id<K> {
        fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
            let bytes = <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(value)?;
            Ok(Self::from_uuid(Uuid::from_slice(&bytes)?))
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use diesel::{
        pg::{Pg, PgValue},
        sql_types,
    };
    use uuid::Uuid;

    use super::*;

    impl<K> ToSql<sql::Id, Pg> for Id<K> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            ToSql::<sql_types::Uuid, Pg>::to_sql(self.as_uuid(), out)
        }
    }

    impl<K> FromSql<sql::Id, Pg> for Id<K> {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            <Uuid as FromSql<sql_types::Uuid, Pg>>::from_sql(value).map(Self::from_uuid)
        }
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use diesel::{
        mysql::{Mysql, MysqlValue},
        sql_types::Binary,
    };
    use uuid::Uuid;

    use super::*;

    impl<K> ToSql<sql::Id, Mysql> for Id<K> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
            ToSql::<Binary, Mysql>::to_sql(&self.as_uuid().as_bytes()[..], &mut out.reborrow())
        }
    }

    impl<K> FromSql<sql::Id, Mysql> for Id<K> {
        fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
            let bytes = <Vec<u8> as FromSql<Binary, Mysql>>::from_sql(value)?;
            Ok(Self::from_uuid(Uuid::from_slice(&bytes)?))
        }
    }
}
