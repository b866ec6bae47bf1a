//! No update and no delete of a record exists, in the code, the migrations or the API. Who adds one meets this
//! test first.

use std::{fs, path::Path};

use rstest::rstest;
use testkit::{Backend, TestDatabase};
use ud_db::StoreError;
use ud_http::ServiceBinary as _;
use ud_kernel::Service;
use user_audit_service::{ALL_MIGRATIONS, AuditService};

use crate::{
    service::{Running, body},
    world::{event, open},
};

fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push((
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
    found
}

#[test]
fn no_statement_updates_or_deletes_a_record() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = files(&root.join("src"), "rs");
    assert!(sources.len() > 10);
    let mut changes = Vec::new();
    for (path, text) in &sources {
        // Statements are only made through diesel's own names, so that the search below finds them all.
        for hidden in [
            "batch_execute",
            "SimpleConnection",
            "dsl::sql",
            "replace_into",
            "on_conflict",
            "AsChangeset",
            "save_changes",
            "use diesel::{",
            "use diesel::update",
            "use diesel::delete",
        ] {
            assert!(!text.contains(hidden), "{path}: {hidden}");
        }
        // The one statement that is written out says at once what it does.
        for (at, found) in text.match_indices("sql_query") {
            let statement = &text[at + found.len()..];
            let statement = statement.trim_start_matches(['(', ' ', '\n']);
            let only = "\"INSERT INTO records (";
            assert!(statement.starts_with(only), "{path}: {statement:.40}");
        }
        for verb in ["diesel::update(", "diesel::delete("] {
            for (at, _) in text.match_indices(verb) {
                let target = text[at + verb.len()..].trim_start();
                let table = target.split("::table").next().unwrap();
                changes.push((verb, table.to_owned()));
            }
        }
    }
    changes.sort();
    let allowed = [
        ("diesel::delete(", "idempotency_keys".to_owned()),
        ("diesel::update(", "record_counter".to_owned()),
    ];
    assert_eq!(changes, allowed);
}

#[test]
fn no_migration_changes_records() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/audit");
    let [sqlite, postgres, mysql] = ["sqlite", "postgres", "mysql"].map(|database| {
        let found = files(&root.join(database), "sql");
        assert!(!found.is_empty(), "looks into the wrong folder");
        found
    });
    assert_eq!(
        [postgres.len(), mysql.len()],
        [sqlite.len(); 2],
        "the same migrations in each"
    );
    for (path, text) in [sqlite, postgres, mysql].concat() {
        let statements: String = text
            .lines()
            .filter(|line| !line.starts_with("--"))
            .collect();
        let words = statements.to_lowercase();
        let changes = [
            "update ",
            "delete from records",
            "truncate",
            "trigger",
            "cascade",
        ];
        for word in changes {
            assert!(!words.contains(word), "{path}: {word}");
        }
    }
}

#[test]
fn no_operation_changes_a_record() {
    let document = serde_json::to_value(AuditService::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.push(format!("{method} {path}"));
        }
    }
    operations.sort();
    let expected = [
        "get /api/v1/audits",
        "get /api/v1/audits/{id}",
        "post /api/v1/audits",
    ];
    assert_eq!(operations, expected);
}

/// The same by the database's own means: a user who may insert and read records, and neither change nor delete any, is
/// all that the service needs.
#[rstest]
#[tokio::test]
async fn a_database_user_who_cannot_change_records_is_enough(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    open(&database.url).migrate(&ALL_MIGRATIONS).await.unwrap();
    let (name, own) = (database.name(), format!("u{}", &database.name()[2..]));
    let rights = [
        ("SELECT, INSERT", "records"),
        ("SELECT, UPDATE", "record_counter"),
        ("SELECT, INSERT, DELETE", "idempotency_keys"),
        ("SELECT, INSERT", "server_keys"),
        ("SELECT", "__diesel_schema_migrations"),
    ];
    let (user, prefix) = match backend {
        Backend::Postgres => (own.clone(), String::new()),
        _ => (format!("{own}@'%'"), format!("{name}.")),
    };
    database.execute(&match backend {
        Backend::Postgres => format!("CREATE USER {user} PASSWORD 'secret'"),
        _ => format!("CREATE USER {user} IDENTIFIED BY 'secret'"),
    });
    for (what, table) in rights {
        database.execute(&format!("GRANT {what} ON {prefix}{table} TO {user}"));
    }
    let mut url = reqwest::Url::parse(&database.url).unwrap();
    url.set_username(&own).unwrap();
    url.set_password(Some("secret")).unwrap();
    let service = Running::start_on(database, url.as_str()).await;

    let (_, token) = service.writer();
    let key = "key-0123456789-abc";
    let made = service.post_with_key(&token, &body(), key).await;
    assert_eq!(made.status, 201, "{made:?}");
    let again = service.post_with_key(&token, &body(), key).await;
    assert_eq!((again.status, &again.body), (201, &made.body));
    let event = event();
    let sender = service.identities.token(Service::Profile, Service::Audit);
    let batch = format!("[{}]", event.to_json().unwrap());
    for _ in 0..2 {
        assert_eq!(service.send(&sender, &batch).await.status, 200);
    }
    let log = service.log().await;
    let actions: Vec<_> = log.iter().map(|record| &*record.action).collect();
    assert_eq!(actions, ["order_placed", "user_updated"], "{log:?}");

    // The right is really missing.
    let beside = open(url.as_str());
    for statement in ["UPDATE records SET action = 'x'", "DELETE FROM records"] {
        use diesel::RunQueryDsl as _;
        let changed = beside
            .tx(move |conn| Ok::<_, StoreError>(diesel::sql_query(statement).execute(conn)?))
            .await;
        assert!(changed.is_err(), "{statement}: {changed:?}");
    }
    assert_eq!(service.log().await.len(), 2);
}
