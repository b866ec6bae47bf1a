//! Statements run on the test servers beside the code under test.

use diesel::{Connection as _, MysqlConnection, PgConnection, connection::SimpleConnection as _};

/// Runs the statements `sql` in `database` on the PostgreSQL server of `url` (`postgres://user@host:port`).
pub(crate) fn on_postgres(url: &str, database: &str, sql: &str) -> Result<(), String> {
    let mut conn =
        PgConnection::establish(&format!("{url}/{database}")).map_err(|e| e.to_string())?;
    conn.batch_execute(sql).map_err(|e| e.to_string())
}

/// Runs the statement `sql` on the MariaDB server of `url` (`mysql://user@host:port`).
pub(crate) fn on_mysql(url: &str, sql: &str) -> Result<(), String> {
    let mut conn = MysqlConnection::establish(url).map_err(|e| e.to_string())?;
    conn.batch_execute(sql).map_err(|e| e.to_string())
}
