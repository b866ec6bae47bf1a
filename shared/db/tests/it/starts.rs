//! Starts on databases that are away, slow, silent, broken, or do not want us.

use std::{
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::Path,
    time::{Duration, Instant},
};

use diesel::{Connection as _, connection::SimpleConnection as _};
use log::Level;
use rstest::rstest;
use testkit::Proxy;
use tokio::time::timeout;
use ud_config::DatabaseConfig;
use ud_db::{Backend, Db, DbError, Migrations, StoreError};
use ud_kernel::{Service, StartError};
use ud_telemetry::Metrics;

use crate::{
    heard::{heard, listen, until_heard},
    servers::{Fresh, admin, options, server_url},
    store::MIGRATIONS,
};

const OWNERS: [&Migrations; 1] = [&MIGRATIONS];
/// As long as what needs no waiting may take.
const SOON: Duration = Duration::from_secs(5);

async fn start(config: DatabaseConfig) -> Result<Db, DbError> {
    listen();
    Db::start(&config, Service::Role, &OWNERS, &Metrics::new("test")).await
}

fn on(url: &str) -> DatabaseConfig {
    testkit::database_config(url)
}

/// Calls are refused because migrations have not run, whether or not the server is there.
async fn assert_refused(db: &Db) {
    let error = db.ping().await.unwrap_err();
    let expected = StoreError::Unavailable("migrations have not run yet".to_owned());
    assert_eq!(error, expected);
}

async fn until_served(db: &Db) {
    let start = Instant::now();
    while let Err(error) = db.ping().await {
        assert!(start.elapsed() < SOON, "{error:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(db.ready(&OWNERS).await, Ok(()));
}

#[tokio::test]
async fn a_migration_that_fails_after_the_first_wait_is_told_and_tried_again() {
    let fresh = Fresh::new(Backend::Postgres);
    admin(fresh.backend, &fresh.url, "CREATE TABLE things (x INT)");
    let mut other = diesel::PgConnection::establish(&fresh.url).unwrap();
    other
        .batch_execute("SELECT pg_advisory_lock(8243100417)")
        .unwrap();
    let started = Instant::now();
    let db = start(on(&fresh.url)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(10));
    assert_eq!(heard(Level::Warn, "have not ended within 10s"), 1);
    assert_refused(&db).await;
    let pending = db.ready(&OWNERS).await;
    assert_eq!(pending, Err("2 migrations are pending".to_owned()));
    drop(other);
    until_heard(Level::Error, "the database of role cannot be migrated").await;
    assert_refused(&db).await;
    admin(fresh.backend, &fresh.url, "DROP TABLE things");
    until_served(&db).await;
}

#[rstest]
#[tokio::test]
async fn a_migration_that_fails_at_the_start_ends_it(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    admin(backend, &fresh.url, "CREATE TABLE things (x INT)");
    let started = Instant::now();
    let error = start(on(&fresh.url)).await.unwrap_err();
    assert!(matches!(error, DbError::Migration(_)), "{error:?}");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[rstest]
#[tokio::test]
async fn who_is_away_and_then_refuses_us_is_told_at_once_and_waited_for(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let server = url::Url::parse(&server_url(backend)).unwrap();
    let address = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap());
    let proxy = Proxy::start(address.parse().unwrap());
    proxy.cut();
    let name = format!("later_{}", uuid::Uuid::new_v4().simple());
    let mut url = server.clone();
    url.set_path(&name);
    url.set_port(Some(proxy.port())).unwrap();
    let started = Instant::now();
    let db = start(on(url.as_str())).await.unwrap();
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(heard(Level::Warn, "waiting for the database of role"), 1);
    assert_refused(&db).await;
    let reason = db.ready(&OWNERS).await.unwrap_err();
    assert_eq!(reason, "unavailable; migrations run when it answers");

    proxy.resume();
    until_heard(Level::Error, "the database refuses role").await;
    assert_refused(&db).await;

    admin(backend, server.as_str(), &format!("CREATE DATABASE {name}"));
    until_served(&db).await;
    proxy.cut();
    admin(backend, server.as_str(), &format!("DROP DATABASE {name}"));
}

/// The password of the user who migrates was changed, say.
#[rstest]
#[tokio::test]
async fn who_cannot_migrate_serves_as_soon_as_no_migration_is_pending(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
    #[values(true, false)] is_migrated: bool,
) {
    let fresh = Fresh::new(backend);
    let mut url = url::Url::parse(&fresh.url).unwrap();
    url.set_username("nobody").unwrap();
    url.set_password(Some("wrong")).unwrap();
    let mut config = on(&fresh.url);
    config.migration_url = Some(url.to_string().into());
    if is_migrated {
        fresh.db().migrate(&OWNERS).await.unwrap();
    }
    let db = start(config).await.unwrap();
    until_heard(Level::Error, "the database refuses role").await;
    let serves = "role serves, since no migration is pending";
    if !is_migrated {
        assert_refused(&db).await;
        let reason = db.ready(&OWNERS).await.unwrap_err();
        assert_eq!(reason, "2 migrations are pending");
        assert_eq!(heard(Level::Error, serves), 0);
        // As by the command.
        fresh.db().migrate(&OWNERS).await.unwrap();
    }
    until_served(&db).await;
    assert_eq!(heard(Level::Error, serves), 1);
}

/// How many threads of this name run here.
fn threads(name: &str) -> usize {
    let all = std::fs::read_dir("/proc/self/task").unwrap();
    // One may end meanwhile.
    let names = all.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("comm")).ok());
    names.filter(|own| own.trim() == name).count()
}

