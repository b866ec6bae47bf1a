use std::{path::PathBuf, time::Duration};

use auth_service::{
    ALL_MIGRATIONS,
    models::{
        credential::{
            self, NewCredential, StatusChange,
            identifier::Identifier,
            identifier_store::{self, USERNAME_HOLD},
        },
        password::hash::PasswordHash,
    },
};
use diesel::RunQueryDsl as _;
use futures_util::future::join_all;
use rstest::rstest;
use testkit::{Backend, TestDatabase};
use ud_db::{Db, DbConn, StoreError};
use ud_kernel::{Service, Timestamp, UserId, models::CredentialStatus};

use crate::world::{START, config};

struct Store {
    db: Db,
    _database: TestDatabase,
}

impl Store {
    async fn new(backend: Backend) -> Self {
        let database = TestDatabase::create(backend);
        let options = config(&database, PathBuf::new()).database;
        let db = Db::open(&options, Service::Auth).unwrap();
        db.migrate(&ALL_MIGRATIONS).await.unwrap();
        Self {
            db,
            _database: database,
        }
    }

    async fn tx<T, F>(&self, f: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut DbConn) -> Result<T, StoreError> + Send + 'static,
    {
        self.db.tx(f).await
    }

    async fn add(&self, name: &str, now: Timestamp) -> Result<UserId, StoreError> {
        let user_id = UserId::new(now);
        let email = Identifier::email(&format!("{name}@example.com")).unwrap();
        let username = Identifier::username(name).unwrap();
        let new = NewCredential {
            user_id,
            password_hash: hash("x"),
            created_at: now,
        };
        let written = name.to_uppercase();
        self.tx(move |conn| {
            credential::store::insert(conn, &new)?;
            identifier_store::insert(conn, user_id, &email, email.canonical(), now)?;
            identifier_store::insert(conn, user_id, &username, &written, now)
        })
        .await?;
        Ok(user_id)
    }

    async fn is_taken(&self, name: &'static str, now: Timestamp) -> bool {
        let identifier = Identifier::parse(name).unwrap();
        self.tx(move |conn| identifier_store::is_taken(conn, &identifier, now))
            .await
            .unwrap()
    }

    async fn find(&self, text: &'static str) -> Option<UserId> {
        let identifier = Identifier::parse(text).unwrap();
        self.tx(move |conn| credential::store::find_by_identifier(conn, &identifier))
            .await
            .unwrap()
            .map(|c| c.user_id)
    }
}

fn hash(password: &str) -> PasswordHash {
    PasswordHash::new(password, 4).unwrap()
}

#[rstest]
#[tokio::test]
async fn a_credential_is_found_by_each_of_its_identifiers(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let store = Store::new(backend).await;
    let ada = store.add("ada", START).await.unwrap();
    assert_eq!(store.find("Ada@Example.COM").await, Some(ada), "{backend}");
    assert_eq!(store.find("ADA").await, Some(ada), "{backend}");
    assert_eq!(store.find("adb").await, None, "{backend}");
    assert_eq!(store.find("+491701234567").await, None, "{backend}");
    let stored = store
        .tx(move |c| credential::store::find(c, ada))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stored.epoch, stored.event_seq, stored.created_at),
        (1, 1, START)
    );
    assert!(stored.password_hash.unwrap().verify("x"));
    let names = store
        .tx(move |c| identifier_store::of_user(c, ada))
        .await
        .unwrap();
    assert_eq!(names.email.as_deref(), Some("ada@example.com"));
    assert_eq!(
        names.username.as_deref(),
        Some("ada"),
        "canonical, not as written"
    );
}

#[rstest]
#[tokio::test]
async fn identifiers_are_unique_and_not_padded(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let store = Store::new(backend).await;
    let ada = store.add("ada", START).await.unwrap();
    let again = store.add("ada", START).await.unwrap_err();
    assert!(
        again.is_unique("uq_identifiers_kind_canonical"),
        "{backend}: {again:?}"
    );
    // No identifier of ours ends in a space; the database must tell `ada` from `ada ` all the same.
    store.add("bob", START).await.unwrap();
    let sql = "UPDATE identifiers SET canonical = 'ada ' WHERE canonical = 'bob'";
    let changed = store
        .tx(move |conn| {
            diesel::sql_query(sql)
                .execute(conn)
                .map_err(StoreError::from)
        })
        .await;
    assert_eq!(changed, Ok(1), "{backend}: two keys");
    assert_eq!(store.find("ada").await, Some(ada), "{backend}");
    assert_eq!(store.find("bob").await, None, "{backend}");
}

