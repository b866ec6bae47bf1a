//! Nothing is lost and nothing hangs, however transactions meet.

use std::sync::{
    Arc, Barrier,
    atomic::{AtomicU32, Ordering},
};

use diesel::prelude::*;
use rstest::rstest;
use ud_db::{Backend, Db, DbConn, StoreError, TxError};
use ud_kernel::{Timestamp, UserId};

use crate::{
    servers::Fresh,
    store::{self, MIGRATIONS, Thing, things},
};

pub fn thing(name: &str) -> Thing {
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

pub async fn with_things(fresh: &Fresh, names: &'static [&'static str]) -> Db {
    let db = fresh.db();
    db.migrate(&[&MIGRATIONS]).await.unwrap();
    db.tx(move |conn| {
        for name in names {
            store::insert(conn, &thing(name))?;
        }
        Ok::<_, StoreError>(())
    })
    .await
    .unwrap();
    db
}

pub fn raise(conn: &mut DbConn, name: &str) -> Result<(), StoreError> {
    diesel::update(things::table.filter(things::name.eq(name)))
        .set(things::count.eq(things::count + 1))
        .execute(conn)?;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn concurrent_read_then_write_loses_nothing(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    // Two pools, as two replicas have.
    let pools = [with_things(&fresh, &["old"]).await, fresh.db()];
    let calls: Vec<_> = (0..50)
        .map(|n| {
            let db = pools[n % 2].clone();
            tokio::spawn(async move {
                db.tx(|conn| {
                    store::count(conn, "old")?;
                    raise(conn, "old")?;
                    // Not there at first: the upsert's race.
                    store::add(conn, thing("").id, "new", Timestamp::from_millis(0))
                })
                .await
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let counts: (i64, i64) = pools[0]
        .read(|conn| Ok::<_, StoreError>((store::count(conn, "old")?, store::count(conn, "new")?)))
        .await
        .unwrap();
    assert_eq!(counts, (50, 50), "{backend}");
}

#[rstest]
#[tokio::test]
async fn a_deadlock_is_run_again(#[values(Backend::Postgres, Backend::Mysql)] backend: Backend) {
    // SQLite's writers never hold anything while they wait.
    let fresh = Fresh::new(backend);
    let db = with_things(&fresh, &["a", "b"]).await;
    let both = Arc::new(Barrier::new(2));
    let runs = Arc::new(AtomicU32::new(0));
    let calls: Vec<_> = [["a", "b"], ["b", "a"]]
        .into_iter()
        .map(|[first, second]| {
            let (db, both, runs) = (db.clone(), Arc::clone(&both), Arc::clone(&runs));
            let mut meet = true;
            tokio::spawn(async move {
                db.tx(move |conn| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    raise(conn, first)?;
                    if std::mem::take(&mut meet) {
                        both.wait();
                    }
                    raise(conn, second)
                })
                .await
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(
        runs.load(Ordering::SeqCst) > 2,
        "{backend}: they did not meet"
    );
    let n = db.read(|conn| store::count(conn, "a")).await.unwrap();
    assert_eq!(n, 2, "{backend}");
}

#[rstest]
#[tokio::test]
async fn a_deadlock_the_closure_hides_is_not_taken_for_a_commit(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = with_things(&fresh, &["a", "b"]).await;
    let both = Arc::new(Barrier::new(2));
    let calls: Vec<_> = [["a", "b"], ["b", "a"]]
        .into_iter()
        .map(|[first, second]| {
            let (db, both) = (db.clone(), Arc::clone(&both));
            tokio::spawn(async move {
                db.tx(move |conn| {
                    raise(conn, first)?;
                    both.wait();
                    let _ = raise(conn, second);
                    Ok::<_, StoreError>(())
                })
                .await
            })
        })
        .collect();
    let mut done = 0;
    for call in calls {
        done += i64::from(call.await.unwrap().is_ok());
    }
    let n = db.read(|conn| store::count(conn, "a")).await.unwrap();
    assert_eq!((done, n), (1, 1), "{backend}");
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum FlowError {
    #[error("refused")]
    Refused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TxError for FlowError {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Refused => None,
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_flow_error_rolls_back_and_is_not_repeated(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = with_things(&fresh, &["a"]).await;
    let mut runs = 0;
    let result: Result<(), FlowError> = db
        .tx(move |conn| {
            runs += 1;
            assert_eq!(runs, 1);
            raise(conn, "a")?;
            Err(FlowError::Refused)
        })
        .await;
    assert_eq!(result, Err(FlowError::Refused));
    let n = db.read(|conn| store::count(conn, "a")).await.unwrap();
    assert_eq!(n, 0, "{backend}");
}

#[rstest]
#[tokio::test]
async fn a_race_lost_again_and_again_ends_after_three_repeats(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = with_things(&fresh, &["a"]).await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let result: Result<(), StoreError> = db
        .tx(move |conn| {
            counted.fetch_add(1, Ordering::SeqCst);
            store::insert(conn, &thing("a")).map_err(StoreError::or_again)
        })
        .await;
    assert_eq!(result, Err(StoreError::Conflict));
    assert_eq!(runs.load(Ordering::SeqCst), 4, "{backend}");
}

#[rstest]
#[tokio::test]
async fn a_panic_is_an_error_and_undoes_what_was_done(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = with_things(&fresh, &["a"]).await;
    let result: Result<(), StoreError> = db
        .tx(|conn| {
            raise(conn, "a")?;
            panic!("on purpose")
        })
        .await;
    assert!(matches!(result, Err(StoreError::Internal(_))), "{result:?}");
    let result: Result<(), StoreError> = db.read(|_| panic!("on purpose")).await;
    assert!(matches!(result, Err(StoreError::Internal(_))), "{result:?}");
    let n = db
        .tx(|conn| {
            raise(conn, "a")?;
            store::count(conn, "a")
        })
        .await
        .unwrap();
    assert_eq!(n, 1, "{backend}");
}

#[rstest]
#[tokio::test]
async fn an_error_the_closure_hides_is_not_taken_for_a_commit(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let db = with_things(&fresh, &["a"]).await;
    let result: Result<(), StoreError> = db
        .tx(|conn| {
            raise(conn, "a")?;
            let _ = store::insert(conn, &thing("a"));
            Ok(())
        })
        .await;
    let n = db.read(|conn| store::count(conn, "a")).await.unwrap();
    // The other two undo the failed statement only.
    let expected = i64::from(backend != Backend::Postgres);
    assert_eq!((result.is_ok(), n), (expected == 1, expected), "{backend}");
}

#[tokio::test]
async fn the_closure_works_for_the_same_request() {
    let fresh = Fresh::new(Backend::Sqlite);
    let db = fresh.db();
    let context = ud_telemetry::RequestContext::new("r-1");
    let id = ud_telemetry::scope(
        context,
        db.read(|_| {
            let context = ud_telemetry::current().unwrap();
            Ok::<_, StoreError>(context.request_id().to_owned())
        }),
    )
    .await;
    assert_eq!(id.as_deref(), Ok("r-1"));
}

#[tokio::test]
async fn calls_and_connections_are_measured() {
    let fresh = Fresh::new(Backend::Sqlite);
    let db = with_things(&fresh, &["a"]).await;
    let metrics = ud_telemetry::Metrics::new("standalone");
    db.register_metrics(&metrics);
    let lost: Result<(), StoreError> = db
        .tx(|conn| store::insert(conn, &thing("a")).map_err(StoreError::or_again))
        .await;
    lost.unwrap_err();
    db.ping().await.unwrap();
    let text = metrics.render();
    for line in [
        "db_pool_connections{service=\"role\",state=\"idle\"} 1",
        "db_pool_connections{service=\"role\",state=\"used\"} 0",
        "db_pool_waiting{service=\"role\"} 0",
        "db_pool_wait_seconds_count{service=\"role\"} 2",
        "db_call_seconds_count{kind=\"tx\",service=\"role\"} 1",
        "db_call_seconds_count{kind=\"read\",service=\"role\"} 1",
        "db_tx_repeats_total{service=\"role\"} 3",
        "db_errors_total{kind=\"conflict\",service=\"role\"} 1",
    ] {
        assert!(text.contains(line), "{line} not in {text}");
    }
}
