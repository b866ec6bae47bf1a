use std::{collections::BTreeMap, path::PathBuf};

use auth_service::ALL_MIGRATIONS;
use rstest::rstest;
use testkit::{Backend, TestDatabase};
use ud_db::{
    Db,
    schema_info::{TableInfo, describe},
};
use ud_kernel::Service;

use crate::world::config;

fn open(database: &TestDatabase) -> Db {
    Db::open(&config(database, PathBuf::new()).database, Service::Auth).unwrap()
}

/// Names of columns with their nullability, keys, and unique keys: what must be the same everywhere.
type Shape = BTreeMap<String, (Vec<(String, bool)>, Vec<String>, Vec<(String, Vec<String>)>)>;

fn shape(tables: BTreeMap<String, TableInfo>) -> Shape {
    let table = |t: TableInfo| {
        let columns = t
            .columns
            .into_iter()
            .map(|(name, c)| (name, c.nullable))
            .collect();
        (columns, t.primary_key, t.unique.into_iter().collect())
    };
    tables
        .into_iter()
        .map(|(name, t)| (name, table(t)))
        .collect()
}

#[tokio::test]
async fn up_down_up_gives_the_same_tables_on_all_databases() {
    let mut shapes = Vec::new();
    for database in testkit::databases() {
        let db = open(&database);
        let applied = db.migrate(&ALL_MIGRATIONS).await.unwrap();
        let first = db.read(describe).await.unwrap();
        for _ in &applied {
            assert!(db.revert_last(&ALL_MIGRATIONS).await.unwrap().is_some());
        }
        assert_eq!(db.revert_last(&ALL_MIGRATIONS).await.unwrap(), None);
        assert!(
            db.read(describe).await.unwrap().is_empty(),
            "{}",
            database.backend
        );
        db.migrate(&ALL_MIGRATIONS).await.unwrap();
        assert_eq!(
            db.read(describe).await.unwrap(),
            first,
            "{}",
            database.backend
        );
        assert!(db.pending(&ALL_MIGRATIONS).await.unwrap().is_empty());
        shapes.push(shape(first));
    }
    assert_eq!(shapes[0], shapes[1]);
    assert_eq!(shapes[0], shapes[2]);
    for table in [
        "credentials",
        "identifiers",
        "login_counts",
        "devices",
        "account_places",
        "unlock_codes",
        "signing_keys",
        "outbox",
    ] {
        assert!(shapes[0].contains_key(table), "{table}");
    }
}

#[rstest]
#[tokio::test]
async fn replicas_that_start_together_migrate_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let (a, b) = (open(&database), open(&database));
    let (first, second) = tokio::join!(a.migrate(&ALL_MIGRATIONS), b.migrate(&ALL_MIGRATIONS));
    assert_eq!(
        first.unwrap().len() + second.unwrap().len(),
        16,
        "{backend}"
    );
}
