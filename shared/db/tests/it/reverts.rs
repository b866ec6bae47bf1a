//! Which migration is undone, what is said of it before, and who may not.

use std::collections::BTreeSet;

use diesel::RunQueryDsl as _;
use rstest::rstest;
use ud_db::{Backend, Db, DbError, FileLock, Migrations, StoreError, schema_info};
use ud_kernel::Service;
use ud_telemetry::Metrics;

use crate::{
    servers::Fresh,
    store::{MIGRATIONS, ONE_WAY, OTHER},
};

const OWNERS: [&Migrations; 2] = [&MIGRATIONS, &OTHER];
const PARTS: &str = "2026-01-01-000001_parts";
const THINGS: &str = "2026-01-01-000000_things";
const SEEN: &str = "2025-01-01-000000_seen";

async fn migrated(backend: Backend) -> (Fresh, Db) {
    let fresh = Fresh::new(backend);
    let db = fresh.db();
    db.migrate(&OWNERS).await.unwrap();
    (fresh, db)
}

/// Every table, diesel's own among them.
async fn tables(db: &Db) -> BTreeSet<String> {
    db.read(schema_info::tables).await.unwrap()
}

async fn run(db: &Db, sql: &'static str) {
    let run = move |conn: &mut ud_db::DbConn| {
        diesel::sql_query(sql).execute(conn)?;
        Ok::<_, StoreError>(())
    };
    db.tx(run).await.unwrap();
}