async fn until_gone(name: &str) {
    let start = Instant::now();
    while threads(name) > 0 {
        assert!(start.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Tries leave nothing behind at an address, and one thread at a socket file, however many they are.
#[tokio::test]
async fn a_silent_server_is_left_behind_once_not_at_every_try() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let silent = UnixListener::bind(&socket).unwrap();
    let by_socket = format!("mysql://u@localhost/d?unix_socket={}", socket.display());
    for (url, left) in [
        (format!("mysql://u@127.0.0.1:{port}/d"), 0),
        (by_socket.clone(), 1),
    ] {
        let db = Db::open(&options(&url), Service::Role).unwrap();
        for _ in 0..3 {
            let error = db.migrate(&OWNERS).await.unwrap_err();
            assert!(error.is_temporary(), "{error:?}");
        }
        assert_eq!(threads("mysql-connect"), left, "{url}");
    }

    // Its end is the end of whoever was left behind, and the next try is a new one.
    let db = Db::open(&options(&by_socket), Service::Role).unwrap();
    db.migrate(&OWNERS).await.unwrap_err();
    drop(silent);
    until_gone("mysql-connect").await;
    let error = db.migrate(&OWNERS).await.unwrap_err().to_string();
    assert!(error.contains("Can't connect"), "{error}");
}

/// A try that comes through when it was given up leaves the migrating to its successors.
#[tokio::test]
async fn a_try_that_nobody_waits_for_migrates_nothing() {
    let fresh = Fresh::new(Backend::Postgres);
    let mut url = url::Url::parse(&fresh.url).unwrap();
    let server = (url.host_str().unwrap().to_owned(), url.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    url.set_port(Some(listener.local_addr().unwrap().port()))
        .unwrap();
    let db = Db::open(&options(url.as_str()), Service::Role).unwrap();
    let given_up = timeout(Duration::from_millis(100), db.migrate(&OWNERS)).await;
    assert!(given_up.is_err(), "{given_up:?}");

    let (client, _) = listener.accept().unwrap();
    let server = TcpStream::connect(server).unwrap();
    let copy = |from: &TcpStream, to: &TcpStream| {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        })
    };
    let copies = [copy(&client, &server), copy(&server, &client)];
    until_gone("migrations").await;
    for copy in copies {
        copy.join().unwrap();
    }
    let pending = fresh.db().pending(&OWNERS).await.unwrap();
    assert_eq!(pending.len(), 2);
}

/// Nobody starts a file: a broken one has to be replaced, and one that cannot be read now may be good.
#[tokio::test]
async fn a_file_is_not_waited_for_and_a_shortage_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let config = |path: &Path| on(&format!("sqlite:{}", path.display()));
    let rubbish = path("rubbish.db");
    std::fs::write(&rubbish, [7_u8; 10_000]).unwrap();
    let error = start(config(&rubbish)).await.unwrap_err();
    assert!(matches!(error, DbError::File { .. }), "{error:?}");
    assert!(error.is_configuration());

    let good = path("good.db");
    drop(start(config(&good)).await.unwrap());
    for beside in ["good.db-shm", "good.db-wal"] {
        let _ = std::fs::remove_file(path(beside));
    }
    // SQLite cannot make what it needs beside the file, as on a full disk.
    std::fs::create_dir(path("good.db-shm")).unwrap();
    let error = start(config(&good)).await.unwrap_err();
    assert!(
        matches!(error, DbError::Store(StoreError::Unavailable(_))),
        "{error:?}"
    );
    assert!(!error.is_configuration());
    assert!(error.to_string().contains("good.db"), "{error}");
    std::fs::remove_dir(path("good.db-shm")).unwrap();
    let db = start(config(&good)).await.unwrap();
    assert_eq!(db.ready(&OWNERS).await, Ok(()));
}

#[rstest]
#[tokio::test]
async fn a_command_changes_nothing_in_a_database_that_is_not_migrated(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let fresh = Fresh::new(backend);
    let open = async |config| Db::open_migrated(&config, Service::Role, &OWNERS).await;
    let exit_code = async |config| open(config).await.map(drop).unwrap_err().exit_code();
    assert_eq!(exit_code(fresh.options()).await, StartError::EXIT_CONFIG);
    fresh.db().migrate(&OWNERS).await.unwrap();
    let _ = open(fresh.options()).await.unwrap();
    let wrong = options("oracle://somewhere/else");
    assert_eq!(exit_code(wrong).await, StartError::EXIT_CONFIG);
    if backend != Backend::Sqlite {
        let mut away = url::Url::parse(&fresh.url).unwrap();
        away.set_port(Some(1)).unwrap();
        let away = options(away.as_str());
        assert_eq!(exit_code(away).await, StartError::EXIT_INTERNAL);
    }
}
