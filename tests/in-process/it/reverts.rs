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
        Service::Audit => user_audit_service::MIGRATIONS,
        Service::Profile => &user_profile_service::ALL_MIGRATIONS,
    }
}

/// A line of `said` says that `table` goes; a table of that name may be made again.
fn is_table_named(said: &Revert, table: &str) -> bool {
    let line = format!("drops table {table}, with all its rows");
    said.drops.contains(&line)
}

/// A line of `said` names `part` of `table`, which is dropped or renamed.
fn is_part_named(said: &Revert, table: &str, part: &str) -> bool {
    let dropped = [
        format!(" {table}.{part}"),
        format!(" {part} of table {table}"),
    ];
    said.drops.iter().any(|line| {
        let is_changed = line.starts_with(&format!("changes table {table}: "));
        dropped.iter().any(|end| line.ends_with(end)) || (is_changed && line.contains(part))
    })
}

fn assert_said(said: &Revert, before: &Tables, after: &Tables) {
    for (name, table) in before {
        if is_table_named(said, name) {
            continue;
        }
        let left = after.get(name);
        let left = left.unwrap_or_else(|| panic!("{name} went unnamed: {said}"));
        let columns = table
            .columns
            .keys()
            .filter(|c| !left.columns.contains_key(*c));
        let unique = table
            .unique
            .keys()
            .filter(|u| !left.unique.contains_key(*u));
        for part in columns.chain(unique) {
            assert!(
                is_part_named(said, name, part),
                "{name}.{part} went unnamed: {said}"
            );
        }
    }
    for line in &said.drops {
        let Some(rest) = line.strip_prefix("drops table ") else {
            continue;
        };
        let table = rest.split(',').next().unwrap();
        assert!(before.contains_key(table), "{said}");
        let is_made_again = said
            .drops
            .contains(&format!("makes table {table} again, empty"));
        assert_eq!(after.contains_key(table), is_made_again, "{said}");
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
    let db = Db::open(&DatabaseConfig::for_tests(&database.url).into(), service).unwrap();
    let owners = owners(service);
    let applied = db.migrate(owners).await.unwrap().len();
    let mut order = Vec::new();
    let mut before = db.read(describe).await.unwrap();
    while let Some(said) = db.next_revert(owners, None).await.unwrap() {
        assert!(!said.drops.is_empty(), "{said}");
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
