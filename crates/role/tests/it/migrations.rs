use std::collections::BTreeMap;

use role_service::{
    ALL_MIGRATIONS,
    models::{ADMIN_ROLE, USER_ROLE},
};
use rstest::rstest;
use testkit::{Backend, TestDatabase};
use ud_db::{
    Db,
    schema_info::{TableInfo, describe},
};
use ud_kernel::Service;

use crate::support::{Fixture, config};

async fn describe_all(db: &Db) -> BTreeMap<String, TableInfo> {
    db.read(describe).await.unwrap()
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
        let db = Db::open(&config(&database.url).database, Service::Role).unwrap();
        let applied = db.migrate(&ALL_MIGRATIONS).await.unwrap();
        let first = describe_all(&db).await;
        for _ in &applied {
            assert!(db.revert_last(&ALL_MIGRATIONS).await.unwrap().is_some());
        }
        assert_eq!(db.revert_last(&ALL_MIGRATIONS).await.unwrap(), None);
        assert!(describe_all(&db).await.is_empty(), "{}", database.backend);
        db.migrate(&ALL_MIGRATIONS).await.unwrap();
        assert_eq!(describe_all(&db).await, first, "{}", database.backend);
        assert!(db.pending(&ALL_MIGRATIONS).await.unwrap().is_empty());
        shapes.push(shape(first));
    }
    assert_eq!(shapes[0], shapes[1]);
    assert_eq!(shapes[0], shapes[2]);
    assert!(shapes[0].contains_key("role_assignments"));
}

#[rstest]
#[tokio::test]
async fn replicas_that_start_together_seed_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let open = || Db::open(&config(&database.url).database, Service::Role).unwrap();
    let (a, b) = (open(), open());
    let (first, second) = tokio::join!(a.migrate(&ALL_MIGRATIONS), b.migrate(&ALL_MIGRATIONS));
    let applied = first.unwrap().len() + second.unwrap().len();
    assert_eq!(applied, 10, "{backend}: each migration once");
}

#[rstest]
#[tokio::test]
async fn the_built_in_roles_are_there_from_the_start(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fixture = Fixture::without_administrator(backend).await;
    let roles = fixture.reads().roles(None, 10).await.unwrap();
    let names: Vec<_> = roles
        .iter()
        .map(|r| {
            (
                r.id,
                r.name.as_str(),
                r.permissions.to_vec(),
                r.is_built_in(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            (ADMIN_ROLE, "admin", vec!["*".to_owned()], true),
            (USER_ROLE, "user", vec![], true)
        ]
    );
}
