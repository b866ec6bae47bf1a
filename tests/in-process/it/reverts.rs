//! Every migration of every service, undone one after the other: what is said before is what is gone afterwards.

use std::collections::BTreeMap;

use rstest::rstest;
use testkit::{Backend, TestDatabase};
use ud_config::DatabaseConfig;
use ud_db::{
    Db, Migrations, Revert,
    schema_info::{TableInfo, describe},
};
use ud_kernel::Service;

type Tables = BTreeMap<String, TableInfo>;

fn owners(service: Service) -> &'static [&'static Migrations] {
    match service {
        Service::Auth => &auth_service::ALL_MIGRATIONS,
        Service::Role => &role_service::ALL_MIGRATIONS,
        Service::Session => &session_service::ALL_MIGRATIONS,
        Service::Audit => &user_audit_service::ALL_MIGRATIONS,
        Service::Profile => &user_profile_service::ALL_MIGRATIONS,
    }
}

/// Asserts that whatever is gone is named in what was said: each table, and of those that are left (and not made again) each
/// column and each unique index.
fn assert_said(said: &Revert, before: &Tables, after: &Tables) {
    let is_named = |name: &str| said.statements.contains(name);
    for (name, table) in before {
        let Some(left) = after.get(name) else {
            assert!(is_named(name), "{name} went unnamed: {said}");
            continue;
        };
        if is_named(&format!("DROP TABLE {name};")) {
            continue;
        }
        let columns = table.columns.keys();
        let columns = columns.filter(|column| !left.columns.contains_key(*column));
        let unique = table.unique.keys();
        let unique = unique.filter(|index| !left.unique.contains_key(*index));
        for part in columns.chain(unique) {
            let whole = is_named(name) && is_named(part);
            assert!(whole, "{name}.{part} went unnamed: {said}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn what_is_said_is_what_goes(
    #[values(
        Service::Auth,
        Service::Role,
        Service::Session,
        Service::Audit,
        Service::Profile
    )]
    service: Service,
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    if service == Service::Session && backend != Backend::Sqlite {
        // It has no tables elsewhere.
        return;
    }
    let database = TestDatabase::create(backend);
    let db = Db::open(&DatabaseConfig::for_tests(&database.url), service).unwrap();
    let owners = owners(service);
    let applied = db.migrate(owners).await.unwrap().len();
    let mut order = Vec::new();
    let mut before = db.read(describe).await.unwrap();
    while let Some(said) = db.next_revert(owners, None).await.unwrap() {
        assert!(!said.statements.is_empty(), "{said}");
        order.push(said.name.clone());
        db.revert(owners, said.clone()).await.unwrap();
        let after = db.read(describe).await.unwrap();
        assert_said(&said, &before, &after);
        before = after;
    }
    assert_eq!(order.len(), applied);
    assert_eq!(before, Tables::new());
    // The tables that services share go last: undelivered events are in them while anything of the service's is.
    let first_shared = order.iter().position(|name| name.contains("box"));
    let is_shared = |name: &String| name.contains("box");
    assert!(
        order
            .iter()
            .skip(first_shared.unwrap_or(applied))
            .all(is_shared),
        "{order:?}"
    );
}
