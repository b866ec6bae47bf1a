//! Asserts what is alike in every service; each has a test that calls these for itself.

use std::collections::BTreeMap;

use ud_db::{
    Db, Migrations, Revert, StoreError,
    schema_info::{TableInfo, describe},
};
use ud_kernel::{Code, Service};

use crate::TestDatabase;

/// Asserts that a store that fails has one meaning, whichever service it happens in. `code` returns that of the problem
/// that a failure becomes.
///
/// # Panics
/// If one is another.
pub fn assert_store_failures(code: impl Fn(StoreError) -> Code) {
    let text = || "text".to_owned();
    let failures = [
        (StoreError::Conflict, Code::SERVER_BUSY),
        (
            StoreError::Unavailable(text()),
            Code::SERVER_STORE_UNAVAILABLE,
        ),
        (
            StoreError::Timeout("statement"),
            Code::SERVER_STORE_UNAVAILABLE,
        ),
        (StoreError::NotFound, Code::SERVER_INTERNAL),
        (StoreError::Unique(text()), Code::SERVER_INTERNAL),
        (StoreError::ForeignKey, Code::SERVER_INTERNAL),
        (StoreError::Internal(text()), Code::SERVER_INTERNAL),
    ];
    for (error, wanted) in failures {
        let found = code(error.clone());
        assert_eq!(found, wanted, "{error}");
        let is_temporary = found.status() == 503;
        assert_eq!(is_temporary, error.is_temporary(), "{error}");
    }
}

type Tables = BTreeMap<String, TableInfo>;

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

/// Undoes every migration of a service, one after the other, and asserts that what is said before is what is gone
/// afterwards.
///
/// # Panics
/// If it is not, or a migration cannot be run or undone.
pub async fn assert_reverts(
    service: Service,
    owners: &[&'static Migrations],
    database: &TestDatabase,
) {
    let db = Db::open(&crate::database_config(&database.url), service).unwrap();
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
