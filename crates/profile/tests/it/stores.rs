//! The stores, on all three databases.

use std::time::Duration;

use rstest::rstest;
use testkit::new_key_ring;
use testkit::{Backend, TestDatabase};
use ud_db::{Db, DbConn, StoreError};
use ud_idempotency::IdempotencyKeys;
use ud_kernel::{Service, Timestamp, UserId};
use ud_seal::Sealer;
use user_profile_service::models::{
    idempotency_store,
    user::{NewUser, RawUser, User, UserStatus},
    user_store::{self, UserFilter},
};

use crate::world::{START, migrated};

fn user(email: &str, given_name: &str, at: Timestamp) -> User {
    let raw = RawUser {
        email,
        given_name: Some(given_name),
        ..RawUser::default()
    };
    NewUser::new(raw).unwrap().into_pending(UserId::new(at), at)
}

async fn tx<T: Send + 'static>(
    db: &Db,
    f: impl FnMut(&mut DbConn) -> Result<T, StoreError> + Send + 'static,
) -> T {
    db.tx(f).await.unwrap()
}

/// Inserts `user` and makes it active.
async fn activate(db: &Db, user: &User) {
    let user = user.clone();
    tx(db, move |conn| {
        user_store::insert(conn, &user)?;
        assert!(user_store::activate(conn, user.id, user.created_at)?);
        user_store::set_words(conn, user.id, &user.words())
    })
    .await;
}

async fn found(db: &Db, filter: UserFilter) -> Vec<UserId> {
    let users = db
        .read(move |conn| user_store::list(conn, &filter, None, 100))
        .await
        .unwrap();
    users.into_iter().map(|user| user.id).collect()
}

#[rstest]
#[tokio::test]
async fn what_is_written_is_read(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let db = migrated(&database).await;
    let new = NewUser::new(RawUser {
        email: "Zoë@Example.org",
        username: Some("Zoe.1"),
        given_name: Some("Zoë 🦊"),
        family_name: Some("Ångström "),
        phone: Some("+44 20 7946 0000"),
        locale: Some("sv-SE"),
        timezone: Some("Europe/Stockholm"),
    });
    let user = new.unwrap().into_pending(UserId::new(START), START);
    let copy = user.clone();
    tx(&db, move |conn| user_store::insert(conn, &copy)).await;
    let id = user.id;
    let read = db
        .read(move |conn| user_store::find(conn, id))
        .await
        .unwrap();
    assert_eq!(read, Some(user), "{}", database.backend);
    let nobody = UserId::new(START);
    assert_eq!(
        db.read(move |conn| user_store::find(conn, nobody)).await,
        Ok(None)
    );
}

#[rstest]
#[tokio::test]
async fn every_change_is_a_compare_and_set(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let db = migrated(&database).await;
    let user = user("a@example.org", "Ada", START);
    let later = START.plus(Duration::from_secs(1));
    tx(&db, move |conn| {
        let id = user.id;
        user_store::insert(conn, &user)?;
        assert!(user_store::touch_pending(conn, id, later)?);
        assert!(
            !user_store::delete_pending(conn, id, Some(START))?,
            "it was touched since"
        );
        assert!(user_store::activate(conn, id, later)?);
        assert!(!user_store::activate(conn, id, later)?, "only once");
        assert!(!user_store::touch_pending(conn, id, later)?);
        assert!(!user_store::delete_pending(conn, id, None)?);
        let active = user_store::find(conn, id)?.unwrap();
        assert_eq!(
            (active.status, active.version, active.updated_at),
            (UserStatus::Active, 1, later)
        );

        let suspended = User {
            status: UserStatus::Suspended,
            version: 2,
            ..active.clone()
        };
        assert!(user_store::set_status(conn, &suspended, 1)?);
        assert!(!user_store::set_status(conn, &suspended, 1)?);
        assert!(!user_store::update(conn, &active, 1)?);
        assert_eq!(user_store::find(conn, id)?, Some(suspended.clone()));

        user_store::set_words(conn, id, &suspended.words())?;
        assert!(!user_store::erase(conn, &suspended, 1)?);
        let deleted = User {
            version: 3,
            ..suspended
        };
        assert!(user_store::erase(conn, &deleted, 2)?);
        let deleted = user_store::find(conn, id)?.unwrap();
        let nothing: [&Option<String>; 8] = [
            &deleted.email,
            &deleted.email_canonical,
            &deleted.username,
            &deleted.given_name,
            &deleted.family_name,
            &deleted.phone,
            &deleted.locale,
            &deleted.timezone,
        ];
        assert!(nothing.into_iter().all(Option::is_none));
        assert_eq!((deleted.status, deleted.version), (UserStatus::Deleted, 3));
        assert_eq!(deleted.created_at, START);
        Ok(())
    })
    .await;
    let word = UserFilter {
        words: vec!["ada".to_owned()],
        ..UserFilter::default()
    };
    assert_eq!(found(&db, word).await, [], "{}", database.backend);
}

