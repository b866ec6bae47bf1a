//! Messages as the servers and their clients print them: PostgreSQL 15 and libpq (the `errmsg` calls of src/backend and
//! src/interfaces/libpq), PgBouncer, MariaDB 10.11 (share/english/errmsg.sys) and libmariadb, MySQL 8 (errmsg-utf8.txt),
//! SQLite (`sqlite3ErrStr`).

use super::*;

const RACED: &[&str] = &[
    "deadlock detected",
    "could not serialize access due to concurrent update",
    "could not serialize access due to read/write dependencies among transactions",
    "could not obtain lock on row in relation \"outbox\"",
    "Deadlock found when trying to get lock; try restarting transaction",
    "Lock wait timeout exceeded; try restarting transaction",
    "Record has changed since last read in table 'things'; try restarting transaction",
    "database is locked",
    "database table is locked: things",
    "database schema is locked: main",
    "locking protocol",
];

const SLOW: &[&str] = &[
    "canceling statement due to statement timeout",
    "canceling statement due to lock timeout",
    "canceling statement due to user request",
    "Query execution was interrupted",
    "Query execution was interrupted (max_statement_time exceeded)",
    "Query execution was interrupted. The query exceeded LIMIT ROWS EXAMINED 10. The query result may be incomplete",
    "Query execution was interrupted, maximum statement execution time exceeded",
    "Sort aborted",
];

const LOST: &[&str] = &[
    "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally",
    "terminating connection due to administrator command",
    "terminating connection because of crash of another server process",
    "no connection to the server",
    "connection not open",
    "could not receive data from server: Connection reset by peer",
    "could not send data to server: Broken pipe",
    "lost synchronization with server: got message type \"Z\", length 5",
    "SSL connection has been closed unexpectedly",
    "SSL SYSCALL error: EOF detected",
    "SSL error: decryption failed or bad record mac",
    "FATAL:  the database system is starting up",
    "the database system is in recovery mode",
    "database \"role\" is not currently accepting connections",
    "remaining connection slots are reserved for non-replication superuser connections",
    "sorry, too many clients already",
    "too many connections for role \"role\"",
    "cannot execute INSERT in a read-only transaction",
    "cannot execute INSERT during recovery",
    "MySQL server has gone away",
    "Server has gone away",
    "Lost connection to server during query",
    "Lost connection to server at 'handshake: reading initial communication packet', system error: 104",
    "Server shutdown in progress",
    "Connection was killed",
    "Aborted connection 12 to db: 'role' user: 'role' host: '10.0.0.7' (Got an error reading communication packets)",
    "Commands out of sync; you can't run this command now",
    "Received malformed packet",
    "Malformed packet",
    "Too many connections",
    "User role already has more than 'max_user_connections' active connections",
    "User 'role' has exceeded the 'max_updates_per_hour' resource (current value: 1)",
    "WSREP has not yet prepared node for application use",
    "The MariaDB server is running with the --read-only option so it cannot execute this statement",
    "Cannot execute statement in a READ ONLY transaction",
    "Running in read-only mode",
    "InnoDB is in read only mode",
    "Can't connect to server on '127.0.0.1' (111)",
    "unable to open database file",
    "attempt to write a readonly database",
];

