//! Servers that are down, silent, restarted or cut off in the middle.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rstest::rstest;
use testkit::Proxy;
use ud_db::{Backend, Db, StoreError};
use ud_kernel::{Service, Timestamp, UserId};

use crate::{
    servers::{Fresh, admin, options},
    store::{self, MIGRATIONS},
    transactions::{thing, with_things},
};

const SERVERS: [Backend; 2] = [Backend::Postgres, Backend::Mysql];

/// A migrated database, a proxy in front of it that refuses, and a pool that goes through the proxy.
async fn behind_proxy(backend: Backend) -> (Fresh, Proxy, Db) {
    let fresh = Fresh::new(backend);
    fresh.db().migrate(&[&MIGRATIONS]).await.unwrap();
    let mut url = url::Url::parse(&fresh.url).unwrap();
    let server: SocketAddr = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
        .parse()
        .unwrap();
    let proxy = Proxy::start(server);
    proxy.cut();
    url.set_port(Some(proxy.port())).unwrap();
    let db = Db::open(&options(url.as_str()), Service::Role).unwrap();
    (fresh, proxy, db)
}

async fn assert_unavailable(db: &Db) {
    let start = Instant::now();
    let error = db.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}

/// The pool goes on trying by itself; calls fail quickly in the meantime.
async fn assert_found_again(db: &Db) {
    let start = Instant::now();
    while let Err(error) = db.ping().await {
        assert!(start.elapsed() < Duration::from_secs(6), "{error:?}");
    }
}

async fn add(db: &Db) -> Result<(), StoreError> {
    db.tx(|conn| {
        let at = Timestamp::from_millis(1);
        store::add(conn, UserId::new(at), "counter", at)
    })
    .await
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_and_found_again() {
    // Both at once: most of it is waiting.
    let [postgres, mysql] = SERVERS.map(|backend| tokio::spawn(goes_down_and_comes_back(backend)));
    postgres.await.unwrap();
    mysql.await.unwrap();
}

async fn goes_down_and_comes_back(backend: Backend) {
    let (_fresh, proxy, db) = behind_proxy(backend).await;
    assert_unavailable(&db).await;
    proxy.resume();
    assert_found_again(&db).await;
    proxy.cut();
    assert_unavailable(&db).await;
    assert_unavailable(&db).await;
    proxy.resume();
    assert_found_again(&db).await;
    add(&db).await.unwrap();
}

#[tokio::test]
async fn a_silent_server_is_unavailable_and_found_again() {
    // Both at once: most of it is waiting.
    let [postgres, mysql] =
        SERVERS.map(|backend| tokio::spawn(falls_silent_and_comes_back(backend)));
    postgres.await.unwrap();
    mysql.await.unwrap();
}

async fn falls_silent_and_comes_back(backend: Backend) {
    let (_fresh, proxy, db) = behind_proxy(backend).await;
    proxy.hang();
    assert_unavailable(&db).await;
    assert_unavailable(&db).await;
    proxy.resume();
    assert_found_again(&db).await;
}

#[rstest]
#[tokio::test]
async fn connections_that_died_while_idle_are_replaced_without_an_error(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (_fresh, proxy, db) = behind_proxy(backend).await;
    proxy.resume();
    // Several at once, so that several connections are opened.
    let several = || async {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { add(&db).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
    };
    several().await;
    proxy.cut_once().await;
    several().await;
    proxy.cut_once().await;
    db.ping().await.unwrap();
    let n = db.read(|conn| store::count(conn, "counter")).await.unwrap();
    assert_eq!(n, 16, "{backend}");
}

#[rstest]
#[tokio::test]
async fn a_transaction_cut_in_the_middle_is_not_repeated_and_not_committed(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (_fresh, proxy, db) = behind_proxy(backend).await;
    proxy.resume();
    add(&db).await.unwrap();
    let proxy = std::sync::Arc::new(proxy);
    let cutter = std::sync::Arc::clone(&proxy);
    let runtime = tokio::runtime::Handle::current();
    let mut runs = 0;
    let result: Result<(), StoreError> = db
        .tx(move |conn| {
            runs += 1;
            assert_eq!(runs, 1);
            let at = Timestamp::from_millis(1);
            store::add(conn, UserId::new(at), "counter", at)?;
            runtime.block_on(cutter.cut_once());
            store::add(conn, UserId::new(at), "counter", at)
        })
        .await;
    let error = result.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let n = db.read(|conn| store::count(conn, "counter")).await.unwrap();
    assert_eq!(n, 1, "{backend}");
}

#[rstest]
#[case(Backend::Postgres, "SELECT pg_terminate_backend(pg_backend_pid())")]
#[case(Backend::Mysql, "KILL CONNECTION_ID()")]
#[tokio::test]
async fn a_session_ended_by_the_server_is_unavailable(
    #[case] backend: Backend,
    #[case] kill: &'static str,
) {
    let fresh = Fresh::new(backend);
    let db = fresh.db();
    let result: Result<usize, StoreError> = db
        .tx(move |conn| {
            use diesel::RunQueryDsl as _;
            Ok(diesel::sql_query(kill).execute(conn)?)
        })
        .await;
    let error = result.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    db.ping().await.unwrap();
}

#[tokio::test]
async fn a_copy_on_a_session_that_was_ended_is_unavailable_and_on_a_good_one_an_insert() {
    let fresh = Fresh::new(Backend::Postgres);
    let db = with_things(&fresh, &["there"]).await;
    let names = |names: &[&str]| names.iter().map(|name| thing(name)).collect::<Vec<_>>();
    let (good, double) = (names(&["a", "b"]), names(&["c", "there"]));
    let count = db.tx(move |conn| store::copy(conn, &good)).await;
    assert_eq!(count, Ok(2));
    // As an INSERT: the index by its name, a transaction that can still be ended, and one that is run again.
    let error = db.tx({
        let double = double.clone();
        move |conn| store::copy(conn, &double)
    });
    let error = error.await.unwrap_err();
    assert!(error.is_unique("uq_things_name"), "{error:?}");
    let mut runs = 0;
    let again = db.tx(move |conn| {
        runs += 1;
        let things = if runs == 1 { &double[..] } else { &double[..1] };
        store::copy(conn, things).map_err(StoreError::or_again)
    });
    assert_eq!(again.await, Ok(1));
    let server = fresh.url.clone();
    let late = names(&["d"]);
    let result: Result<usize, StoreError> = db
        .tx(move |conn| {
            use diesel::RunQueryDsl as _;
            let own = diesel::dsl::sql::<diesel::sql_types::Integer>("SELECT pg_backend_pid()");
            let own: i32 = own.get_result(conn)?;
            admin(
                Backend::Postgres,
                &server,
                &format!("SELECT pg_terminate_backend({own}, 5000)"),
            );
            store::copy(conn, &late)
        })
        .await;
    let error = result.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    for (name, is_there) in [("a", true), ("b", true), ("c", true), ("d", false)] {
        let found = db.read(move |conn| store::count(conn, name)).await;
        assert_eq!(found.is_ok(), is_there, "{name}: {found:?}");
    }
}
