//! The three trees say the same, up and down.

use std::collections::BTreeMap;

use rstest::rstest;
use testkit::Backend;
use ud_db::schema_info::{TableInfo, describe};
use user_audit_service::ALL_MIGRATIONS;

use crate::world::{World, open};

#[tokio::test]
async fn up_down_up_and_the_same_tables_on_all_three() {
    let mut described = Vec::new();
    for database in testkit::databases() {
        let backend = database.backend;
        let db = open(&database.url);
        let names = db.migrate(&ALL_MIGRATIONS).await.unwrap();
        assert_eq!(names.len(), 5, "{backend}");
        let first = db.read(describe).await.unwrap();
        for name in names.iter().rev() {
            let reverted = db.revert_last(&ALL_MIGRATIONS).await.unwrap();
            assert_eq!(reverted.as_ref(), Some(name), "{backend}");
        }
        assert_eq!(
            db.read(describe).await.unwrap(),
            BTreeMap::new(),
            "{backend}"
        );
        assert_eq!(
            db.migrate(&ALL_MIGRATIONS).await.unwrap(),
            names,
            "{backend}"
        );
        assert_eq!(db.read(describe).await.unwrap(), first, "{backend}");
        described.push(without_types(first));
    }
    assert_eq!(described[0], described[1]);
    assert_eq!(described[0], described[2]);

    let tables: Vec<_> = described[0].keys().map(String::as_str).collect();
    let expected = [
        "idempotency_keys",
        "record_counter",
        "records",
        "server_keys",
    ];
    assert_eq!(tables, expected);
    let records = &described[0]["records"];
    assert_eq!(records.primary_key, ["seq"]);
    assert_eq!(records.unique["uq_records_id"], ["id"]);
    let nullable: Vec<_> = records.columns.iter().filter(|(_, c)| c.nullable).collect();
    assert_eq!(nullable.len(), 1);
    assert_eq!(nullable[0].0, "actor_id");
}

fn without_types(mut tables: BTreeMap<String, TableInfo>) -> BTreeMap<String, TableInfo> {
    for column in tables.values_mut().flat_map(|t| t.columns.values_mut()) {
        column.sql_type.clear();
    }
    tables
}

#[rstest]
#[tokio::test]
async fn the_log_starts_at_one_after_a_revert_too(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    world.append(crate::world::records(2)).await.unwrap();
    while world
        .db
        .revert_last(&ALL_MIGRATIONS)
        .await
        .unwrap()
        .is_some()
    {}
    world.db.migrate(&ALL_MIGRATIONS).await.unwrap();
    world.append(crate::world::records(1)).await.unwrap();
    assert_eq!(world.log().await[0].seq, 1, "{}", world.database.backend);
}
