//! A store or another service goes away: 503 with `Retry-After`, `readyz` names it, and everything comes back by
//! itself.

use std::time::{Duration, Instant};

use end_to_end::{Answer, Kind, OWN, Options, Person, Platform, eventually};
use serde_json::{Value, json};
use testkit::{Proxy, http_get};
use ud_kernel::{Code, Service};

const PATIENCE: Duration = Duration::from_secs(20);

/// Readiness of `service`: status and body.
async fn readiness(platform: &Platform, service: Service) -> (u16, Value) {
    let (status, body) = http_get(&platform.directory.of(service).ready)
        .await
        .unwrap();
    (
        status,
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}")),
    )
}

/// What `readyz` of `service` says of its store `store`.
async fn store_state(platform: &Platform, service: Service, store: &str) -> (u16, String) {
    let (status, body) = readiness(platform, service).await;
    let state = body["checks"][0]["stores"][store].as_str();
    (
        status,
        state
            .unwrap_or_else(|| panic!("no store {store}: {body}"))
            .to_owned(),
    )
}

async fn ready_again(platform: &Platform, service: Service) {
    let what = format!("{service} is ready again");
    eventually(PATIENCE, &what, || async {
        (readiness(platform, service).await.0 == 200).then_some(())
    })
    .await;
}

/// A read at `service` that needs its store.
async fn read(platform: &Platform, service: Service) -> Answer {
    if service == Service::Auth {
        return platform
            .client
            .try_log_in(&platform.chief.email, &platform.chief.password)
            .await;
    }
    let (_, path) = OWN.into_iter().find(|(of, _)| *of == service).unwrap();
    platform
        .client
        .get(path)
        .bearer(&platform.admin.access)
        .await
}

