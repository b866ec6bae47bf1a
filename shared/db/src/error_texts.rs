//! What the databases' error texts mean. The only place that reads them: of most errors diesel reports neither
//! SQLSTATE nor number, only the text. So sessions ask for English texts where they may (`lc_messages`).

/// What an error that diesel reports as `Unknown` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Another transaction was in the way: run again.
    Raced,
    /// The statement ran into the limit set for its connection, or was cancelled.
    TooSlow,
    /// The server or the connection is gone, or the server refuses to work for now: a new connection may find a
    /// better one.
    Gone,
    /// The server lacks what it needs: room on a disk, memory, locks, a readable file. The connection is good.
    Short,
    /// Anything else: a defect.
    Other,
}

impl Meaning {
    pub(crate) fn of(message: &str) -> Self {
        let has = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
        if has(BUSY) {
            Self::Raced
        } else if has(TOO_SLOW) {
            Self::TooSlow
        } else if has(GONE) {
            Self::Gone
        } else if has(SHORT) || is_file_error(message) {
            Self::Short
        } else {
            Self::Other
        }
    }
}

const BUSY: &[&str] = &[
    // PostgreSQL 40P01, 40001, 55P03
    "deadlock detected",
    "could not serialize access",
    "could not obtain lock on",
    // MySQL 1213, 1205; MariaDB 1020
    "Deadlock found when trying to get lock",
    "Lock wait timeout exceeded",
    "Record has changed since last read",
    // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL
    "database is locked",
    "database table is locked",
    "database schema is locked",
    "locking protocol",
];

const TOO_SLOW: &[&str] = &[
    // PostgreSQL 57014, 55P03
    "canceling statement due to",
    // MySQL 1317, 3024; MariaDB 1931, 1969, 1028
    "Query execution was interrupted",
    "Sort aborted",
];

const GONE: &[&str] = &[
    // libpq, PostgreSQL 57P01 to 57P05, 25006, 53300 at connecting
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
    "is not currently accepting connections",
    "remaining connection slots",
    "too many clients already",
    "too many connections for",
    "in a read-only transaction",
    "during recovery",
    // MySQL: its client, MariaDB's, 1040, 1047, 1053, 1152, 1203, 1226, 1290, 1792, 1836, 1874, 1927
    "erver has gone away",
    "Lost connection to",
    "Server shutdown in progress",
    "Connection was killed",
    "Aborted connection",
    "Commands out of sync",
    "alformed packet",
    "Too many connections",
    "active connections",
    "has exceeded the",
    "WSREP has not yet prepared node",
    "option so it cannot execute this statement",
    "in a READ ONLY transaction",
    "Running in read-only mode",
    "InnoDB is in read only mode",
    "Can't connect to",
    // SQLITE_READONLY, SQLITE_CANTOPEN: the file was replaced or moved away
    "unable to open database file",
    "attempt to write a readonly database",
];

const SHORT: &[&str] = &[
    // What operating systems say (PostgreSQL, MySQL and MariaDB repeat it): ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE,
    // ENOMEM, EIO, EROFS
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "Too many open files",
    "Cannot allocate memory",
    "Input/output error",
    "Read-only file system",
    // PostgreSQL class 53; 58P01, 58030 by `is_file_error`; XX001, XX002
    "out of memory",
    "out of shared memory",
    "memory exhausted",
    "insufficient file descriptors",
    "temporary file size exceeds",
    "too many dynamic shared memory segments",
    "maximum number of prepared transactions",
    "invalid page in block",
    "contains unexpected zero page",
    // MySQL and MariaDB 1004, 1016, 1017, 1021, 1023, 1024, 1026, 1030, 1034 to 1038, 1041, 1114, 1135, 1180, 1206,
    // 1637, 1712, 1812, 1877, 1932, and those of its file layer
    "Disk full",
    "Disk is full",
    "Can't create file",
    "Can't create/write to file",
    "Can't open file",
    "Can't find file",
    "Error on close of",
    "Error reading file",
    "Error writing file",
    "from storage engine",
    "is corrupt",
    "ncorrect key file for table",
    "Old key file for table",
    "' is read only",
    "Out of memory",
    "Out of sort memory",
    "Out of resources",
    "' is full",
    "Can't create a new thread",
    "during COMMIT",
    "The total number of locks exceeds the lock table size",
    "Too many active concurrent transactions",
    "Tablespace is missing for table",
    "is missing, corrupt or contains bad data",
    "doesn't exist in engine",
    // SQLITE_FULL, SQLITE_IOERR, SQLITE_NOMEM ("out of memory" above), SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_PERM.
    // A damaged file is no defect of the caller's either, and an event is not to be parked for it.
    "database or disk is full",
    "disk I/O error",
    "database disk image is malformed",
    "file is not a database",
    "access permission denied",
];

/// PostgreSQL's errors of files (53100, 58030, 58P01, 58P02): `could not <verb> <what> "<name>": <reason>`.
fn is_file_error(message: &str) -> bool {
    message.strip_prefix("could not ").is_some_and(|rest| {
        [" file", " block", " directory", " segment", " log"]
            .iter()
            .any(|what| rest.contains(what))
    })
}

/// Texts of servers that answer and do not want this user, password, database or way to connect: waiting alone does not
/// help. They mean that only where a connection is opened: a statement's `relation "x" does not exist` is another matter.
const REFUSED: &[&str] = &[
    // PostgreSQL, libpq
    "authentication failed for user",
    "no pg_hba.conf entry",
    "pg_hba.conf rejects",
    "no password supplied",
    "\" does not exist",
    "is not permitted to log in",
    "permission denied for database",
    "but SSL was required",
    "invalid response to SSL negotiation",
    "expected authentication request from server",
    "private key file",
    // PgBouncer
    "no such user",
    "no such database",
    // MySQL, MariaDB and their clients: 1045, 1049, 1129, 1130, 1251, 1862, 2026, 2059, 3159, 4151
    "Access denied",
    "Unknown database",
    "is not allowed to connect",
    "is blocked because of",
    "authentication protocol",
    "Authentication plugin",
    "Your password has expired",
    "insecure transport",
    "SSL is required, but the server does not support it",
    // Both: the server's is not to be trusted, or ours is missing or refused
    "certificate",
];

/// Returns whether this failure to connect is one of [`REFUSED`].
pub(crate) fn refuses_us(message: &str) -> bool {
    REFUSED.iter().any(|text| message.contains(text))
}

/// SQLITE_NOTADB, SQLITE_CORRUPT, and a format of no version.
const DAMAGE: &[&str] = &[
    "file is not a database",
    "malformed",
    "unsupported file format",
];

/// Returns whether SQLite says that the file itself is broken, or none of its own. Of anything else it may be good.
pub(crate) fn is_damage(message: &str) -> bool {
    DAMAGE.iter().any(|text| message.contains(text))
}

/// Returns whether the system lacks room, memory or descriptors for a file, which may pass.
pub(crate) fn is_shortage(error: &std::io::Error) -> bool {
    error.raw_os_error().is_some()
        && error.kind() != std::io::ErrorKind::ReadOnlyFilesystem
        && Meaning::of(&error.to_string()) == Meaning::Short
}

#[cfg(test)]
#[path = "error_texts_tests.rs"]
mod tests;
