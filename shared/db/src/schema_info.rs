//! What tables a database has, in the same words for all three, so that a test can compare the three
//! trees of migrations.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{
    QueryableByName, RunQueryDsl as _, sql_query,
    sql_types::{BigInt, Text},
};

use crate::{Backend, DbConn, StoreError, error};

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableInfo {
    /// Columns by name.
    pub columns: BTreeMap<String, ColumnInfo>,
    /// Columns of the primary key in its order.
    pub primary_key: Vec<String>,
    /// Unique indexes other than the primary key: the name [`StoreError::Unique`] reports, and the
    /// columns in order.
    pub unique: BTreeMap<String, Vec<String>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Whether it takes NULL.
    pub nullable: bool,
    /// The database's own name of the type, lower case; differs between databases.
    pub sql_type: String,
}

#[derive(QueryableByName)]
struct NameRow {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = BigInt)]
    nullable: i64,
    #[diesel(sql_type = Text)]
    sql_type: String,
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    key_name: String,
    #[diesel(sql_type = BigInt)]
    is_primary: i64,
    #[diesel(sql_type = Text)]
    column_name: String,
}

/// Names of the tables, in the schema in use.
///
/// # Errors
/// [`StoreError`] if the database cannot be asked.
pub fn tables(conn: &mut DbConn) -> Result<BTreeSet<String>, StoreError> {
    let query = match conn.backend() {
        Backend::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        }
        Backend::Postgres => {
            "SELECT c.relname::text AS name FROM pg_catalog.pg_class c \
             WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace"
        }
        Backend::Mysql => {
            "SELECT CAST(table_name AS CHAR) AS name FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
        }
    };
    let rows = sql_query(query).load::<NameRow>(conn)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// All tables but diesel's own.
///
/// # Errors
/// [`StoreError`] if the database cannot be asked.
pub fn describe(conn: &mut DbConn) -> Result<BTreeMap<String, TableInfo>, StoreError> {
    let (columns, keys) = match conn.backend() {
        Backend::Sqlite => (SQLITE_COLUMNS, SQLITE_KEYS),
        Backend::Postgres => (POSTGRES_COLUMNS, POSTGRES_KEYS),
        Backend::Mysql => (MYSQL_COLUMNS, MYSQL_KEYS),
    };
    let backend = conn.backend();
    let mut tables: BTreeMap<String, TableInfo> = tables(conn)?
        .into_iter()
        .filter(|name| name != "__diesel_schema_migrations")
        .map(|name| (name, TableInfo::default()))
        .collect();
    for row in sql_query(columns).load::<ColumnRow>(conn)? {
        if let Some(table) = tables.get_mut(&row.table_name) {
            let column = ColumnInfo {
                nullable: row.nullable != 0,
                sql_type: row.sql_type.to_lowercase(),
            };
            table.columns.insert(row.column_name, column);
        }
    }
    for row in sql_query(keys).load::<KeyRow>(conn)? {
        if let Some(table) = tables.get_mut(&row.table_name) {
            if row.is_primary != 0 {
                table.primary_key.push(row.column_name);
            } else {
                table
                    .unique
                    .entry(row.key_name)
                    .or_default()
                    .push(row.column_name);
            }
        }
    }
    if backend == Backend::Sqlite {
        // Its errors name the columns, not the index.
        for (name, table) in &mut tables {
            table.unique = std::mem::take(&mut table.unique)
                .into_values()
                .map(|columns| {
                    let index = error::unique_name(name, columns.iter().map(String::as_str));
                    (index, columns)
                })
                .collect();
        }
    }
    Ok(tables)
}

const SQLITE_COLUMNS: &str = "\
    SELECT m.name AS table_name, c.name AS column_name, c.\"notnull\" = 0 AS nullable, c.type AS sql_type \
    FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'";

const SQLITE_KEYS: &str = "\
    SELECT m.name AS table_name, '' AS key_name, 1 AS is_primary, c.name AS column_name, c.pk AS place \
    FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.pk > 0 \
    UNION ALL \
    SELECT m.name, i.name, 0, COALESCE(x.name, '(expression)'), x.seqno \
    FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) x \
    WHERE m.type = 'table' AND i.\"unique\" = 1 AND i.origin <> 'pk' \
    ORDER BY 1, 2, 5";

const POSTGRES_COLUMNS: &str = "\
    SELECT c.relname::text AS table_name, a.attname::text AS column_name, \
        (NOT a.attnotnull)::int::bigint AS nullable, format_type(a.atttypid, a.atttypmod) AS sql_type \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace \
        AND a.attnum > 0 AND NOT a.attisdropped";

const POSTGRES_KEYS: &str = "\
    SELECT c.relname::text AS table_name, x.relname::text AS key_name, \
        i.indisprimary::int::bigint AS is_primary, COALESCE(a.attname::text, '(expression)') AS column_name \
    FROM pg_catalog.pg_index i \
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid \
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0 \
    WHERE i.indisunique AND c.relnamespace = current_schema()::regnamespace \
    ORDER BY 1, 2, k.place";

const MYSQL_COLUMNS: &str = "\
    SELECT CAST(table_name AS CHAR) AS table_name, CAST(column_name AS CHAR) AS column_name, \
        CAST(is_nullable = 'YES' AS SIGNED) AS nullable, CAST(column_type AS CHAR) AS sql_type \
    FROM information_schema.columns WHERE table_schema = DATABASE()";

const MYSQL_KEYS: &str = "\
    SELECT CAST(table_name AS CHAR) AS table_name, CAST(index_name AS CHAR) AS key_name, \
        CAST(index_name = 'PRIMARY' AS SIGNED) AS is_primary, CAST(column_name AS CHAR) AS column_name \
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND non_unique = 0 \
    ORDER BY 1, 2, seq_in_index";
