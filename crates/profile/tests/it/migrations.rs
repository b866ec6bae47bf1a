//! The three trees of migrations make the same tables.

use std::collections::BTreeMap;

use ud_db::{Db, schema_info};
use ud_kernel::Service;
use user_profile_service::{ALL_MIGRATIONS, MIGRATIONS};

/// Columns with their nullability, primary key and unique keys, by table.
type Shape = BTreeMap<
    String,
    (
        BTreeMap<String, bool>,
        Vec<String>,
        BTreeMap<String, Vec<String>>,
    ),
>;

async fn shape(db: &Db) -> Shape {
    let tables = db.read(schema_info::describe).await.unwrap();
    let shapes = tables.into_iter().map(|(name, table)| {
        let columns = table
            .columns
            .into_iter()
            .map(|(name, column)| (name, column.nullable));
        (name, (columns.collect(), table.primary_key, table.unique))
    });
    shapes.collect()
}

#[tokio::test]
async fn up_down_up_gives_the_same_tables_everywhere() {
    let mut shapes = Vec::new();
    for database in testkit::databases() {
        let db = Db::open(&testkit::database_config(&database.url), Service::Profile).unwrap();
        let applied = db.migrate(&ALL_MIGRATIONS).await.unwrap();
        let first = shape(&db).await;
        for _ in 0..applied.len() {
            assert!(db.revert_last(&ALL_MIGRATIONS).await.unwrap().is_some());
        }
        assert_eq!(shape(&db).await, Shape::new(), "{}", database.backend);
        db.migrate(&[&MIGRATIONS]).await.unwrap();
        db.migrate(&ALL_MIGRATIONS).await.unwrap();
        assert_eq!(shape(&db).await, first, "{}", database.backend);
        shapes.push((database.backend, first));
    }
    let (_, expected) = &shapes[0];
    assert!(expected.contains_key("users"));
    for (backend, shape) in &shapes {
        assert_eq!(shape, expected, "{backend}");
    }
}
