//! The three trees say the same, up and down.

use std::collections::BTreeMap;

use testkit::Backend;
use ud_db::schema_info::{TableInfo, describe};
use ud_events::MIGRATIONS;

use crate::servers::Fresh;

#[tokio::test]
async fn up_down_up_and_the_same_tables_on_all_three() {
    let mut described = Vec::new();
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::Mysql] {
        let fresh = Fresh::new(backend);
        let db = fresh.db();
        let names = db.migrate(&[&MIGRATIONS]).await.unwrap();
        assert_eq!(names.len(), 3, "{backend}");
        let first = db.read(describe).await.unwrap();
        for name in names.iter().rev() {
            let reverted = db.revert_last(&[&MIGRATIONS]).await.unwrap();
            assert_eq!(reverted.as_ref(), Some(name), "{backend}");
        }
        assert_eq!(
            db.read(describe).await.unwrap(),
            BTreeMap::new(),
            "{backend}"
        );
        assert_eq!(
            db.migrate(&[&MIGRATIONS]).await.unwrap(),
            names,
            "{backend}"
        );
        assert_eq!(db.read(describe).await.unwrap(), first, "{backend}");
        described.push(without_types(first));
    }
    assert_eq!(described[0].len(), 3);
    assert_eq!(described[0], described[1]);
    assert_eq!(described[0], described[2]);
}

fn without_types(mut tables: BTreeMap<String, TableInfo>) -> BTreeMap<String, TableInfo> {
    for column in tables
        .values_mut()
        .flat_map(|table| table.columns.values_mut())
    {
        column.sql_type.clear();
    }
    tables
}
