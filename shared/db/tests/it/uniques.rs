//! Errors say the same on all three, and nothing a user sent.

use diesel::prelude::*;
use rstest::rstest;
use ud_db::{Backend, Db, DbConn, StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId};

use crate::{
    servers::Fresh,
    store::{self, MIGRATIONS, Thing},
};

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    parts (thing_id, part_no) {
        thing_id -> sql::Id,
        part_no -> BigInt,
        code -> Text,
    }
}

fn thing(name: &str) -> Thing {
    let at = Timestamp::from_millis(1_700_000_000_000);
    Thing {
        id: UserId::new(at),
        name: name.to_owned(),
        count: 0,
        active: true,
        owner_id: None,
        created_at: at,
        deleted_at: None,
    }
}

async fn insert(db: &Db, thing: Thing) -> Result<(), StoreError> {
    db.tx(move |conn| store::insert(conn, &thing)).await
}

async fn insert_part(db: &Db, id: UserId, no: i64, code: &'static str) -> Result<(), StoreError> {
    db.tx(move |conn: &mut DbConn| {
        diesel::insert_into(parts::table)
            .values((
                parts::thing_id.eq(Bind(id)),
                parts::part_no.eq(no),
                parts::code.eq(code),
            ))
            .execute(conn)?;
        Ok(())
    })
    .await
}

#[rstest]
#[tokio::test]
async fn a_violated_index_has_one_name(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = fresh.db();
    db.migrate(&[&MIGRATIONS]).await.unwrap();

    // What MySQL repeats in its message, built to be mistaken for the end of it.
    for name in ["secret", "secret' for key 'uq_things_other'", "se.cr'et"] {
        insert(&db, thing(name)).await.unwrap();
        let error = insert(&db, thing(name)).await.unwrap_err();
        assert!(error.is_unique("uq_things_name"), "{backend}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("cr"), "{error:?}");
    }

    let first = thing("first");
    let id = first.id;
    insert(&db, first.clone()).await.unwrap();
    let error = insert(
        &db,
        Thing {
            name: "other".to_owned(),
            ..first
        },
    )
    .await
    .unwrap_err();
    assert!(
        matches!(&error, StoreError::Unique(name) if name != "uq_things_name"),
        "{backend}: {error:?}"
    );

    insert_part(&db, id, 1, "x").await.unwrap();
    let error = insert_part(&db, id, 2, "x").await.unwrap_err();
    assert!(
        error.is_unique("uq_parts_thing_id_code"),
        "{backend}: {error:?}"
    );

    let error = insert_part(&db, thing("").id, 1, "x").await.unwrap_err();
    assert_eq!(error, StoreError::ForeignKey, "{backend}");
}

#[rstest]
#[tokio::test]
async fn a_value_that_does_not_fit_is_an_error_without_it(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = fresh.db();
    db.migrate(&[&MIGRATIONS]).await.unwrap();
    let error = insert(&db, thing(&"secret".repeat(20))).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Internal(_)),
        "{backend}: {error:?}"
    );
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");

    let mut far = thing("far");
    far.created_at = Timestamp::from_millis(i64::MAX);
    let error = insert(&db, far).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Internal(_)),
        "{backend}: {error:?}"
    );

    let error: StoreError = db
        .read(|conn| store::count(conn, "nobody"))
        .await
        .unwrap_err();
    assert_eq!(error, StoreError::NotFound);
}

#[rstest]
#[tokio::test]
async fn texts_that_differ_are_two_keys(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = fresh.db();
    db.migrate(&[&MIGRATIONS]).await.unwrap();
    let names = ["a", "a ", "A", "á", "a\u{301}", "ss", "ß", "😀", "😁", ""];
    for name in names {
        insert(&db, thing(name)).await.unwrap();
    }
    for name in names {
        let n = db.read(move |conn| store::count(conn, name)).await;
        assert_eq!(n, Ok(0), "{backend}: {name:?}");
    }
}
