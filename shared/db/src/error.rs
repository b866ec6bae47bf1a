//! What can go wrong in a store, in one enum for three databases.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};
use ud_kernel::Code;

use crate::error_texts::Meaning;

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
    /// The database cannot be reached, is stopping, or lacks what it needs (disk, memory, connections). Whether a
    /// commit under way was done is unknown.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// No connection became free in time, or a statement or the whole call took too long.
    #[error("database timeout: {0}")]
    Timeout(&'static str),
    /// A defect: bad SQL, a failed CHECK, a value that does not fit, a panic.
    #[error("database error: {0}")]
    Internal(String),
}

/// Why no connection could be opened; for the log and for `StoreError::Unavailable`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConnectError(pub(crate) String);

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

    /// Returns the code of the problem document that a client gets.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Unavailable(_) | Self::Timeout(_) => Code::SERVER_STORE_UNAVAILABLE,
            Self::Conflict => Code::SERVER_BUSY,
            Self::NotFound | Self::Unique(_) | Self::ForeignKey | Self::Internal(_) => {
                Code::SERVER_INTERNAL
            }
        }
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
        DieselError::DatabaseError(kind, info) => match meaning_of(kind, info.message()) {
            Meaning::Gone => Effect::Lost,
            Meaning::Raced => Effect::Raced,
            Meaning::TooSlow | Meaning::Short | Meaning::Other => Effect::None,
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
        DatabaseErrorKind::UniqueViolation => return StoreError::Unique(unique_index(info)),
        DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::RestrictViolation => {
            return StoreError::ForeignKey;
        }
        _ => {}
    }
    match meaning_of(kind, message) {
        Meaning::Raced => StoreError::Conflict,
        Meaning::TooSlow => StoreError::Timeout("statement"),
        Meaning::Gone | Meaning::Short => StoreError::Unavailable(one_line(message)),
        Meaning::Other if message.starts_with("Duplicate entry '") => {
            StoreError::Unique(unique_index(info))
        }
        Meaning::Other => StoreError::Internal(without_values(message)),
    }
}

fn meaning_of(kind: &DatabaseErrorKind, message: &str) -> Meaning {
    match kind {
        DatabaseErrorKind::SerializationFailure => Meaning::Raced,
        DatabaseErrorKind::ClosedConnection
        | DatabaseErrorKind::UnableToSendCommand
        // After a failover the old primary refuses writes: a new connection finds the new one.
        | DatabaseErrorKind::ReadOnlyTransaction => Meaning::Gone,
        DatabaseErrorKind::UniqueViolation
        | DatabaseErrorKind::ForeignKeyViolation
        | DatabaseErrorKind::RestrictViolation
        | DatabaseErrorKind::NotNullViolation
        | DatabaseErrorKind::CheckViolation
        | DatabaseErrorKind::ExclusionViolation => Meaning::Other,
        _ if repeats_a_value(message) => Meaning::Other,
        _ => Meaning::of(message),
    }
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

/// Whether it is one of the messages known to repeat a value a user sent: they are read no further.
fn repeats_a_value(message: &str) -> bool {
    const REPEAT_A_VALUE: &[&str] = &[
        "Duplicate entry '",
        "Incorrect ",
        "Truncated incorrect ",
        "invalid input ",
        "invalid byte sequence",
        "date/time field value",
    ];
    // What follows is the name of a file, not a value.
    !message.starts_with("Incorrect key file for table")
        && REPEAT_A_VALUE
            .iter()
            .any(|start| message.starts_with(start))
}

/// Cuts the value a user sent out of the messages known to repeat it.
fn without_values(message: &str) -> String {
    let text = if repeats_a_value(message) {
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
    fn no_value_a_user_sent_decides_what_an_error_means() {
        for value in [
            "database is locked",
            "No space left on device",
            "disk I/O error",
        ] {
            let duplicate = format!("Duplicate entry '{value}' for key 'uq_t_a'");
            assert!(unknown(&duplicate).is_unique("uq_t_a"), "{value}");
            for message in [
                format!("Incorrect string value: '{value}' for column `t`.`a` at row 1"),
                format!("invalid input syntax for type uuid: \"{value}\""),
            ] {
                let error = unknown(&message);
                assert!(matches!(error, StoreError::Internal(_)), "{error:?}");
            }
            let check = map(DatabaseErrorKind::CheckViolation, value);
            assert!(matches!(check, StoreError::Internal(_)), "{check:?}");
        }
        let error = unknown("syntax error");
        assert_eq!(error, StoreError::Internal("syntax error".to_owned()));
        let error = unknown("Incorrect key file for table 'things'; try to repair it");
        assert!(
            matches!(error, StoreError::Unavailable(_)),
            "no value: {error:?}"
        );
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