#[rstest]
#[tokio::test]
async fn of_two_registrations_of_one_name_at_once_one_is_stored(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let store = Store::new(backend).await;
    for round in 0..10 {
        let name = format!("name{round}");
        let adding = (0..4).map(|_| store.add(&name, START));
        let results = join_all(adding).await;
        let stored = results.iter().filter(|r| r.is_ok()).count();
        assert_eq!(stored, 1, "{backend}: {results:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_deleted_users_username_is_held_for_180_days_and_the_email_is_free(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let store = Store::new(backend).await;
    let ada = store.add("ada", START).await.unwrap();
    store
        .tx(move |c| identifier_store::release(c, ada, START))
        .await
        .unwrap();
    assert_eq!(store.find("ada").await, None);
    assert_eq!(store.find("ada@example.com").await, None);

    let almost = START.plus(USERNAME_HOLD).minus(Duration::from_millis(1));
    assert!(!store.is_taken("ada@example.com", START).await, "{backend}");
    assert!(store.is_taken("ada", almost).await, "{backend}");
    assert!(
        !store.is_taken("ada", START.plus(USERNAME_HOLD)).await,
        "{backend}"
    );
}

#[rstest]
#[tokio::test]
async fn a_name_is_given_out_again_after_its_hold_and_not_before(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let store = Store::new(backend).await;
    let ada = store.add("ada", START).await.unwrap();
    store
        .tx(move |c| identifier_store::release(c, ada, START))
        .await
        .unwrap();
    let end = START.plus(USERNAME_HOLD);
    let early = store.add("ada", end.minus(Duration::from_millis(1))).await;
    assert!(matches!(early, Err(StoreError::Unique(_))), "{backend}");
    let next = store.add("ada", end).await.unwrap();
    assert_eq!(store.find("ada").await, Some(next), "{backend}");

    let bob = store.add("bob", START).await.unwrap();
    store
        .tx(move |c| identifier_store::release(c, bob, START))
        .await
        .unwrap();
    let forget = |now| move |c: &mut DbConn| identifier_store::forget_released(c, now);
    assert_eq!(store.tx(forget(START)).await, Ok(0));
    assert_eq!(
        store.tx(forget(end)).await,
        Ok(1),
        "{backend}: only what is held"
    );
    assert_eq!(store.find("ada").await, Some(next));
}

#[rstest]
#[tokio::test]
async fn hashes_are_replaced_only_over_the_one_that_was_seen(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let store = Store::new(backend).await;
    let ada = store.add("ada", START).await.unwrap();
    let find = move |c: &mut DbConn| credential::store::find(c, ada);
    let seen = store
        .tx(find)
        .await
        .unwrap()
        .unwrap()
        .password_hash
        .unwrap();
    let (one, two) = (hash("one"), hash("two"));
    let (old, new) = (seen.clone(), one.clone());
    let change =
        move |c: &mut DbConn| credential::store::change_password(c, ada, &old, &new, START);
    assert_eq!(store.tx(change).await, Ok(true));
    let (old, new) = (seen.clone(), two.clone());
    let rehash = move |c: &mut DbConn| credential::store::replace_hash(c, ada, &old, &new);
    assert_eq!(
        store.tx(rehash).await,
        Ok(false),
        "{backend}: a rehash lost the race"
    );
    let stored = store.tx(find).await.unwrap().unwrap();
    assert_eq!(stored.password_hash, Some(one.clone()), "{backend}");
    assert_eq!((stored.epoch, stored.event_seq), (2, 3));
    let rehash = move |c: &mut DbConn| credential::store::replace_hash(c, ada, &one, &two);
    assert_eq!(store.tx(rehash).await, Ok(true));
    let stored = store.tx(find).await.unwrap().unwrap();
    assert_eq!(
        (stored.epoch, stored.event_seq),
        (2, 3),
        "a rehash ends no session"
    );
}

#[rstest]
#[tokio::test]
async fn a_suspended_or_deleted_credential_changes_no_password(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let store = Store::new(backend).await;
    for status in [CredentialStatus::Suspended, CredentialStatus::Deleted] {
        let user = store.add(status.as_str(), START).await.unwrap();
        let find = move |c: &mut DbConn| credential::store::find(c, user);
        let old = store
            .tx(find)
            .await
            .unwrap()
            .unwrap()
            .password_hash
            .unwrap();
        let change = StatusChange {
            status,
            sequence: 2,
            ends_sessions: true,
        };
        store
            .tx(move |c| credential::store::change_status(c, user, change, START))
            .await
            .unwrap();
        let new = hash("new");
        let changed = store
            .tx(move |c| credential::store::change_password(c, user, &old, &new, START))
            .await;
        assert_eq!(changed, Ok(false), "{backend}");
        let stored = store.tx(find).await.unwrap().unwrap();
        assert_eq!(stored.status, status);
        assert_eq!(stored.status_sequence, 2);
        let gone = status == CredentialStatus::Deleted;
        assert_eq!(stored.password_hash.is_none(), gone, "{backend}");
    }
}