const LACKS: &[&str] = &[
    "could not extend file \"base/16384/16400\": wrote only 4096 of 8192 bytes at block 7",
    "could not write block 7 of temporary file: wrote only 4096 of 8192 bytes",
    "could not resize shared memory segment \"/PostgreSQL.1\" to 8388608 bytes: No space left on device",
    "out of memory",
    "out of shared memory",
    "memory exhausted at or near \"x\"",
    "insufficient file descriptors available to start server process",
    "temporary file size exceeds temp_file_limit (64kB)",
    "too many dynamic shared memory segments",
    "maximum number of prepared transactions reached",
    "invalid page in block 7 of relation base/16384/16400",
    "index \"uq_things_name\" contains unexpected zero page at block 3",
    "Can't create file './x/y' (errno: 13 \"Permission denied\")",
    "Can't create/write to file '/tmp/MYx' (Errcode: 13 \"Permission denied\")",
    "Can't open file: 'things.ibd' (errno: 13 \"Permission denied\")",
    "Can't find file: './d/things.frm' (errno: 2 \"No such file or directory\")",
    "Disk full (/tmp/MYx); waiting for someone to free some space... (errno: 28)",
    "Disk is full writing './binlog.000001' (Errcode: 28). Waiting for someone to free space...",
    "Error on close of './d/things.MYI' (errno: 9 \"Bad file descriptor\")",
    "Error reading file './d/things.MYI' (errno: 9 \"Bad file descriptor\")",
    "Error writing file '/tmp/MYx' (errno: 9 \"Bad file descriptor\")",
    "Got error 28 \"No space left on device\" from storage engine InnoDB",
    "Got error 168 \"Unknown (generic) error from engine\" from storage engine InnoDB",
    "Index for table 'things' is corrupt; try to repair it",
    "Index uq_things_name is corrupted",
    "Incorrect key file for table 'things'; try to repair it",
    "Old key file for table 'things'; repair it!",
    "Table 'things' is read only",
    "Out of memory; restart server and try again (needed 8 bytes)",
    "Out of sort memory, consider increasing server sort buffer size",
    "Out of resources when opening file './d/things.MYD' (Errcode: 24)",
    "The table 'things' is full",
    "Can't create a new thread (errno 11 \"Resource temporarily unavailable\"); if you are not out of available memory, \
     you can consult the manual for a possible OS-dependent bug",
    "Got error 6 \"No such device or address\" during COMMIT",
    "The total number of locks exceeds the lock table size",
    "Too many active concurrent transactions",
    "Tablespace is missing for table 'd/things'",
    "Operation cannot be performed. The table 'd.things' is missing, corrupt or contains bad data",
    "Table 'd.things' doesn't exist in engine",
    "database or disk is full",
    "disk I/O error",
    "database disk image is malformed",
    "file is not a database",
    "access permission denied",
];

const DEFECT: &[&str] = &[
    "syntax error at or near \"SELEC\"",
    "could not determine data type of parameter $1",
    "could not find array type for data type uuid[]",
    "could not open relation with OID 16400",
    "relation \"things\" does not exist",
    "permission denied for table things",
    "Table 'd.things' doesn't exist",
    "Unknown column 'x' in 'field list'",
    "Data too long for column 'a' at row 1",
    "no such table: things",
    "near \"SELEC\": syntax error",
];

/// The operating system's messages (Linux's errno, libc's words): ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE, ENOMEM, EIO, EROFS.
fn of_the_system() -> Vec<String> {
    let error = |number| std::io::Error::from_raw_os_error(number).to_string();
    [28, 122, 27, 24, 23, 12, 5, 30].map(error).into()
}

#[test]
fn every_message_has_its_meaning() {
    for (meaning, messages) in [
        (Meaning::Raced, RACED),
        (Meaning::TooSlow, SLOW),
        (Meaning::Gone, LOST),
        (Meaning::Short, LACKS),
        (Meaning::Other, DEFECT),
    ] {
        for message in messages {
            assert_eq!(Meaning::of(message), meaning, "{message}");
        }
    }
    for message in of_the_system() {
        assert_eq!(Meaning::of(&message), Meaning::Short, "{message}");
    }
}

/// Each text alone tells at least one of the messages: none can be lost or misspelt unseen.
#[test]
fn every_text_is_needed() {
    let system = of_the_system();
    let lacks: Vec<&str> = LACKS
        .iter()
        .copied()
        .chain(system.iter().map(String::as_str))
        .collect();
    let all = [
        (BUSY, RACED),
        (TOO_SLOW, SLOW),
        (GONE, LOST),
        (SHORT, &lacks),
    ];
    let others = |message: &str| {
        let texts = all.iter().flat_map(|(texts, _)| texts.iter());
        texts.filter(|text| message.contains(**text)).count() - 1
    };
    for (texts, messages) in all {
        for text in texts {
            let needs_it = |message: &&str| {
                message.contains(text) && others(message) == 0 && !is_file_error(message)
            };
            assert!(messages.iter().any(needs_it), "{text}");
        }
    }
    for text in REFUSED {
        let needs_it = |message: &&str| {
            message.contains(text) && REFUSED.iter().filter(|t| message.contains(**t)).count() == 1
        };
        assert!(REFUSALS.iter().any(needs_it), "{text}");
    }
}

