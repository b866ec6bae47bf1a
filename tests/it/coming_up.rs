//! Started while their stores are away, services live, say so, and are ready once the stores have come.

use std::{
    fs,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use end_to_end::{Client, Kind, OWN, Options, Platform};
use rstest::rstest;
use serde_json::Value;
use testkit::{Backend, Proxy, TestDatabase, TestIssuer, http_get};
use ud_kernel::{Clock, Code, Service};

/// As long as a client may have to wait for an answer of a service that cannot do anything yet.
const SOON: Duration = Duration::from_secs(10);
/// The same of all services in one process, which ask their stores one after the other.
const SOON_ALL: Duration = Duration::from_secs(20);
/// So long a silent server is watched: several tries.
const WATCHED: Duration = Duration::from_secs(15);

/// What `readyz` of `service` says, once it says anything.
async fn readiness(platform: &Platform, service: Service) -> (u16, Value) {
    let started = Instant::now();
    let process = platform.process(service).process();
    let limit = match platform.kind {
        Kind::Services | Kind::Containers => SOON,
        Kind::Standalone => SOON_ALL,
    };
    loop {
        if let Ok((status, body)) = http_get(&platform.directory.of(service).ready).await {
            return (status, serde_json::from_str(&body).unwrap_or_default());
        }
        if !process.is_running() {
            let is_read = process.ends_within(SOON);
            let said = process.output();
            assert!(
                !said.contains("was built without"),
                "standalone lacks PostgreSQL or MySQL: build with `cargo build --workspace --bins`"
            );
            panic!("{service} has ended (all it wrote is here: {is_read}): {said}");
        }
        assert!(
            started.elapsed() < limit,
            "{service} does not answer: {}",
            process.output()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// It lives, answers 503 without delay, and says which store is away.
async fn says_what_is_away(platform: &Platform, service: Service) {
    let (status, body) = readiness(platform, service).await;
    assert_eq!(
        (status, &body["ready"]),
        (503, &Value::Bool(false)),
        "{body}"
    );
    let stores = body["checks"][0]["stores"].to_string();
    let store = if service == Service::Session {
        "redis"
    } else {
        "database"
    };
    assert!(stores.contains(&format!("\"{store}\":\"down: ")), "{body}");
    let base = platform.directory.of(service).public;
    let client = Client::new(base, Ipv4Addr::LOCALHOST, platform.secrets.clone());
    let (_, path) = OWN.iter().find(|(s, _)| *s == service).unwrap();
    // Nobody has keys yet to tell whether it is good.
    let token = TestIssuer::new(Clock::system()).token_of_stranger(&[]);
    let asked = Instant::now();
    let answer = client.get(path).bearer(&token).unchecked().await;
    answer.must_be(Code::AUTH_KEYS_UNAVAILABLE);
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(asked.elapsed() < SOON);
    let process = platform.process(service).process();
    if service != Service::Session {
        let line = process.wait_for_line("waiting for the database").await;
        assert!(line.contains("warn"), "{line}");
    }
    assert!(process.is_running());
}

#[rstest]
#[tokio::test]
async fn stores_that_are_away_at_the_start_are_waited_for(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let options = Options::new(Kind::Services).on(backend).without_stores();
    let mut platform = options.start().await;
    for service in Service::ALL {
        says_what_is_away(&platform, service).await;
    }
    let answer = platform
        .client
        .try_log_in(&platform.chief.email, &platform.chief.password)
        .await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some());

    // To wait is not to be deaf.
    for service in Service::ALL {
        let asked = Instant::now();
        let status = platform.stop(service).await;
        assert_eq!(status.code(), Some(0), "{service}");
        assert!(asked.elapsed() < SOON, "{service}: {:?}", asked.elapsed());
        platform.process_mut(service).start_again();
    }
    for service in Service::ALL {
        says_what_is_away(&platform, service).await;
    }

    // Whatever comes first: all is well once all are there.
    all_come(&mut platform).await;
    let newcomer = platform.client.newcomer_in().await;
    platform.accepted_everywhere(&newcomer.1.access).await;
}

/// Every store is there again, and every service ready without anybody's help.
async fn all_come(platform: &mut Platform) {
    for proxy in platform.links().databases.values() {
        proxy.resume();
    }
    platform.links().redis.as_ref().unwrap().resume();
    platform.until_up(true).await;
}

/// One that takes connections and does not answer is waited for as well, and clients are not kept waiting with it.
#[rstest]
#[tokio::test]
async fn stores_that_are_silent_at_the_start_are_waited_for(
    #[values(Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let options = Options::new(Kind::Services).on(backend).without_stores();
    let mut platform = options.start().await;
    for proxy in platform.links().databases.values() {
        proxy.hang();
    }
    for service in Service::ALL {
        platform.process_mut(service).start_again();
    }
    for service in Service::ALL {
        says_what_is_away(&platform, service).await;
    }
    if backend == Backend::Mysql {
        let watched = Instant::now();
        while watched.elapsed() < WATCHED {
            for service in Service::ALL {
                let left = left_behind(platform.process(service).process().pid());
                assert!(left <= 2, "{service} leaves {left} threads behind");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    all_come(&mut platform).await;
}

/// How many threads of a process wait for a MySQL server that does not answer.
fn left_behind(pid: u32) -> usize {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // A thread may end meanwhile.
    let names = threads.filter_map(|t| fs::read_to_string(t.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "mysql-connect").count()
}

/// On PostgreSQL and MariaDB, which the program must be built with.
#[rstest]
#[tokio::test]
async fn standalone_waits_for_its_stores_too(#[values(Proxy::cut, Proxy::hang)] goes: fn(&Proxy)) {
    let owners = [
        Service::Auth,
        Service::Role,
        Service::Audit,
        Service::Profile,
    ];
    let kinds = [
        Backend::Postgres,
        Backend::Mysql,
        Backend::Postgres,
        Backend::Mysql,
    ];
    let mut options = Options::new(Kind::Standalone).without_stores();
    let mut stores = Vec::new();
    for (service, backend) in owners.into_iter().zip(kinds) {
        let database = TestDatabase::create(backend);
        let url: reqwest::Url = database.url.parse().unwrap();
        let proxy = Proxy::to_port(url.port().unwrap());
        goes(&proxy);
        let name = format!("{}_DATABASE_URL", service.config_prefix());
        options = options.set(&name, &proxy.instead_of(&database.url));
        stores.push((database, proxy));
    }
    let options = options.set("AUTO_MIGRATE", "true");
    let mut platform = options.start().await;
    for is_last in [false, true] {
        let (status, body) = readiness(&platform, Service::Auth).await;
        assert_eq!(status, 503, "{body}");
        let process = platform.process(Service::Auth).process();
        for service in owners {
            let text = format!("waiting for the database of {service}");
            let line = process.wait_for_line(&text).await;
            assert!(line.contains("warn"), "{line}");
        }
        if !is_last {
            let status = platform.stop(Service::Auth).await;
            assert_eq!(status.code(), Some(0));
            platform.process_mut(Service::Auth).start_again();
        }
    }
    for (_, proxy) in &stores {
        proxy.resume();
    }
    platform.until_up(true).await;
}

/// A server that answers and does not want us: said as an error, waited for all the same.
#[tokio::test]
async fn a_database_that_does_not_exist_is_an_error_in_the_log_and_waited_for() {
    let database = TestDatabase::create(Backend::Postgres);
    let (server, name) = database.url.rsplit_once('/').unwrap();
    let later = format!("later_{name}");
    let options = Options::new(Kind::Services)
        .set_for(
            Service::Role,
            "ROLE_DATABASE_URL",
            &format!("{server}/{later}"),
        )
        .without_stores();
    let platform = options.start().await;
    let process = platform.process(Service::Role).process();
    let line = process.wait_for_line("the database refuses role").await;
    assert!(
        line.contains("\"error\"") || line.contains("ERROR"),
        "{line}"
    );
    let (status, body) = readiness(&platform, Service::Role).await;
    assert_eq!(status, 503, "{body}");
    assert_eq!(body["code"], Code::SERVER_STORE_UNAVAILABLE.as_str());
    assert!(process.is_running());

    // The command is one attempt.
    let (code, said) = platform.process(Service::Role).run(&["migrate"]).await;
    assert_eq!(code, Some(70), "{said}");

    database.execute(&format!("CREATE DATABASE {later}"));
    platform.process(Service::Role).until_ready().await;
    let _ = platform.stop(Service::Role).await;
    database.execute(&format!("DROP DATABASE {later}"));
}

/// Who may not migrate serves all the same where nothing is to be migrated, and says what is wrong.
#[tokio::test]
async fn a_wrong_migration_user_keeps_nobody_from_a_database_that_is_migrated() {
    let mut platform = Platform::services().await;
    let own = &platform.database(Service::Role).url;
    let wrong = own.replacen("//postgres@", "//nobody@", 1);
    assert_ne!(*own, wrong);
    let role = platform.process_mut(Service::Role);
    role.set("ROLE_MIGRATION_DATABASE_URL", &wrong);
    platform.restart(Service::Role).await;
    let process = platform.process(Service::Role).process();
    let line = process
        .wait_for_line("role serves, since no migration is pending")
        .await;
    assert!(line.contains("error") && line.contains("nobody"), "{line}");
    platform.accepted_everywhere(&platform.admin.access).await;
}

/// A file that is good is not to be replaced.
#[tokio::test]
async fn a_file_that_cannot_be_read_now_is_not_called_damaged() {
    let mut platform = Platform::standalone().await;
    assert_eq!(platform.stop(Service::Auth).await.code(), Some(0));
    let file = platform.folder().join("data/auth.db");
    let mut other = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let lock = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE other (a INTEGER)";
    other.batch_execute(lock).unwrap();
    platform.process_mut(Service::Auth).start_again();
    let process = platform.process(Service::Auth).process();
    let status = process.wait().await;
    let said = process.output();
    assert_eq!(status.code(), Some(70), "{said}");
    assert!(said.contains("auth.db cannot be read now: "), "{said}");
    assert!(
        !said.contains("damaged") && !said.contains("back-up"),
        "{said}"
    );
    // What it had begun is undone.
    drop(other);
    platform.restart(Service::Auth).await;
}

/// Nobody knows auth's key any more (as after a clock went wrong): 503 for who logs in, and auth's `readyz` says who refuses.
#[tokio::test]
async fn who_refuses_our_tokens_is_in_readyz() {
    let mut platform = Platform::services().await;
    let key = platform.folder().join("unknown.json");
    let path = key.display().to_string();
    let (code, said) = platform
        .process(Service::Auth)
        .run(&["keygen", &path])
        .await;
    assert_eq!(code, Some(0), "{said}");
    let auth = platform.process_mut(Service::Auth);
    auth.set("AUTH_IDENTITY_KEY_FILE", &path);
    platform.restart(Service::Auth).await;
    let answer = platform
        .client
        .try_log_in(&platform.chief.email, &platform.chief.password)
        .await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some());
    let (status, body) = readiness(&platform, Service::Auth).await;
    assert_eq!(status, 200, "other services never fail readiness: {body}");
    for peer in [
        Service::Role,
        Service::Session,
        Service::Audit,
        Service::Profile,
    ] {
        let said = body["checks"][0]["services"][peer.as_str()]
            .as_str()
            .unwrap();
        assert!(
            said.starts_with("down: refuses our service token"),
            "{body}"
        );
    }
    let (_, body) = readiness(&platform, Service::Profile).await;
    assert_eq!(body["checks"][0]["services"]["role"], "up", "{body}");
}
