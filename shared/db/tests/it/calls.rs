//! Calls that wait, are given up, or take too long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use rstest::rstest;
use ud_db::{Backend, Db, StoreError};
use ud_kernel::Service;
use ud_telemetry::RequestContext;

use crate::{
    servers::Fresh,
    store,
    transactions::{raise, with_things},
};

/// A pool of one whose connection is taken until the sender is dropped.
async fn taken(fresh: &Fresh) -> (Db, mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
    with_things(fresh, &["a"]).await;
    let mut options = fresh.options();
    options.pool_size = 1;
    options.acquire_timeout = Duration::from_millis(50);
    let db = Db::open(&options, Service::Role).unwrap();
    let (release, released) = mpsc::channel::<()>();
    let (started, start) = tokio::sync::oneshot::channel();
    let mut started = Some(started);
    let holder = db.clone();
    let task = tokio::spawn(async move {
        holder
            .tx(move |conn| {
                raise(conn, "a")?;
                if let Some(started) = started.take() {
                    started.send(()).unwrap();
                }
                let _ = released.recv();
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    });
    start.await.unwrap();
    (db, release, task)
}

#[rstest]
#[tokio::test]
async fn no_free_connection_is_a_timeout(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let (db, release, task) = taken(&fresh).await;
    let error = db.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Timeout(_)), "{error:?}");
    let error = raise_through(&db).await.unwrap_err();
    assert!(matches!(error, StoreError::Timeout(_)), "{error:?}");
    let state = db.pool_state();
    assert_eq!(
        (state.max, state.size, state.idle, state.waiting),
        (1, 1, 0, 0)
    );
    drop(release);
    task.await.unwrap();
    raise_through(&db).await.unwrap();
    let n = db.read(|conn| store::count(conn, "a")).await.unwrap();
    assert_eq!(n, 2, "{backend}");
}

async fn raise_through(db: &Db) -> Result<(), StoreError> {
    db.tx(|conn| raise(conn, "a")).await
}

#[rstest]
#[tokio::test]
async fn a_transaction_begun_is_finished_when_nobody_waits_for_it(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let (db, release, task) = taken(&fresh).await;
    task.abort();
    let _ = task.await;
    drop(release);
    // The pool has one connection: this comes after the commit.
    let n = loop {
        match db.read(|conn| store::count(conn, "a")).await {
            Err(StoreError::Timeout(_)) => {}
            other => break other.unwrap(),
        }
    };
    assert_eq!(n, 1, "{backend}");
}

#[rstest]
#[tokio::test]
async fn a_call_given_up_before_it_began_never_runs(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let (db, release, task) = taken(&fresh).await;
    let has_run = Arc::new(AtomicBool::new(false));
    let call = || {
        let (db, has_run) = (db.clone(), Arc::clone(&has_run));
        let run = move |_: &mut _| {
            has_run.store(true, Ordering::SeqCst);
            Ok::<_, StoreError>(())
        };
        async move { db.read(run).await }
    };
    // One by its caller, one by time.
    let dropped = tokio::spawn(call());
    while db.pool_state().waiting == 0 {
        tokio::task::yield_now().await;
    }
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    assert!(matches!(call().await, Err(StoreError::Timeout(_))));
    assert_eq!(db.pool_state().waiting, 0);
    drop(release);
    task.await.unwrap();
    // Its turn comes after theirs.
    raise_through(&db).await.unwrap();
    assert!(!has_run.load(Ordering::SeqCst), "{backend}");
}

#[tokio::test]
async fn little_is_left_of_calls_given_up_while_the_database_hangs() {
    let fresh = Fresh::new(Backend::Sqlite);
    let (db, release, task) = taken(&fresh).await;
    let held = Arc::new(());
    let calls = (0..100).map(|_| {
        let (db, held) = (db.clone(), Arc::clone(&held));
        tokio::spawn(async move {
            let call = move |_: &mut _| Ok::<_, StoreError>(Arc::strong_count(&held));
            db.read(call).await
        })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Timeout(_)), "{error:?}");
    }
    // Of each thread's four next calls: there is one thread.
    assert_eq!(Arc::strong_count(&held), 1 + 4);
    drop(release);
    task.await.unwrap();
    raise_through(&db).await.unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn a_call_ends_after_ten_seconds_however_long_it_might_wait() {
    let fresh = Fresh::new(Backend::Sqlite);
    let mut options = fresh.options();
    options.acquire_timeout = Duration::from_secs(60);
    let db = Db::open(&options, Service::Role).unwrap();
    let (release, released) = mpsc::channel::<()>();
    let begun = Instant::now();
    let hangs = move |_: &mut _| {
        let _ = released.recv();
        Ok::<_, StoreError>(())
    };
    let error = db.read(hangs).await.unwrap_err();
    let took = begun.elapsed();
    assert_eq!(error, StoreError::Timeout("the database did not answer"));
    assert!((9_900..13_000).contains(&took.as_millis()), "{took:?}");
    drop(release);
}

#[tokio::test]
async fn the_last_handle_may_go_on_a_thread_of_its_own_pool() {
    let fresh = Fresh::new(Backend::Sqlite);
    let db = fresh.db();
    let caller = db.clone();
    let (started, start) = tokio::sync::oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let (mut started, dropped) = (Some(started), Arc::new(()));
    let held = Arc::clone(&dropped);
    let call = tokio::spawn(async move {
        caller
            .read(move |_| {
                let _held = &held;
                let _ = started.take().map(|started| started.send(()));
                let _ = released.recv();
                Ok::<_, StoreError>(())
            })
            .await
    });
    start.await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // Here it goes in an async context; the call's own handle is the last.
    drop(db);
    drop(release);
    while Arc::strong_count(&dropped) > 1 {
        tokio::task::yield_now().await;
    }
}

#[rstest]
#[tokio::test]
async fn nothing_is_committed_after_its_requests_deadline(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = with_things(&fresh, &["a"]).await;
    let soon = Instant::now() + Duration::from_millis(300);
    for deadline in [Instant::now(), soon] {
        let late = move |conn: &mut _| {
            raise(conn, "a")?;
            // Whatever holds it up: the work is done when nobody waits any more.
            while Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok::<_, StoreError>(())
        };
        let context = RequestContext::new("r-1").until(deadline);
        let outcome = ud_telemetry::scope(context, db.tx(late)).await;
        assert!(
            matches!(outcome, Err(StoreError::Timeout(_))),
            "{backend}: {outcome:?}"
        );
    }
    // Without a deadline, and before one, it is committed.
    raise_through(&db).await.unwrap();
    let context = RequestContext::new("r-2").until(Instant::now() + Duration::from_secs(60));
    ud_telemetry::scope(context, raise_through(&db))
        .await
        .unwrap();
    let count = db.read(|conn| store::count(conn, "a")).await.unwrap();
    assert_eq!(count, 2, "{backend}");
}