const REFUSALS: &[&str] = &[
    "FATAL:  password authentication failed for user \"role\"",
    "FATAL:  Peer authentication failed for user \"role\"",
    "FATAL:  no pg_hba.conf entry for host \"10.0.0.7\", user \"role\", database \"role\", no encryption",
    "FATAL:  pg_hba.conf rejects connection for host \"10.0.0.7\", user \"role\", database \"role\", no encryption",
    "fe_sendauth: no password supplied",
    "FATAL:  database \"role\" does not exist",
    "FATAL:  role \"role\" does not exist",
    "FATAL:  role \"role\" is not permitted to log in",
    "FATAL:  permission denied for database \"role\"",
    "server does not support SSL, but SSL was required",
    "received invalid response to SSL negotiation: H",
    "expected authentication request from server, but received H",
    "could not load private key file \"/etc/role.key\": key values mismatch",
    "FATAL:  no such user: role",
    "FATAL:  no such database: role",
    "SSL error: certificate verify failed",
    "server certificate for \"db1\" does not match host name \"db\"",
    "Access denied for user 'role'@'10.0.0.7' (using password: YES)",
    "Access denied, this account is locked",
    "Unknown database 'role'",
    "Host '10.0.0.7' is not allowed to connect to this MariaDB server",
    "Host '10.0.0.7' is blocked because of many connection errors; unblock with 'mariadb-admin flush-hosts'",
    "Client does not support authentication protocol requested by server; consider upgrading MariaDB client",
    "Authentication plugin 'caching_sha2_password' cannot be loaded: cannot open shared object file",
    "Your password has expired. To log in you must change it using a client that supports expired passwords",
    "Connections using insecure transport are prohibited while --require_secure_transport=ON.",
    "TLS/SSL error: SSL is required, but the server does not support it",
    "TLS/SSL error: Validation of SSL server certificate failed",
];

#[test]
fn a_server_that_does_not_want_us_is_told_from_one_that_is_away() {
    for message in REFUSALS {
        assert!(refuses_us(message), "{message}");
    }
    for message in [
        "connection to server at \"127.0.0.1\", port 5432 failed: Connection refused",
        "connection to server at \"127.0.0.1\", port 5432 failed: timeout expired",
        "could not translate host name \"db\" to address: Temporary failure in name resolution",
        "no answer within 2 seconds",
        "Connection refused (os error 111)",
    ]
    .iter()
    .chain(LOST)
    .chain(LACKS)
    {
        assert!(!refuses_us(message), "{message}");
    }
}

#[test]
fn what_fails_in_a_migration_is_no_refusal_and_what_goes_away_is_no_failure() {
    use crate::{DbError, StoreError, error::ConnectError};
    let failed = |text: &str| {
        let name = "2026-01-01-000000_things";
        DbError::of_text(format!("Failed to run {name} with: {text}"))
    };
    for text in DEFECT {
        let error = failed(text);
        assert!(matches!(error, DbError::Migration(_)), "{error:?}");
        assert!(!error.is_temporary() && !error.is_configuration(), "{text}");
    }
    for text in LOST.iter().chain(LACKS) {
        let error = failed(text);
        assert!(
            matches!(error, DbError::Store(StoreError::Unavailable(_))) && error.is_temporary(),
            "{error:?}"
        );
    }
    for text in REFUSALS {
        let error = DbError::from(ConnectError((*text).to_owned()));
        assert!(
            matches!(error, DbError::Refused(_)) && error.is_temporary(),
            "{error:?}"
        );
        assert!(!error.is_configuration(), "it is waited for");
    }
    let error = DbError::from(ConnectError("timeout expired".to_owned()));
    assert!(
        matches!(error, DbError::Store(StoreError::Unavailable(_))),
        "{error:?}"
    );
}

#[test]
fn a_shortage_is_no_damage_and_no_configuration() {
    for (text, is_one) in [
        ("file is not a database", true),
        ("database disk image is malformed", true),
        ("malformed database schema (things)", true),
        ("unsupported file format", true),
        ("disk I/O error", false),
        ("database is locked", false),
        ("unable to open database file", false),
        ("attempt to write a readonly database", false),
        ("database or disk is full", false),
        ("out of memory", false),
    ] {
        assert_eq!(is_damage(text), is_one, "{text}");
    }
    // ENOSPC, EMFILE, ENOMEM, EIO; EACCES, EISDIR, EROFS.
    for (number, is_configuration) in [
        (28, false),
        (24, false),
        (12, false),
        (5, false),
        (13, true),
        (21, true),
        (30, true),
    ] {
        let error = crate::DbError::File {
            path: "a.db".into(),
            source: std::io::Error::from_raw_os_error(number),
        };
        assert_eq!(error.is_configuration(), is_configuration, "{error}");
    }
    let error = crate::DbError::File {
        path: "a.db".into(),
        source: std::io::Error::other("file is not a database"),
    };
    assert!(
        error.is_configuration(),
        "somebody has to put a good one there"
    );
}
