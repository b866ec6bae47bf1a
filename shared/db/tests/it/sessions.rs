//! What a fresh connection is set to, and what a file looks like from outside.

use std::os::unix::fs::PermissionsExt as _;

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};
use rstest::rstest;
use ud_db::{Backend, Db, DbError, StoreError};
use ud_kernel::{Service, Timestamp, UserId};

use crate::{
    servers::{Fresh, options},
    store::{self, MIGRATIONS},
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    value: String,
}

async fn ask(db: &Db, query: &'static str) -> String {
    db.read(move |conn| Ok::<_, StoreError>(sql_query(query).get_result::<Row>(conn)?.value))
        .await
        .unwrap()
}

#[rstest]
#[tokio::test]
async fn sessions_are_set_up(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = fresh.db();
    let expected: &[(&str, &str)] = match backend {
        Backend::Sqlite => &[
            (
                "SELECT journal_mode AS value FROM pragma_journal_mode",
                "wal",
            ),
            (
                "SELECT CAST(synchronous AS TEXT) AS value FROM pragma_synchronous",
                "2",
            ),
            (
                "SELECT CAST(foreign_keys AS TEXT) AS value FROM pragma_foreign_keys",
                "1",
            ),
            (
                "SELECT CAST(timeout AS TEXT) AS value FROM pragma_busy_timeout",
                "2000",
            ),
        ],
        Backend::Postgres => &[
            ("SELECT current_setting('timezone') AS value", "UTC"),
            (
                "SELECT current_setting('transaction_isolation') AS value",
                "read committed",
            ),
            ("SELECT current_setting('statement_timeout') AS value", "5s"),
        ],
        Backend::Mysql => &[
            (
                "SELECT CAST(@@session.time_zone AS CHAR) AS value",
                "+00:00",
            ),
            (
                "SELECT CAST(@@session.tx_isolation AS CHAR) AS value",
                "READ-COMMITTED",
            ),
            (
                "SELECT CAST(@@session.character_set_client AS CHAR) AS value",
                "utf8mb4",
            ),
            (
                "SELECT CAST(@@session.sql_mode LIKE '%STRICT_ALL_TABLES%' AS CHAR) AS value",
                "1",
            ),
            (
                "SELECT CAST(@@session.max_statement_time AS CHAR) AS value",
                "5.000000",
            ),
        ],
    };
    for (query, value) in expected {
        assert_eq!(ask(&db, query).await, *value, "{query}");
    }
}

#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file:odd name.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let db = Db::open(
        &options(&format!("sqlite:{}", path.display())),
        Service::Auth,
    )
    .unwrap();
    db.migrate(&[&MIGRATIONS]).await.unwrap();
    let at = Timestamp::from_millis(0);
    db.tx(move |conn| store::add(conn, UserId::new(at), "a", at))
        .await
        .unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        files += 1;
    }
    assert_eq!(files, 4, "database, -wal, -shm, .lock");
}

#[test]
fn a_missing_folder_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/data/a.db", dir.path().display());
    Db::open(&options(&url), Service::Auth).unwrap();
    let mode = std::fs::metadata(dir.path().join("data"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_file_that_cannot_be_made_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let url = format!("sqlite:{}/file/a.db", dir.path().display());
    let error = Db::open(&options(&url), Service::Auth).unwrap_err();
    assert!(matches!(error, DbError::File { .. }), "{error}");
}

#[rstest]
#[tokio::test]
async fn pages_follow_each_other(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = fresh.db();
    db.migrate(&[&MIGRATIONS]).await.unwrap();
    db.tx(|conn| {
        for n in 0..10 {
            // Pairs with the same time, so that the id decides.
            let at = Timestamp::from_millis(n / 2);
            store::add(conn, UserId::new(at), &n.to_string(), at)?;
        }
        Ok::<_, StoreError>(())
    })
    .await
    .unwrap();
    let all = db.read(|conn| store::page(conn, None, 100)).await.unwrap();
    let (deleted, at) = (all[4].id, Timestamp::from_millis(99));
    let first = move |conn: &mut _| store::delete(conn, deleted, at);
    assert_eq!(db.tx(first).await, Ok(true));
    assert_eq!(db.tx(first).await, Ok(false), "{backend}: compare-and-set");
    let mut paged = Vec::new();
    loop {
        let after = paged.last().map(|t: &store::Thing| (t.created_at, t.id));
        let page = db
            .read(move |conn| store::page(conn, after, 2))
            .await
            .unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    let expected: Vec<_> = all.iter().filter(|t| t.id != deleted).cloned().collect();
    assert_eq!(paged, expected, "{backend}");
    assert!(paged.is_sorted_by_key(|t| (t.created_at, t.id)));
}
