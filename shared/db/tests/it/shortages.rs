//! A server that lacks room, memory, connections or a readable file is unavailable: nothing is a defect by it.

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use rstest::rstest;
use ud_db::{Backend, Db, DbConn, StoreError};

use crate::{
    servers::{Fresh, admin},
    store,
    transactions::{thing, with_things},
};

/// What a trigger is to raise: SQLSTATE or number, and the text that comes with it.
type Raised = (&'static str, &'static str);

/// Classes 53, 57P and 58 of PostgreSQL, and what else says that the server cannot work now.
const POSTGRES: &[Raised] = &[
    (
        "53000",
        "could not open file \"base/1/2\": Too many open files in system",
    ),
    ("53000", "too many dynamic shared memory segments"),
    (
        "53100",
        "could not extend file \"base/1/2\": No space left on device",
    ),
    (
        "53100",
        "could not extend file \"base/1/2\": wrote only 4096 of 8192 bytes at block 7",
    ),
    (
        "53100",
        "could not write to file \"base/pgsql_tmp/1\": Disk quota exceeded",
    ),
    ("53200", "out of memory"),
    ("53200", "out of shared memory"),
    (
        "53200",
        "could not resize shared memory segment \"/x\" to 8 bytes: No space left on device",
    ),
    ("53300", "sorry, too many clients already"),
    (
        "53300",
        "remaining connection slots are reserved for superuser connections",
    ),
    ("53300", "too many connections for role \"role\""),
    ("53300", "too many connections for database \"role\""),
    (
        "53400",
        "temporary file size exceeds temp_file_limit (64kB)",
    ),
    (
        "57P01",
        "terminating connection due to administrator command",
    ),
    (
        "57P02",
        "terminating connection because of crash of another server process",
    ),
    ("57P03", "the database system is starting up"),
    (
        "57P03",
        "the database system is not yet accepting connections",
    ),
    (
        "57P04",
        "terminating connection due to conflict with recovery",
    ),
    (
        "57P05",
        "terminating connection due to idle-session timeout",
    ),
    (
        "58000",
        "could not fsync file \"base/1/2\": Input/output error",
    ),
    (
        "58030",
        "could not read block 7 in file \"base/1/2\": Input/output error",
    ),
    (
        "58030",
        "could not write block 7 of temporary file: Input/output error",
    ),
    (
        "58P01",
        "could not open file \"base/1/2\": No such file or directory",
    ),
    ("58P02", "could not create file \"base/1/2\": File exists"),
    ("25006", "cannot execute INSERT in a read-only transaction"),
    ("25006", "cannot execute INSERT during recovery"),
    ("XX001", "invalid page in block 7 of relation base/1/2"),
    (
        "XX001",
        "could not read block 7 in file \"base/1/2\": read only 0 of 8192 bytes",
    ),
];

const MYSQL: &[Raised] = &[
    (
        "1004",
        "Can't create file './x/y' (errno: 28 \"No space left on device\")",
    ),
    (
        "1016",
        "Can't open file: 'things' (errno: 24 \"Too many open files\")",
    ),
    (
        "1021",
        "Disk full (/tmp/x); waiting for someone to free some space...",
    ),
    (
        "1024",
        "Error reading file './x/y' (errno: 5 \"Input/output error\")",
    ),
    (
        "1026",
        "Error writing file './x/y' (errno: 28 \"No space left on device\")",
    ),
    (
        "1030",
        "Got error 28 \"No space left on device\" from storage engine InnoDB",
    ),
    (
        "1030",
        "Got error 168 \"Unknown (generic) error from engine\" from storage engine InnoDB",
    ),
    (
        "1034",
        "Index for table 'things' is corrupt; try to repair it",
    ),
    ("1036", "Table 'things' is read only"),
    (
        "1037",
        "Out of memory; restart server and try again (needed 8 bytes)",
    ),
    (
        "1038",
        "Out of sort memory, consider increasing server sort buffer size",
    ),
    ("1040", "Too many connections"),
    ("1041", "Out of memory."),
    (
        "1047",
        "WSREP has not yet prepared node for application use",
    ),
    ("1053", "Server shutdown in progress"),
    ("1114", "The table 'things' is full"),
    (
        "1135",
        "Can't create a new thread (errno 11); if you are not out of available memory",
    ),
    ("1180", "Got error 28 during COMMIT"),
    (
        "1203",
        "User role already has more than 'max_user_connections' active connections",
    ),
    (
        "1206",
        "The total number of locks exceeds the lock table size",
    ),
    (
        "1226",
        "User 'role' has exceeded the 'max_updates_per_hour' resource (current value: 1)",
    ),
    (
        "1290",
        "The MariaDB server is running with the --read-only option so it cannot execute this statement",
    ),
    ("1637", "Too many active concurrent transactions"),
    (
        "1792",
        "Cannot execute statement in a READ ONLY transaction",
    ),
    ("1836", "Running in read-only mode"),
    ("1927", "Connection was killed"),
    ("1932", "Table 'd.things' doesn't exist in engine"),
];

