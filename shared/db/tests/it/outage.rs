//! Servers that are down, silent, restarted or cut off in the middle.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use ud_db::{Backend, Db, StoreError};
use ud_kernel::{Service, Timestamp, UserId};

use crate::{
    proxy::Proxy,
    servers::{Fresh, options},
    store::{self, MIGRATIONS},
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
    let proxy = Proxy::down(server).await;
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
    let (_fresh, mut proxy, db) = behind_proxy(backend).await;
    assert_unavailable(&db).await;
    proxy.forward().await;
    assert_found_again(&db).await;
    proxy.refuse().await;
    assert_unavailable(&db).await;
    assert_unavailable(&db).await;
    proxy.forward().await;
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
    let (_fresh, mut proxy, db) = behind_proxy(backend).await;
    proxy.fall_silent().await;
    assert_unavailable(&db).await;
    assert_unavailable(&db).await;
    proxy.forward().await;
    assert_found_again(&db).await;
}

#[tokio::test]
async fn connections_that_died_while_idle_are_replaced_without_an_error() {
    for backend in SERVERS {
        let (_fresh, mut proxy, db) = behind_proxy(backend).await;
        proxy.forward().await;
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
        proxy.cutter().cut().await;
        several().await;
        proxy.cutter().cut().await;
        db.ping().await.unwrap();
        let n = db.read(|conn| store::count(conn, "counter")).await.unwrap();
        assert_eq!(n, 16, "{backend}");
    }
}

#[tokio::test]
async fn a_transaction_cut_in_the_middle_is_not_repeated_and_not_committed() {
    for backend in SERVERS {
        let (_fresh, mut proxy, db) = behind_proxy(backend).await;
        proxy.forward().await;
        add(&db).await.unwrap();
        let cutter = proxy.cutter();
        let runtime = tokio::runtime::Handle::current();
        let mut runs = 0;
        let result: Result<(), StoreError> = db
            .tx(move |conn| {
                runs += 1;
                assert_eq!(runs, 1);
                let at = Timestamp::from_millis(1);
                store::add(conn, UserId::new(at), "counter", at)?;
                runtime.block_on(cutter.cut());
                store::add(conn, UserId::new(at), "counter", at)
            })
            .await;
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        let n = db.read(|conn| store::count(conn, "counter")).await.unwrap();
        assert_eq!(n, 1, "{backend}");
    }
}

#[tokio::test]
async fn a_session_ended_by_the_server_is_unavailable() {
    for (backend, kill) in [
        (
            Backend::Postgres,
            "SELECT pg_terminate_backend(pg_backend_pid())",
        ),
        (Backend::Mysql, "KILL CONNECTION_ID()"),
    ] {
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
}