async fn works_again(platform: &Platform, service: Service) {
    eventually(PATIENCE, &format!("{service} works again"), || async {
        let answer = read(platform, service).await;
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_database_goes_away_and_returns() {
    let platform = Options::new(Kind::Services).proxied().start().await;
    for (service, proxy) in &platform.links().databases {
        platform.accepted_everywhere(&platform.admin.access).await;
        proxy.cut();
        let asked = Instant::now();
        let answer = read(&platform, *service).await;
        answer.must_be(Code::SERVER_STORE_UNAVAILABLE);
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "{:?}",
            asked.elapsed()
        );
        let (status, state) = store_state(&platform, *service, "database").await;
        assert_eq!(status, 503);
        assert!(state.starts_with("down"), "{state}");
        // The others are ready: they do not wait for each other in a ring.
        for other in Service::ALL.into_iter().filter(|other| other != service) {
            assert_eq!(
                readiness(&platform, other).await.0,
                200,
                "{other} without {service}'s database"
            );
        }
        proxy.resume();
        works_again(&platform, *service).await;
        ready_again(&platform, *service).await;
    }
}

#[tokio::test]
async fn a_database_that_does_not_answer() {
    let platform = Options::new(Kind::Services).proxied().start().await;
    for service in [Service::Profile, Service::Auth] {
        let proxy = &platform.links().databases[&service];
        let _ = read(&platform, service).await.must(200);
        proxy.hang();
        let asked = Instant::now();
        let answer = read(&platform, service).await;
        // The service's own answer, before the gateway's deadline.
        answer.must_be(Code::SERVER_STORE_UNAVAILABLE);
        assert!(
            asked.elapsed() < Duration::from_secs(15),
            "{:?}",
            asked.elapsed()
        );
        let (status, state) = store_state(&platform, service, "database").await;
        assert_eq!((status, state.starts_with("down")), (503, true), "{state}");
        proxy.resume();
        works_again(&platform, service).await;
        ready_again(&platform, service).await;
    }
}

#[tokio::test]
async fn the_database_server_drops_its_connections() {
    let platform = Platform::services().await;
    for service in [
        Service::Auth,
        Service::Role,
        Service::Audit,
        Service::Profile,
    ] {
        let _ = read(&platform, service).await.must(200);
        let database = platform.database(service);
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        works_again(&platform, service).await;
    }
}

#[tokio::test]
async fn redis_goes_away_and_returns() {
    let platform = Options::new(Kind::Services).proxied().start().await;
    let (person, login) = platform.client.newcomer_in().await;
    let proxy = platform.links().redis.as_ref().unwrap();
    for break_it in [Proxy::cut as fn(&Proxy), Proxy::hang] {
        platform.accepted_everywhere(&login.access).await;
        break_it(proxy);
        // What was good a second ago may pass; then it is unknown, which is not closed: never 401.
        for (service, path) in OWN {
            eventually(PATIENCE, &format!("{service} notices"), || async {
                let answer = platform.client.get(path).bearer(&login.access).await;
                assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                (answer.status == 503).then_some(())
            })
            .await;
        }
        let answer = platform
            .client
            .try_log_in(&person.email, &person.password)
            .await;
        assert_eq!(answer.status, 503, "{answer:?}");
        let answer = platform.client.try_refresh(&login.refresh).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        let (status, state) = store_state(&platform, Service::Session, "redis").await;
        assert_eq!((status, state.starts_with("down")), (503, true), "{state}");
        proxy.resume();
        ready_again(&platform, Service::Session).await;
        for (_, path) in OWN {
            eventually(PATIENCE, "the token is good again", || async {
                let answer = platform.client.get(path).bearer(&login.access).await;
                assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                (answer.status == 200).then_some(())
            })
            .await;
        }
        // The outage cost nothing: the same refresh token works.
        eventually(PATIENCE, "logins work again", || async {
            let answer = platform
                .client
                .try_log_in(&person.email, &person.password)
                .await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
    let _ = platform.client.refresh(&login).await;
}

#[tokio::test]
async fn another_service_goes_away_and_returns() {
    let platform = Options::new(Kind::Services).proxied().start().await;
    let peers = &platform.links().peers;
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let (person, login) = client.newcomer_in().await;

    // Without role nobody logs in or refreshes, and nothing is lost by trying.
    peers[&Service::Role].cut();
    client
        .try_log_in(&person.email, &person.password)
        .await
        .must_be(Code::SERVER_DEPENDENCY_UNAVAILABLE);
    client
        .try_refresh(&login.refresh)
        .await
        .must_be(Code::SERVER_DEPENDENCY_UNAVAILABLE);
    let body = json!({"given_name": "X"});
    let path = format!("/api/v1/users/{}", person.id);
    let other = client.patch(&path).bearer(admin).json(&body).await;
    other.must_be(Code::SERVER_DEPENDENCY_UNAVAILABLE);
    // It is found out once a second.
    eventually(PATIENCE, "readyz tells that role is down", || async {
        let (status, body) = readiness(&platform, Service::Auth).await;
        assert_eq!(status, 200, "other services never fail readiness: {body}");
        let role = body["checks"][0]["services"]["role"].as_str();
        role.unwrap().starts_with("down").then_some(())
    })
    .await;
    peers[&Service::Role].resume();
    let login = eventually(PATIENCE, "refresh works again", || async {
        let answer = client.try_refresh(&login.refresh).await;
        (answer.status == 200).then(|| end_to_end::Login::from_answer(answer))
    })
    .await;

    // Without auth nobody registers; the retry does.
    peers[&Service::Auth].cut();
    let newcomer = Person::new();
    let register = || client.post("/api/v1/users").json(&newcomer.registration());
    register()
        .await
        .must_be(Code::SERVER_DEPENDENCY_UNAVAILABLE);
    peers[&Service::Auth].resume();
    eventually(PATIENCE, "registration works again", || async {
        (register().await.status == 201).then_some(())
    })
    .await;
    let _ = client.log_in(&newcomer).await;

    // Without session a token's state is unknown: 503, not 401. Hanging takes 250 ms, not for ever.
    for break_it in [Proxy::cut as fn(&Proxy), Proxy::hang] {
        break_it(&peers[&Service::Session]);
        for (service, path) in OWN {
            if service == Service::Session {
                continue;
            }
            let answer = eventually(PATIENCE, &format!("{service} notices"), || async {
                let asked = Instant::now();
                let answer = client.get(path).bearer(&login.access).await;
                assert!(
                    asked.elapsed() < Duration::from_secs(5),
                    "{:?}",
                    asked.elapsed()
                );
                (answer.status != 200).then_some(answer)
            })
            .await;
            answer.must_be(Code::AUTH_REVOCATION_UNAVAILABLE);
        }
        peers[&Service::Session].resume();
        eventually(PATIENCE, "the token is good again", || async {
            let mut good = true;
            for (_, path) in OWN {
                good &= client.get(path).bearer(&login.access).await.status == 200;
            }
            good.then_some(())
        })
        .await;
    }

    // Without audit everything works.
    peers[&Service::Audit].cut();
    let _ = client.newcomer_in().await;
    platform.accepted_everywhere(&login.access).await;
    peers[&Service::Audit].resume();
}

#[tokio::test]
async fn a_service_starts_without_its_store_and_waits() {
    let mut platform = Options::new(Kind::Services).proxied().start().await;
    for service in [Service::Role, Service::Auth, Service::Session] {
        platform.kill(service);
        let cut = |platform: &Platform, is_cut: bool| {
            let links = platform.links();
            let proxy = links
                .databases
                .get(&service)
                .or(links.redis.as_ref())
                .unwrap();
            if is_cut { proxy.cut() } else { proxy.resume() }
        };
        cut(&platform, true);
        // Migrating at the start needs the store; where others migrate, a service waits for it.
        platform.process_mut(service).set("AUTO_MIGRATE", "false");
        platform.process_mut(service).start_again();
        let url = platform.directory.of(service).ready;
        let what = format!("{service} answers without its store");
        let (status, body) = eventually(PATIENCE, &what, || async {
            let process = platform.process(service);
            assert!(
                process.process().is_running(),
                "it ended:\n{}",
                process.log()
            );
            http_get(&url).await.ok()
        })
        .await;
        assert_eq!(status, 503, "{service}: {body}");
        let answer = read(&platform, service).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(platform.process(service).process().is_running());
        cut(&platform, false);
        ready_again(&platform, service).await;
        works_again(&platform, service).await;
    }
}

#[tokio::test]
async fn a_killed_service_is_a_503_at_the_gateway_and_back_at_once() {
    let mut platform = Platform::services().await;
    let (_, login) = platform.client.newcomer_in().await;
    for (service, path) in OWN {
        platform.kill(service);
        let answer = platform.client.get(path).bearer(&login.access).await;
        answer.must_be(Code::SERVER_DEPENDENCY_UNAVAILABLE);
        platform.restart(service).await;
        eventually(PATIENCE, &format!("{service} works again"), || async {
            let answer = platform.client.get(path).bearer(&login.access).await;
            assert!(matches!(answer.status, 200 | 503), "{answer:?}");
            (answer.status == 200).then_some(())
        })
        .await;
    }
}