/// `things` with a trigger that raises what the name of a new row says.
async fn raising(backend: Backend) -> (Fresh, Db) {
    let fresh = Fresh::new(backend);
    let db = with_things(&fresh, &["there"]).await;
    let statements: &[&str] = match backend {
        Backend::Postgres => &[
            "CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.name LIKE '%|%' THEN \
             RAISE EXCEPTION USING ERRCODE = split_part(NEW.name, '|', 1), \
             MESSAGE = split_part(NEW.name, '|', 2); END IF; RETURN NEW; END $$",
            "CREATE TRIGGER raise BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION raise()",
        ],
        _ => &[
            "CREATE TRIGGER raised BEFORE INSERT ON things FOR EACH ROW \
             BEGIN DECLARE number INT; DECLARE text VARCHAR(128); \
             IF NEW.name LIKE '%|%' THEN \
             SET number = SUBSTRING_INDEX(NEW.name, '|', 1); \
             SET text = SUBSTRING_INDEX(NEW.name, '|', -1); \
             SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = number, MESSAGE_TEXT = text; \
             END IF; END",
        ],
    };
    for statement in statements {
        admin(backend, &fresh.url, statement);
    }
    (fresh, db)
}

#[rstest]
#[tokio::test]
async fn what_a_server_lacks_makes_it_unavailable(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (_fresh, db) = raising(backend).await;
    let all = if backend == Backend::Postgres {
        POSTGRES
    } else {
        MYSQL
    };
    for (code, message) in all {
        let insert = move |conn: &mut DbConn| {
            store::insert(conn, &thing("before"))?;
            store::insert(conn, &thing(&format!("{code}|{message}")))
        };
        let error = db.tx(insert).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Unavailable(_)) && error.is_temporary(),
            "{code}: {error:?}"
        );
        let kept = db.read(|conn| store::count(conn, "before")).await;
        assert_eq!(
            kept,
            Err(StoreError::NotFound),
            "{code}: nothing is half done"
        );
    }
    // What is no shortage stays a defect.
    let defect = if backend == Backend::Postgres {
        "42P01|relation \"thing\" does not exist"
    } else {
        "1146|Table 'd.thing' doesn't exist"
    };
    let insert = move |conn: &mut DbConn| store::insert(conn, &thing(defect));
    let error = db.tx(insert).await.unwrap_err();
    assert!(matches!(error, StoreError::Internal(_)), "{error:?}");
}

/// The server's own errors, not raised ones.
#[tokio::test]
async fn servers_that_really_run_out_are_unavailable() {
    // 53400: what is to be sorted is more than may be kept in files.
    let fresh = Fresh::new(Backend::Postgres);
    let db = fresh.db();
    let error = db
        .tx(|conn| {
            conn.batch_execute("SET LOCAL temp_file_limit = 64; SET LOCAL work_mem = 64")?;
            let sort = "SELECT n, md5(n::text) FROM generate_series(1, 100000) AS n ORDER BY 2";
            Ok::<_, StoreError>(sql_query(sort).execute(conn)?)
        })
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");

    // 1114.
    let fresh = Fresh::new(Backend::Mysql);
    let db = fresh.db();
    let error = db
        .tx(|conn| {
            conn.batch_execute("SET max_heap_table_size = 16384")?;
            conn.batch_execute("CREATE TABLE small (t CHAR(200)) ENGINE = MEMORY")?;
            let fill = "INSERT INTO small SELECT 'x' FROM seq_1_to_10000";
            Ok::<_, StoreError>(sql_query(fill).execute(conn)?)
        })
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_file_that_may_not_grow_is_unavailable_and_grows_later() {
    let fresh = Fresh::new(Backend::Sqlite);
    let db = with_things(&fresh, &["there"]).await;
    let fill = |limit: &'static str| {
        db.tx(move |conn| {
            conn.batch_execute(limit)?;
            for n in 0..500 {
                store::insert(conn, &thing(&format!("{n:090}")))?;
            }
            Ok::<_, StoreError>(())
        })
    };
    let error = fill("PRAGMA max_page_count = 1").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(db.read(|conn| store::count(conn, "there")).await, Ok(0));
    fill("PRAGMA max_page_count = 1000000").await.unwrap();
}

/// A file damaged or replaced while it is served: the request is not to blame, and no event is to be parked for it.
#[rstest]
#[case::rubbish(&[7_u8; 100_000])]
#[case::another_kind_of_file(b"SQLite format 3, no: text")]
#[tokio::test]
async fn a_file_that_is_no_database_is_unavailable(#[case] content: &'static [u8]) {
    let fresh = Fresh::new(Backend::Sqlite);
    let path = fresh.url.strip_prefix("sqlite:").unwrap();
    std::fs::write(path, content).unwrap();
    let error = fresh
        .db()
        .read(|conn| store::count(conn, "there"))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

/// The texts come in English whatever the server's default.
#[tokio::test]
async fn mysql_is_asked_for_english() {
    let fresh = Fresh::new(Backend::Mysql);
    admin(
        Backend::Mysql,
        &fresh.url,
        "SET GLOBAL lc_messages = 'de_DE'",
    );
    let error = fresh
        .db()
        .read(|conn| Ok::<_, StoreError>(sql_query("SELECT * FROM nothing").execute(conn)?))
        .await
        .unwrap_err();
    admin(
        Backend::Mysql,
        &fresh.url,
        "SET GLOBAL lc_messages = 'en_US'",
    );
    let StoreError::Internal(text) = error else {
        panic!("{error:?}");
    };
    assert!(text.contains("doesn't exist"), "{text}");
}