#[rstest]
#[tokio::test]
async fn a_search_finds_whole_identifiers_and_beginnings_of_words(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let db = migrated(&database).await;
    let at = |seconds| START.plus(Duration::from_secs(seconds));
    let ada = user("ada@example.org", "Ada", at(1));
    let adele = user("x@example.org", "Adèle Åse", at(2));
    let pending = user("pending@example.org", "Adam", at(3));
    activate(&db, &ada).await;
    activate(&db, &adele).await;
    tx(&db, move |conn| {
        user_store::insert(conn, &pending)?;
        user_store::set_words(conn, pending.id, &pending.words())
    })
    .await;
    let words = |words: &[&str]| UserFilter {
        words: words.iter().map(ToString::to_string).collect(),
        ..UserFilter::default()
    };
    let cases = [
        (words(&["ad"]), vec![ada.id, adele.id]),
        (words(&["ada"]), vec![ada.id]),
        (words(&["adè"]), vec![adele.id]),
        (words(&["ad", "ås"]), vec![adele.id]),
        (words(&["ade"]), vec![]),
        (words(&["da"]), vec![]),
        (words(&["a%"]), vec![]),
        (words(&["ada@example.org"]), vec![ada.id]),
        (words(&["example"]), vec![]),
        (
            UserFilter {
                email: Some("x@example.org".into()),
                ..UserFilter::default()
            },
            vec![adele.id],
        ),
        (
            UserFilter {
                email: Some("x@example.org ".into()),
                ..UserFilter::default()
            },
            vec![],
        ),
        (
            UserFilter {
                email: Some("X@example.org".into()),
                ..UserFilter::default()
            },
            vec![],
        ),
        (UserFilter::default(), vec![ada.id, adele.id]),
        (
            UserFilter {
                status: Some(UserStatus::Suspended),
                ..UserFilter::default()
            },
            vec![],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(
            found(&db, filter.clone()).await,
            expected,
            "{} {filter:?}",
            database.backend
        );
    }
}

#[rstest]
#[tokio::test]
async fn pages_are_stable_under_inserts(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let db = migrated(&database).await;
    let mut ids = Vec::new();
    for i in 0..7 {
        let user = user(
            &format!("u{i}@example.org"),
            "Ada",
            START.plus(Duration::from_millis(i)),
        );
        activate(&db, &user).await;
        ids.push(user.id);
    }
    let page = |after| {
        let db = db.clone();
        async move {
            let list =
                move |conn: &mut DbConn| user_store::list(conn, &UserFilter::default(), after, 3);
            db.read(list).await.unwrap()
        }
    };
    let first = page(None).await;
    let late = user(
        "late@example.org",
        "Ada",
        START.plus(Duration::from_secs(1)),
    );
    activate(&db, &late).await;
    ids.push(late.id);
    let mut seen: Vec<UserId> = first.iter().map(|user| user.id).collect();
    while let next = page(seen.last().copied()).await
        && !next.is_empty()
    {
        seen.extend(next.iter().map(|user| user.id));
    }
    assert_eq!(seen, ids, "{}", database.backend);
}

#[rstest]
#[tokio::test]
async fn idempotency_keys_are_locked_expire_and_go_with_their_user(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let db = migrated(&database).await;
    let keys = IdempotencyKeys::new(&[1; 32]);
    let day = keys.record("op", "key-0123456789abcdef", &[Some("body")], START);
    let forever = keys.record_for_ever("once", &[Some("body")]);
    let user = user("a@example.org", "Ada", START);
    tx(&db, move |conn| {
        let at = |seconds| START.plus(Duration::from_secs(seconds));
        user_store::insert(conn, &user)?;
        idempotency_store::insert(conn, &day, user.id, at(6), START)?;
        idempotency_store::insert(conn, &forever, user.id, at(6), START)?;
        let record = idempotency_store::find(conn, &day.id)?.unwrap();
        assert_eq!(record.user_id, user.id);
        assert_eq!(
            (record.locked_until, record.expires_at),
            (at(6), at(24 * 3600))
        );
        assert!(idempotency_store::lock(conn, &day.id, at(6), at(12))?);
        assert!(!idempotency_store::lock(conn, &day.id, at(6), at(12))?);
        assert_eq!(
            idempotency_store::delete_expired(conn, at(24 * 3600 - 1))?,
            0
        );
        assert_eq!(idempotency_store::delete_expired(conn, at(24 * 3600))?, 1);
        assert!(idempotency_store::find(conn, &forever.id)?.is_some());
        assert!(user_store::delete_pending(conn, user.id, Some(START))?);
        assert_eq!(idempotency_store::find(conn, &forever.id)?, None);
        Ok(())
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn replicas_that_start_together_agree_on_the_server_key(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    let db = migrated(&database).await;
    let sealer = Sealer::new(Service::Profile, new_key_ring("k1").parse().unwrap());
    let made = (0..8).map(|_| {
        let (db, sealer) = (db.clone(), sealer.clone());
        tokio::spawn(async move { IdempotencyKeys::load(&db, &sealer, START).await })
    });
    let mut ids = Vec::new();
    for task in made.collect::<Vec<_>>() {
        let keys = task.await.unwrap().unwrap();
        ids.push(keys.record("operation", "a-key-of-a-client", &[], START).id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{}", database.backend);
}
