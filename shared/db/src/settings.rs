//! What each database is told on every new connection.

use diesel::connection::SimpleConnection as _;

use crate::{DbConn, error::ConnectError};

/// What the connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limits {
    /// Requests: statements are stopped after 5 seconds.
    Requests,
    /// Migrations: statements may take as long as they need.
    Migrations,
}

impl From<diesel::ConnectionError> for ConnectError {
    fn from(error: diesel::ConnectionError) -> Self {
        Self(error.to_string())
    }
}

impl From<diesel::result::Error> for ConnectError {
    fn from(error: diesel::result::Error) -> Self {
        Self(error.to_string())
    }
}

/// `synchronous=FULL`: in WAL mode NORMAL does not sync at commit, so a power cut undoes the last
/// transactions: a closed session would be open again, a changed password the old one.
#[cfg(feature = "sqlite")]
pub(crate) fn sqlite(path: &std::path::Path, limits: Limits) -> Result<DbConn, ConnectError> {
    use diesel::Connection as _;

    let path = path
        .to_str()
        .ok_or_else(|| ConnectError("the path is not UTF-8".to_owned()))?;
    // A bare `file:...` would be read as a URI.
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("./{path}")
    };
    let mut conn = diesel::SqliteConnection::establish(&path)?;
    let patience = match limits {
        Limits::Requests => 2_000,
        Limits::Migrations => 120_000,
    };
    conn.batch_execute(&format!("PRAGMA busy_timeout = {patience}"))?;
    // Does not wait by `busy_timeout` when two connections make a new file a WAL file.
    let mut tries = 0;
    while let Err(error) = conn.batch_execute("PRAGMA journal_mode = WAL") {
        tries += 1;
        let error = crate::StoreError::from(error);
        if tries > 40 || error != crate::StoreError::Conflict {
            return Err(ConnectError(format!(
                "{path}: cannot switch to WAL: {error}"
            )));
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    conn.batch_execute("PRAGMA synchronous = FULL")?;
    conn.batch_execute("PRAGMA foreign_keys = ON")?;
    // Schemas in the file cannot call functions with side effects.
    conn.batch_execute("PRAGMA trusted_schema = OFF")?;
    Ok(DbConn::Sqlite(conn))
}

#[cfg(feature = "postgres")]
pub(crate) fn postgres(
    url: &secrecy::SecretString,
    limits: Limits,
) -> Result<DbConn, ConnectError> {
    use diesel::Connection as _;
    use secrecy::ExposeSecret as _;

    let mut conn = diesel::PgConnection::establish(url.expose_secret())?;
    let (statement, lock) = match limits {
        Limits::Requests => ("5s", "0"),
        Limits::Migrations => ("0", "120s"),
    };
    // As statements, not as start-up options: connection poolers refuse those. While it waits for what is to be copied
    // (COPY), the server ends neither a statement nor a transaction by time: it has to notice a dead peer by itself.
    conn.batch_execute(&format!(
        "SET TIME ZONE 'UTC'; \
         SET default_transaction_isolation = 'read committed'; \
         SET idle_in_transaction_session_timeout = '60s'; \
         SET statement_timeout = '{statement}'; \
         SET lock_timeout = '{lock}'; \
         SET tcp_keepalives_idle = 30; \
         SET tcp_keepalives_interval = 5; \
         SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = '30s'"
    ))?;
    ask_for_english(&mut conn)?;
    Ok(DbConn::Postgres(conn))
}

/// Errors are known by their texts, and those are in English unless `lc_messages` says otherwise. Only a superuser, or a
/// role with `GRANT SET ON PARAMETER lc_messages`, may change that; for others it is said once.
#[cfg(feature = "postgres")]
fn ask_for_english(conn: &mut diesel::PgConnection) -> Result<(), ConnectError> {
    use std::sync::Once;

    use diesel::{RunQueryDsl as _, dsl::sql, sql_types::Text};

    static WARNED: Once = Once::new();
    let language: String = sql::<Text>("SELECT current_setting('lc_messages')").get_result(conn)?;
    if !is_english(&language) && conn.batch_execute("SET lc_messages = 'C'").is_err() {
        WARNED.call_once(|| {
            log::warn!(
                "PostgreSQL's lc_messages is {language:?}, and this user may not change it: a full disk and other \
                 shortages are taken for defects. A superuser can: ALTER ROLE ... SET lc_messages = 'C'"
            );
        });
    }
    Ok(())
}

#[cfg(feature = "postgres")]
fn is_english(language: &str) -> bool {
    language == "C"
        || language == "POSIX"
        || language.starts_with("C.")
        || language.starts_with("en")
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    #[test]
    fn locales_of_english_texts_are_known() {
        for (locale, english) in [
            ("C", true),
            ("C.UTF-8", true),
            ("POSIX", true),
            ("en_US.UTF-8", true),
            ("en_GB", true),
            ("English_United States.1252", false),
            ("de_DE.UTF-8", false),
            ("", false),
            ("Catalan", false),
        ] {
            assert_eq!(super::is_english(locale), english, "{locale}");
        }
    }
}

#[cfg(feature = "mysql")]
pub(crate) fn mysql(
    mut conn: diesel::MysqlConnection,
    limits: Limits,
) -> Result<DbConn, ConnectError> {
    // `/*M!` is read by MariaDB only, `/*!80000` by MySQL only; they name the limit differently.
    let timeout = match limits {
        Limits::Requests => {
            "innodb_lock_wait_timeout = 2, lock_wait_timeout = 2, \
             /*M! max_statement_time = 5, */ /*!80000 max_execution_time = 5000, */"
        }
        Limits::Migrations => "lock_wait_timeout = 120,",
    };
    conn.batch_execute("SET NAMES utf8mb4")?;
    // Errors are known by their texts.
    conn.batch_execute("SET SESSION lc_messages = 'en_US'")?;
    conn.batch_execute(&format!(
        "SET SESSION {timeout} time_zone = '+00:00', \
         sql_mode = 'STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
         ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
    ))?;
    conn.batch_execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")?;
    Ok(DbConn::Mysql(conn))
}
