//! `ud_kernel::Timestamp` as `sql::Instant`.

use chrono::{DateTime, Datelike, Utc};
use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, Queryable},
    serialize::{self, IsNull, Output, ToSql},
    sql_types::HasSqlType,
};
use ud_kernel::Timestamp;

use crate::{conn::MultiBackend, sql};

/// The instant as chrono's type, if all three databases can hold it.
fn checked(instant: &Timestamp) -> Result<DateTime<Utc>, String> {
    let datetime = instant.to_datetime();
    if (1000..=9999).contains(&datetime.year()) {
        Ok(datetime)
    } else {
        Err(format!("{instant} is not in the years 1000 to 9999"))
    }
}

impl<DB> Queryable<sql::Instant, DB> for Timestamp
where
    DB: Backend,
    Self: FromSql<sql::Instant, DB>,
{
    type Row = Self;

    fn build(row: Self) -> deserialize::Result<Self> {
        Ok(row)
    }
}

impl HasSqlType<sql::Instant> for MultiBackend {
    fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
        Self::lookup_sql_type::<sql::Instant>(lookup)
    }
}

impl ToSql<sql::Instant, MultiBackend> for Timestamp {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
        out.set_value((sql::Instant, self));
        Ok(IsNull::No)
    }
}

impl FromSql<sql::Instant, MultiBackend> for Timestamp {
    fn from_sql(value: <MultiBackend as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        value.from_sql::<Self, sql::Instant>()
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use diesel::{sql_types::Text, sqlite::Sqlite};

    use super::*;

    impl ToSql<sql::Instant, Sqlite> for Timestamp {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            checked(self)?;
            out.set_value(self.to_string());
            Ok(IsNull::No)
        }
    }

    impl FromSql<sql::Instant, Sqlite> for Timestamp {
        fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
            Ok(<String as FromSql<Text, Sqlite>>::from_sql(value)?.parse()?)
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use diesel::{
        pg::{Pg, PgValue},
        sql_types::Timestamptz,
    };

    use super::*;

    impl ToSql<sql::Instant, Pg> for Timestamp {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            ToSql::<Timestamptz, Pg>::to_sql(&checked(self)?, &mut out.reborrow())
        }
    }

    impl FromSql<sql::Instant, Pg> for Timestamp {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            <DateTime<Utc> as FromSql<Timestamptz, Pg>>::from_sql(value).map(Self::from_datetime)
        }
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use chrono::NaiveDateTime;
    use diesel::{
        mysql::{Mysql, MysqlValue},
        sql_types::Datetime,
    };

    use super::*;

    impl ToSql<sql::Instant, Mysql> for Timestamp {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
            ToSql::<Datetime, Mysql>::to_sql(&checked(self)?.naive_utc(), &mut out.reborrow())
        }
    }

    impl FromSql<sql::Instant, Mysql> for Timestamp {
        fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
            <NaiveDateTime as FromSql<Datetime, Mysql>>::from_sql(value)
                .map(|naive| Self::from_datetime(naive.and_utc()))
        }
    }
}