/// Returns the reason why nothing was undone.
#[track_caller]
fn refusal<T: std::fmt::Debug>(outcome: Result<T, DbError>) -> String {
    match outcome {
        Err(DbError::NotReverted(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[tokio::test]
async fn what_goes_is_said_before_and_nothing_goes_by_saying_it(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (_fresh, db) = migrated(backend).await;
    let before = tables(&db).await;
    let next = db.next_revert(&OWNERS, None).await.unwrap().unwrap();
    assert_eq!(next.name, PARTS, "{backend}");
    assert_eq!(next.statements, "DROP TABLE parts;");
    let text = format!("{PARTS}\n  DROP TABLE parts;");
    assert_eq!(next.to_string(), text);
    assert_eq!(tables(&db).await, before, "{backend}");
    db.revert(&OWNERS, next).await.unwrap();
    let gone: Vec<_> = before.difference(&tables(&db).await).cloned().collect();
    assert_eq!(gone, ["parts"], "{backend}");
    assert_eq!(db.pending(&OWNERS).await.unwrap(), [PARTS]);
}

#[rstest]
#[tokio::test]
async fn the_first_owner_is_undone_before_the_others_whatever_the_versions(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    for (owners, order) in [
        ([&MIGRATIONS, &OTHER], [PARTS, THINGS, SEEN]),
        ([&OTHER, &MIGRATIONS], [SEEN, PARTS, THINGS]),
    ] {
        let (_fresh, db) = migrated(backend).await;
        for name in order {
            let undone = db.revert_last(&owners).await.unwrap();
            assert_eq!(undone.as_deref(), Some(name), "{backend}");
        }
        assert_eq!(db.revert_last(&owners).await.unwrap(), None);
    }
}

#[rstest]
#[tokio::test]
async fn a_version_names_the_last_of_its_owner_or_nothing_is_undone(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (_fresh, db) = migrated(backend).await;
    let before = tables(&db).await;
    for (version, name) in [
        ("20260101000001", PARTS),
        ("2026-01-01-000001", PARTS),
        (PARTS, PARTS),
        ("20250101000000", SEEN),
        (SEEN, SEEN),
    ] {
        let next = db.next_revert(&OWNERS, Some(version)).await.unwrap();
        assert_eq!(next.unwrap().name, name, "{backend} {version}");
    }
    let said = refusal(db.next_revert(&OWNERS, Some(THINGS)).await);
    assert!(said.contains(PARTS), "{said}");
    for unknown in [
        "",
        "1",
        "parts",
        "20260101000001 ",
        "../x",
        "20260101000001\0",
        "٣",
    ] {
        let said = refusal(db.next_revert(&OWNERS, Some(unknown)).await);
        assert!(said.contains("there is no migration"), "{said}");
    }
    assert_eq!(tables(&db).await, before);
    // The shared one goes alone, and is not there a second time.
    let seen = db.next_revert(&OWNERS, Some(SEEN)).await.unwrap().unwrap();
    db.revert(&OWNERS, seen).await.unwrap();
    assert_eq!(db.pending(&OWNERS).await.unwrap(), [SEEN]);
    let said = refusal(db.next_revert(&OWNERS, Some(SEEN)).await);
    assert!(said.contains("is not applied"), "{said}");
    let next = db.next_revert(&OWNERS, None).await.unwrap().unwrap();
    assert_eq!(next.name, PARTS, "{backend}");
}

#[rstest]
#[tokio::test]
async fn of_many_at_once_one_undoes_what_was_shown_to_all(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (fresh, db) = migrated(backend).await;
    let shown = db.next_revert(&OWNERS, None).await.unwrap().unwrap();
    let tries: Vec<_> = (0..6)
        .map(|_| {
            let (db, shown) = (fresh.db(), shown.clone());
            tokio::spawn(async move { db.revert(&OWNERS, shown).await })
        })
        .collect();
    let mut undone = 0;
    for outcome in tries {
        match outcome.await.unwrap() {
            Ok(()) => undone += 1,
            Err(error) => {
                let said = refusal(Err::<(), _>(error));
                assert!(said.contains("is not applied"), "{said}");
            }
        }
    }
    assert_eq!(undone, 1, "{backend}");
    assert_eq!(db.pending(&OWNERS).await.unwrap(), [PARTS], "{backend}");
}

#[rstest]
#[tokio::test]
async fn what_was_built_upon_after_it_was_shown_stays(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (_fresh, db) = migrated(backend).await;
    db.revert_last(&OWNERS).await.unwrap();
    let shown = db.next_revert(&OWNERS, None).await.unwrap().unwrap();
    assert_eq!(shown.name, THINGS);
    // A replica starts.
    db.migrate(&OWNERS).await.unwrap();
    let said = refusal(db.revert(&OWNERS, shown).await);
    assert!(said.contains(PARTS), "{said}");
    assert!(db.pending(&OWNERS).await.unwrap().is_empty(), "{backend}");
}

#[rstest]
#[tokio::test]
async fn beneath_a_newer_version_nothing_is_undone(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (_fresh, db) = migrated(backend).await;
    let shown = db.next_revert(&OWNERS, None).await.unwrap().unwrap();
    // Newer than all, between them, and older than all.
    for newer in ["20990101000000", "20250601000000", "00000000000001"] {
        let sql = format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{newer}')");
        run(&db, sql.leak()).await;
        let before = tables(&db).await;
        for version in [None, Some(PARTS), Some(SEEN), Some(newer)] {
            let said = refusal(db.next_revert(&OWNERS, version).await);
            assert!(said.contains(newer), "{said}");
        }
        let said = refusal(db.revert(&OWNERS, shown.clone()).await);
        assert!(said.contains(newer), "{said}");
        assert_eq!(tables(&db).await, before, "{backend}");
        // This version runs on it, and has nothing to add.
        assert!(db.pending(&OWNERS).await.unwrap().is_empty());
        assert!(db.migrate(&OWNERS).await.unwrap().is_empty());
        let sql = format!("DELETE FROM __diesel_schema_migrations WHERE version = '{newer}'");
        run(&db, sql.leak()).await;
    }
    // Of one owner alone, the other's are such.
    let said = refusal(db.next_revert(&[&MIGRATIONS], None).await);
    assert!(said.contains("20250101000000"), "{said}");
}

#[rstest]
#[tokio::test]
async fn where_nothing_is_applied_nothing_is_undone_or_made(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = fresh.db();
    assert_eq!(db.next_revert(&OWNERS, None).await.unwrap(), None);
    assert_eq!(db.revert_last(&OWNERS).await.unwrap(), None);
    assert_eq!(db.next_revert(&[], None).await.unwrap(), None);
    let said = refusal(db.next_revert(&OWNERS, Some(PARTS)).await);
    assert!(said.contains("is not applied"), "{said}");
    assert!(tables(&db).await.is_empty(), "{backend}");
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_undone_stays_applied(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (_fresh, db) = migrated(backend).await;
    let shown = db.next_revert(&OWNERS, None).await.unwrap().unwrap();
    // Somebody dropped it by hand.
    run(&db, "DROP TABLE parts").await;
    let outcome = db.revert(&OWNERS, shown).await;
    assert!(matches!(outcome, Err(DbError::Migration(_))), "{outcome:?}");
    assert!(db.pending(&OWNERS).await.unwrap().is_empty(), "{backend}");

    let owners = [&ONE_WAY, &MIGRATIONS, &OTHER];
    db.migrate(&owners).await.unwrap();
    let said = refusal(db.next_revert(&owners, None).await);
    assert!(said.contains("one_way"), "{said}");
    assert!(tables(&db).await.contains("one_way"), "{backend}");
}

#[tokio::test]
async fn a_file_that_is_served_is_not_opened_to_revert_and_the_other_way_round() {
    let (fresh, db) = migrated(Backend::Sqlite).await;
    drop(db);
    let config = testkit::database_config(&fresh.url);
    let metrics = Metrics::new("role");
    let start = || Db::start(&config, Service::Role, &OWNERS, &metrics);
    let open = || Db::open_to_revert(&fresh.options(), Service::Role, true);
    let is_in_use = |outcome: Result<Db, DbError>| match outcome {
        // It passes: the same start succeeds when the other has ended.
        Err(error @ DbError::InUse(_)) => !error.is_configuration(),
        _ => false,
    };
    // Replicas may share it.
    let (one, two) = (start().await.unwrap(), start().await.unwrap());
    assert!(is_in_use(open()));
    // A look is for everybody.
    let look = || Db::open_to_revert(&fresh.options(), Service::Role, false).unwrap();
    let shown = look().next_revert(&OWNERS, None).await.unwrap();
    assert_eq!(shown.unwrap().name, PARTS);
    drop(one);
    assert!(is_in_use(open()));
    drop(two);
    // So is any other command beside it.
    let command = Db::open(&fresh.options(), Service::Role).unwrap();
    assert!(is_in_use(open()));
    drop(command);
    let alone = open().unwrap();
    assert!(is_in_use(start().await));
    assert!(is_in_use(Db::open(&fresh.options(), Service::Role)));
    let shown = look().next_revert(&OWNERS, None).await.unwrap();
    assert_eq!(shown.unwrap().name, PARTS);
    assert!(is_in_use(open()));
    assert_eq!(
        alone.revert_last(&OWNERS).await.unwrap().as_deref(),
        Some(PARTS)
    );
    drop(alone);
    start().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_there_is_an_error_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.db", "below/b.db"] {
        let path = folder.path().join(name);
        let options = crate::servers::options(&format!("sqlite:{}", path.display()));
        for is_confirmed in [true, false] {
            let error = Db::open_to_revert(&options, Service::Role, is_confirmed).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            assert!(error.is_configuration());
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let session = folder.path().join("c.db");
    let _lock = FileLock::alone(&session).unwrap();
    assert!(!session.exists());
}
