//! What can go wrong in a store, in one enum for three databases. The only place that reads the
//! databases' error texts, because diesel reports most of them as `Unknown`.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

/// Failure of a query, a transaction, or of getting a connection. Neither `Debug` nor `Display` holds a
/// value a user sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The row was not found.
    #[error("not found")]
    NotFound,
    /// A unique index was violated. Holds its name, `uq_<table>_<columns>` by convention; the primary key
    /// is whatever is not such a name (see [`StoreError::is_unique`]).
    #[error("unique index {0} violated")]
    Unique(String),
    /// A foreign key was violated.
    #[error("foreign key violated")]
    ForeignKey,
    /// A race was lost: deadlock, serialization failure, busy, or [`StoreError::or_again`]. Inside
    /// [`crate::Db::tx`] the whole closure is run again; outside, all its runs lost.
    #[error("lost a race with other transactions")]
    Conflict,
    /// The database cannot be reached or is stopping. Whether a commit under way was done is unknown.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// No connection became free in time, or a statement or the whole call took too long.
    #[error("database timeout: {0}")]
    Timeout(&'static str),
    /// A defect: bad SQL, a failed CHECK, a value that does not fit, a panic.
    #[error("database error: {0}")]
    Internal(String),
}

/// An error a transaction's closure may return: the retry decision is read from the [`StoreError`] in it.
pub trait TxError: From<StoreError> {
    /// The store's error, if this is one.
    fn store(&self) -> Option<&StoreError>;
}

impl TxError for StoreError {
    fn store(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl StoreError {
    /// Whether the unique index of that name was violated.
    #[must_use]
    pub fn is_unique(&self, index: &str) -> bool {
        matches!(self, Self::Unique(name) if name == index)
    }

    /// For an insert after an update that found no row: if another transaction inserted in between, the
    /// whole transaction is to run again.
    #[must_use]
    pub fn or_again(self) -> Self {
        match self {
            Self::Unique(_) => Self::Conflict,
            other => other,
        }
    }

    /// Whether the client should try later: `Conflict`, `Unavailable` or `Timeout`.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Conflict | Self::Unavailable(_) | Self::Timeout(_)
        )
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::NotFound => Self::NotFound,
            DieselError::DatabaseError(kind, info) => from_database(&kind, &*info),
            DieselError::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            DieselError::BrokenTransactionManager => {
                Self::Unavailable("connection lost in a transaction".to_owned())
            }
            other => Self::Internal(other.to_string()),
        }
    }
}

/// What an error does to the connection it happened on.
pub(crate) enum Effect {
    /// The connection is of no more use.
    Lost,
    /// The transaction may be gone.
    Raced,
    /// None beyond the statement.
    None,
}

pub(crate) fn effect_of(error: &DieselError) -> Effect {
    match error {
        DieselError::DatabaseError(kind, info) => match from_database(kind, &**info) {
            StoreError::Unavailable(_) => Effect::Lost,
            StoreError::Conflict => Effect::Raced,
            _ => Effect::None,
        },
        DieselError::RollbackErrorOnCommit { .. } | DieselError::BrokenTransactionManager => {
            Effect::Lost
        }
        _ => Effect::None,
    }
}

fn from_database(kind: &DatabaseErrorKind, info: &dyn DatabaseErrorInformation) -> StoreError {
    let message = info.message();
    match kind {
        DatabaseErrorKind::UniqueViolation => StoreError::Unique(unique_index(info)),
        DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::RestrictViolation => {
            StoreError::ForeignKey
        }
        DatabaseErrorKind::SerializationFailure => StoreError::Conflict,
        DatabaseErrorKind::ClosedConnection
        | DatabaseErrorKind::UnableToSendCommand
        // After a failover the old primary refuses writes: a new connection finds the new one.
        | DatabaseErrorKind::ReadOnlyTransaction => StoreError::Unavailable(one_line(message)),
        _ if contains_any(message, BUSY) => StoreError::Conflict,
        _ if contains_any(message, TOO_SLOW) => StoreError::Timeout("statement"),
        _ if contains_any(message, GONE) => StoreError::Unavailable(one_line(message)),
        _ if message.starts_with("Duplicate entry '") => StoreError::Unique(unique_index(info)),
        _ => StoreError::Internal(without_values(message)),
    }
}

/// Another transaction was in the way: run again.
const BUSY: &[&str] = &[
    // PostgreSQL 40P01, 40001
    "deadlock detected",
    "could not serialize access",
    // MySQL 1213, 1205; MariaDB 1020
    "Deadlock found when trying to get lock",
    "Lock wait timeout exceeded",
    "Record has changed since last read",
    // SQLITE_BUSY, SQLITE_LOCKED
    "database is locked",
    "database table is locked",
    "database schema is locked",
];

/// The statement ran into the limit set for its connection.
const TOO_SLOW: &[&str] = &[
    "canceling statement due to statement timeout",
    "canceling statement due to lock timeout",
    "max_statement_time exceeded",
    "The query exceeded",
    "maximum statement execution time exceeded",
];

