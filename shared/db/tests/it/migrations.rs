//! The three trees say the same, up and down, whoever runs them and however many at once.

use std::collections::BTreeMap;

use rstest::rstest;
use ud_db::{
    Backend, Db, DbError, StoreError,
    schema_info::{TableInfo, describe},
};
use ud_kernel::{Service, Timestamp, UserId};

use crate::{
    servers::{ALL, Fresh, admin},
    store::{self, MIGRATIONS, OTHER},
};

async fn tables(db: &Db) -> BTreeMap<String, TableInfo> {
    db.read(describe).await.unwrap()
}

#[tokio::test]
async fn up_down_up_and_the_same_tables_on_all_three() {
    let owners = [&MIGRATIONS, &OTHER];
    // The order in which the owners stand is that in which they are undone; they are applied by version.
    let names = [
        "2025-01-01-000000_seen",
        "2026-01-01-000000_things",
        "2026-01-01-000001_parts",
    ];
    let mut described = Vec::new();
    for backend in ALL {
        let fresh = Fresh::new(backend);
        let db = fresh.db();
        assert_eq!(db.pending(&owners).await.unwrap(), names, "{backend}");
        assert_eq!(db.migrate(&owners).await.unwrap(), names, "{backend}");
        assert!(db.pending(&owners).await.unwrap().is_empty());
        assert!(db.migrate(&owners).await.unwrap().is_empty());
        let first = tables(&db).await;

        for name in names.iter().rev() {
            let reverted = db.revert_last(&owners).await.unwrap();
            assert_eq!(reverted.as_deref(), Some(*name), "{backend}");
        }
        assert_eq!(db.revert_last(&owners).await.unwrap(), None);
        assert_eq!(tables(&db).await, BTreeMap::new());

        db.migrate(&owners).await.unwrap();
        assert_eq!(tables(&db).await, first, "{backend}");
        described.push(normalised(first));
    }
    assert_eq!(described[0], described[1]);
    assert_eq!(described[0], described[2]);
    assert_eq!(
        described[0]["parts"].unique["uq_parts_thing_id_code"],
        ["thing_id", "code"]
    );
    assert_eq!(described[0]["parts"].primary_key, ["thing_id", "part_no"]);
}

/// Without the names of types, which differ.
fn normalised(mut tables: BTreeMap<String, TableInfo>) -> BTreeMap<String, TableInfo> {
    for table in tables.values_mut() {
        for column in table.columns.values_mut() {
            column.sql_type.clear();
        }
    }
    tables
}

#[rstest]
#[tokio::test]
async fn replicas_that_start_at_once_migrate_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let replicas: Vec<_> = (0..8)
        .map(|_| {
            let db = fresh.db();
            tokio::spawn(async move { db.migrate(&[&OTHER, &MIGRATIONS]).await })
        })
        .collect();
    let mut applied = 0;
    for replica in replicas {
        applied += replica.await.unwrap().unwrap().len();
    }
    assert_eq!(applied, 3, "{backend}");
}

#[tokio::test]
async fn two_owners_cannot_have_the_same_version() {
    let fresh = Fresh::new(Backend::Sqlite);
    let error = fresh.db().migrate(&[&OTHER, &OTHER]).await.unwrap_err();
    assert!(matches!(error, DbError::Migration(_)), "{error}");
}

#[rstest]
#[tokio::test]
async fn the_run_time_user_need_not_own_the_tables(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let mut runtime_url = url::Url::parse(&fresh.url).unwrap();
    let database = runtime_url.path().trim_start_matches('/').to_owned();
    // Users belong to the server: one per database.
    let user = format!("u{}", &database[database.len() - 12..]);
    let (grants, revoke): (&[String], String) = match backend {
        Backend::Postgres => (
            &[
                format!("CREATE ROLE {user} LOGIN PASSWORD 'p'"),
                format!(
                    "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {user}"
                ),
            ],
            format!("DROP OWNED BY {user}; DROP ROLE {user}"),
        ),
        _ => (
            &[
                format!("CREATE USER {user} IDENTIFIED BY 'p'"),
                format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO {user}"),
            ],
            format!("DROP USER {user}"),
        ),
    };
    for grant in grants {
        admin(backend, &fresh.url, grant);
    }
    runtime_url.set_username(&user).unwrap();
    runtime_url.set_password(Some("p")).unwrap();
    let mut options = fresh.options();
    options.migration_url = Some(fresh.url.clone().into());
    options.url = runtime_url.to_string().into();
    let db = Db::open(&options, Service::Role).unwrap();

    assert_eq!(db.pending(&[&MIGRATIONS]).await.unwrap().len(), 2);
    db.migrate(&[&MIGRATIONS]).await.unwrap();
    assert!(db.pending(&[&MIGRATIONS]).await.unwrap().is_empty());
    let at = Timestamp::from_millis(1);
    db.tx(move |conn| store::add(conn, UserId::new(at), "a", at))
        .await
        .unwrap();
    let dropped: Result<usize, StoreError> = db
        .tx(|conn| {
            use diesel::RunQueryDsl as _;
            Ok(diesel::sql_query("DROP TABLE parts").execute(conn)?)
        })
        .await;
    assert!(
        matches!(dropped, Err(StoreError::Internal(_))),
        "{dropped:?}"
    );
    drop(db);
    admin(backend, &fresh.url, &revoke);
}

#[test]
fn the_migration_url_names_the_same_backend() {
    let fresh = Fresh::new(Backend::Sqlite);
    let mut options = fresh.options();
    options.migration_url = Some("postgres://h/db".to_owned().into());
    let error = Db::open(&options, Service::Role).unwrap_err();
    assert!(matches!(error, DbError::Url(_)), "{error}");
}
