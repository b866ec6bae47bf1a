//! What the SQLite store keeps over a restart.

use std::time::Duration;

use session_service::{
    StoreConfig,
    models::{
        session::Refusal,
        session_store::{CloseOrder, Closing, SessionStore as _},
    },
};
use tokio::{sync::oneshot, time::timeout};
use ud_db::{Db, DbError, FileLock, StoreError};
use ud_kernel::{Clock, Service, SessionId, models::SessionState};

use crate::{
    app::try_start,
    support::{START, create, list_of, origin, refusal, rotation, secs, sqlite_store, token, user},
};

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let user = user();
    let id = SessionId::new(START);
    let (store, _) = sqlite_store(folder.path(), &clock).await;
    let grant = store.create(id, create(user, START)).await.unwrap().grant;
    let closed = store
        .create(SessionId::new(START), create(user, START))
        .await
        .unwrap()
        .grant;
    let order = session_service::models::session_store::CloseOrder {
        user_id: user,
        closing: Closing::One(closed.session_id),
        origin: origin(),
        now: START,
    };
    store.close(order).await.unwrap();
    drop(store);

    let (store, _) = sqlite_store(folder.path(), &clock).await;
    let next = store
        .rotate(rotation(&grant, user, START.plus(secs(1))))
        .await
        .unwrap();
    assert_eq!((next.counter, &next.incarnation), (2, &grant.incarnation));
    let state = store.state(id, token(&grant, user), START).await.unwrap();
    assert_eq!(state, SessionState::Good);
    let again = store.create(closed.session_id, create(user, START)).await;
    assert_eq!(refusal(again), Refusal::Closed);
    assert_eq!(list_of(&*store).await.len(), 1);
}

#[tokio::test]
async fn a_new_file_is_a_new_incarnation() {
    let clock = Clock::manual(START);
    let user = user();
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, _) = sqlite_store(first.path(), &clock).await;
    let old = store
        .create(SessionId::new(START), create(user, START))
        .await
        .unwrap()
        .grant;
    let (store, _) = sqlite_store(second.path(), &clock).await;
    let new = store
        .create(old.session_id, create(user, START))
        .await
        .unwrap()
        .grant;
    assert_ne!(old.incarnation, new.incarnation);
    let state = store
        .state(old.session_id, token(&old, user), START)
        .await
        .unwrap();
    assert_eq!(state, SessionState::Closed, "a token of the old file");
}

#[tokio::test]
async fn one_process_has_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = sqlite_store(folder.path(), &Clock::manual(START)).await;
    let file = folder.path().join("session.db");
    let taken = FileLock::alone(&file);
    assert!(matches!(taken, Err(DbError::InUse(_))), "{taken:?}");
    drop(store);
    FileLock::alone(&file).unwrap();
}

#[tokio::test]
async fn what_has_had_its_time_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let (store, _) = sqlite_store(folder.path(), &clock).await;
    let user = user();
    let grant = store
        .create(SessionId::new(START), create(user, START))
        .await
        .unwrap()
        .grant;
    let order = session_service::models::session_store::CloseOrder {
        user_id: user,
        closing: Closing::Below {
            min_epoch: 1,
            except: None,
        },
        origin: origin(),
        now: START,
    };
    store.close(order).await.unwrap();
    // A login by a clock that is a year ahead deletes nothing: only the store's own clock says what has had its time.
    let year = secs(365 * 86_400);
    let later = START.plus(year);
    store
        .create(SessionId::new(later), create(crate::support::user(), later))
        .await
        .unwrap();
    let mut below = create(user, later);
    below.epoch = 0;
    let refused = store.create(SessionId::new(later), below).await;
    assert_eq!(refusal(refused), Refusal::EpochTooOld);
    // A year later somebody else logs in: the session, and the epoch that would refuse, are gone.
    clock.advance(year);
    store
        .create(SessionId::new(later), create(crate::support::user(), later))
        .await
        .unwrap();
    let mut first = create(user, later);
    first.epoch = 0;
    store.create(SessionId::new(later), first).await.unwrap();
    assert_eq!(store.find(grant.session_id, START).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_on_the_file_exits_78() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("session.db").display());
    let store = || StoreConfig::Sqlite(testkit::database_config(&url));
    let first = try_start(store()).await.unwrap();
    assert_eq!(try_start(store()).await.map(drop), Err(78));
    drop(first);
    try_start(store()).await.unwrap();
    // Only SQLite takes the place of Redis.
    let elsewhere = testkit::database_config("postgres://u@127.0.0.1:1/session");
    assert_eq!(
        try_start(StoreConfig::Sqlite(elsewhere)).await.map(drop),
        Err(78)
    );
}

/// Finding 20: a logout by the token of a session closed long ago was a write each time.
#[tokio::test]
async fn ending_what_has_ended_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let user = user();
    let (store, _) = sqlite_store(folder.path(), &clock).await;
    let id = SessionId::new(START);
    store.create(id, create(user, START)).await.unwrap();
    let order = |id| CloseOrder {
        user_id: user,
        closing: Closing::One(id),
        origin: origin(),
        now: START,
    };
    assert_eq!(store.close(order(id)).await.unwrap(), 1);

    // Somebody else holds the file's one write transaction.
    let url = format!("sqlite://{}", folder.path().join("session.db").display());
    let other = testkit::database_config(&url);
    let db = Db::open_unlocked(&other, Service::Session).unwrap();
    let (entered, is_held) = oneshot::channel();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let mut entered = Some(entered);
    let writer = tokio::spawn(async move {
        let hold = move |_: &mut ud_db::DbConn| {
            if let Some(entered) = entered.take() {
                let _ = entered.send(());
            }
            let _ = held.recv();
            Ok::<_, StoreError>(())
        };
        db.tx(hold).await
    });
    is_held.await.unwrap();
    for id in [id, SessionId::new(START)] {
        let closed = timeout(Duration::from_secs(20), store.close(order(id)));
        assert_eq!(closed.await.expect("it waits for the lock").unwrap(), 0);
    }
    drop(release);
    writer.await.unwrap().unwrap();
}