/// The server, the connection or the file is gone, or the server refuses to work for now.
const GONE: &[&str] = &[
    // PostgreSQL
    "server closed the connection",
    "terminating connection",
    "no connection to the server",
    "connection not open",
    "could not receive data from server",
    "could not send data to server",
    "lost synchronization with server",
    "SSL connection has been closed",
    "SSL SYSCALL error",
    "SSL error",
    "the database system is",
    "remaining connection slots",
    "too many clients already",
    "too many connections for",
    // MySQL: its client and MariaDB's
    "erver has gone away",
    "Lost connection to",
    "Server shutdown in progress",
    "Connection was killed",
    "Commands out of sync",
    "alformed packet",
    "Too many connections",
    "--read-only option",
    "Can't connect to",
    // SQLite
    "disk I/O error",
    "database or disk is full",
    "unable to open database file",
    "attempt to write a readonly database",
];

fn contains_any(message: &str, texts: &[&str]) -> bool {
    texts.iter().any(|text| message.contains(text))
}

/// The violated index's name, the same on all three databases if the convention is kept.
fn unique_index(info: &dyn DatabaseErrorInformation) -> String {
    if let Some(name) = info.constraint_name() {
        return name.to_owned();
    }
    let message = info.message();
    // SQLite: `UNIQUE constraint failed: t.a, t.b` or `...: index 'name'` for an index on expressions.
    if let Some(rest) = message.strip_prefix("UNIQUE constraint failed: ") {
        if let Some(name) = rest.strip_prefix("index '") {
            return name.trim_end_matches('\'').to_owned();
        }
        let table = rest.split('.').next().unwrap_or_default();
        let columns = rest
            .split(", ")
            .filter_map(|column| column.split_once('.').map(|(_, name)| name));
        return unique_name(table, columns);
    }
    // MySQL: `Duplicate entry 'the user's value' for key 't.name'`; MariaDB without `t.`. The value comes
    // first, so whatever it contains, the last `for key` is the server's.
    message
        .rsplit_once("for key '")
        .map(|(_, key)| key.trim_end_matches('\''))
        .map(|key| key.rsplit_once('.').map_or(key, |(_, name)| name))
        .unwrap_or("unknown")
        .to_owned()
}

/// `uq_<table>_<columns>`, the name every unique index has.
pub(crate) fn unique_name<'a>(table: &str, columns: impl Iterator<Item = &'a str>) -> String {
    columns.fold(format!("uq_{table}"), |name, column| {
        format!("{name}_{column}")
    })
}

/// Cuts the value a user sent out of the messages known to repeat it.
fn without_values(message: &str) -> String {
    const REPEAT_A_VALUE: &[&str] = &[
        "Incorrect ",
        "Truncated incorrect ",
        "invalid input ",
        "invalid byte sequence",
        "date/time field value",
    ];
    let cut = REPEAT_A_VALUE
        .iter()
        .any(|start| message.starts_with(start));
    let text = if cut {
        message.split([':', '\'', '"']).next().unwrap_or_default()
    } else {
        message
    };
    one_line(text)
}

/// On one line, at most 300 characters: it goes into a log line.
pub(crate) fn one_line(message: &str) -> String {
    message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(message: &str) -> StoreError {
        map(DatabaseErrorKind::Unknown, message)
    }

    fn map(kind: DatabaseErrorKind, message: &str) -> StoreError {
        DieselError::DatabaseError(kind, Box::new(message.to_owned())).into()
    }

    #[test]
    fn races_outages_and_limits_are_told_apart() {
        for message in [
            "deadlock detected",
            "Deadlock found when trying to get lock; try restarting transaction",
            "Lock wait timeout exceeded; try restarting transaction",
            "database is locked",
        ] {
            assert_eq!(unknown(message), StoreError::Conflict);
        }
        for message in [
            "server closed the connection unexpectedly\n\tThis probably means",
            "terminating connection due to administrator command",
            "FATAL: the database system is starting up",
            "sorry, too many clients already",
            "MySQL server has gone away",
            "Server has gone away",
            "Lost connection to server during query",
            "Server shutdown in progress",
            "disk I/O error",
            "database or disk is full",
        ] {
            let error = unknown(message);
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        }
        for message in [
            "canceling statement due to statement timeout",
            "Query execution was interrupted (max_statement_time exceeded)",
        ] {
            assert_eq!(unknown(message), StoreError::Timeout("statement"));
        }
        let error = unknown("syntax error");
        assert_eq!(error, StoreError::Internal("syntax error".to_owned()));
    }

    #[test]
    fn unique_indexes_have_one_name() {
        for (message, name) in [
            ("UNIQUE constraint failed: t.a, t.b", "uq_t_a_b"),
            ("UNIQUE constraint failed: index 'uq_t_lower'", "uq_t_lower"),
            ("Duplicate entry 'x' for key 'uq_t_a'", "uq_t_a"),
            ("Duplicate entry 'x' for key 't.uq_t_a'", "uq_t_a"),
            (
                "Duplicate entry 'x' for key 'z'' for key 'uq_t_a'",
                "uq_t_a",
            ),
            ("Duplicate entry 'x' for key 'PRIMARY'", "PRIMARY"),
        ] {
            let error = map(DatabaseErrorKind::UniqueViolation, message);
            assert_eq!(error, StoreError::Unique(name.to_owned()), "{message}");
        }
        let error = unknown("Duplicate entry 'x' for key 'uq_t_a'");
        assert!(error.is_unique("uq_t_a"), "from a batch");
    }

    #[test]
    fn values_are_cut_out() {
        for message in [
            "Incorrect string value: 'secret' for column `d`.`t`.`a` at row 1",
            "invalid input syntax for type uuid: \"secret\"",
            "date/time field value out of range: \"secret\"",
        ] {
            let error = unknown(message);
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
