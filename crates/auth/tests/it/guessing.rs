use std::time::Duration;

use auth_service::AuthConfig;
use reqwest::Method;
use serde_json::json;
use testkit::Backend;
use ud_config::{TokenConfig, keys};
use ud_events::EventType;
use ud_kernel::Service;

use crate::world::{PASSWORD, World, limit, outcome};

fn login<'a>(
    world: &'a World,
    identifier: &str,
    password: &str,
    address: &str,
) -> impl Future<Output = (u16, String)> + use<'a> {
    let body = json!({"identifier": identifier, "password": password});
    outcome(
        world
            .post("/api/v1/auth/login", &body)
            .header("x-forwarded-for", address),
    )
}

/// Retry-After of a refusal.
async fn wait(world: &World, identifier: &str, password: &str, address: &str) -> u64 {
    let body = json!({"identifier": identifier, "password": password});
    let request = world.post("/api/v1/auth/login", &body);
    let answer = request.header("x-forwarded-for", address).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 429);
    answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[actix_web::test]
async fn the_sixth_guess_is_refused_whoever_it_is_about() {
    for backend in Backend::ALL {
        let world = World::start(backend).await;
        world.register("ada@example.com").await;
        for identifier in ["ada@example.com", "nobody@example.com"] {
            for n in 0..5 {
                let address = format!("192.0.{}.{n}", identifier.len());
                let (status, _) = login(&world, identifier, "wrong", &address).await;
                assert_eq!(status, 401, "{backend} {identifier} {n}");
            }
            // Right, wrong and unknown alike, and without a hash.
            let hashes = world.hashes().await;
            for password in [PASSWORD, "wrong"] {
                let refused = login(&world, identifier, password, "203.0.113.1").await;
                assert_eq!(
                    refused,
                    (429, "request.rate-limited".to_owned()),
                    "{backend}"
                );
            }
            assert_eq!(world.hashes().await, hashes, "{backend}");
        }
        let ada = "ada@example.com";
        for (n, seconds) in [1, 2, 4, 8].into_iter().enumerate() {
            assert_eq!(wait(&world, ada, PASSWORD, "203.0.113.1").await, seconds);
            world.clock.advance(Duration::from_secs(seconds));
            let address = format!("198.51.100.{n}");
            assert_eq!(
                login(&world, ada, "wrong", &address).await.0,
                401,
                "{backend}"
            );
        }
        assert_eq!(
            wait(&world, ada, PASSWORD, "203.0.113.1").await,
            16,
            "{backend}"
        );
        world.clock.advance(Duration::from_secs(16));
        let (status, _) = login(&world, ada, PASSWORD, "203.0.113.1").await;
        assert_eq!(status, 200, "{backend}: never for good");
        for n in 0..5 {
            let address = format!("198.51.100.{}", n + 100);
            let (status, _) = login(&world, ada, "wrong", &address).await;
            assert_eq!(status, 401, "{backend}: a right one starts anew");
        }
    }
}

#[actix_web::test]
async fn an_address_that_guesses_around_is_refused() {
    let world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    world.register("mallory@example.com").await;
    for n in 0..5 {
        let host = format!("2001:db8:1:2::{n}");
        // An own password that is right washes nothing off.
        let (status, _) = login(&world, "mallory@example.com", PASSWORD, &host).await;
        assert_eq!(status, 200);
        let (status, _) = login(&world, &format!("user{n}"), "wrong", &host).await;
        assert_eq!(status, 401);
    }
    let (status, _) = login(&world, "ada@example.com", PASSWORD, "2001:db8:1:2:ffff::1").await;
    assert_eq!(status, 429, "the /64 counts");
    let (status, _) = login(&world, "ada@example.com", PASSWORD, "2001:db8:1:3::1").await;
    assert_eq!(status, 200);
}

#[actix_web::test]
async fn right_passwords_are_not_counted() {
    let world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    for _ in 0..25 {
        world.login("ada@example.com", PASSWORD).await;
    }
}

#[actix_web::test]
async fn two_hundred_guesses_at_once_compute_five_hashes() {
    for backend in Backend::ALL {
        let world = World::start(backend).await;
        world.register("ada@example.com").await;
        for identifier in ["ada@example.com", "nobody@example.com"] {
            let before = world.hashes().await;
            let guesses = (0..200).map(|n| {
                let password = format!("wrong {n}");
                let address = format!("198.{}.{}.{}", identifier.len(), n / 100, n % 100);
                login(&world, identifier, &password, &address)
            });
            let outcomes = futures_util::future::join_all(guesses).await;
            let told_wrong = outcomes.iter().filter(|o| o.0 == 401).count();
            assert_eq!(told_wrong, 5, "{backend} {identifier}");
            assert_eq!(
                outcomes.iter().filter(|o| o.0 == 429).count(),
                195,
                "{backend}"
            );
            assert_eq!(world.hashes().await - before, 5, "{backend} {identifier}");
        }
    }
}

#[actix_web::test]
async fn who_leaves_before_the_answer_has_guessed() {
    let world = World::start(Backend::Sqlite).await;
    let ada = world.register("ada@example.com").await;
    let mut gate = world.gates.hold_at("password.counted");
    for _ in 0..5 {
        let body = json!({"identifier": "ada@example.com", "password": "wrong"});
        let request = world.post("/api/v1/auth/login", &body);
        let leaving = actix_web::rt::spawn(request.send());
        let held = gate.arrived().await;
        leaving.abort();
        drop(held);
    }
    drop(gate);
    let (status, _) = world.try_login("ada@example.com", PASSWORD).await;
    assert_eq!(status, 429, "{ada}");
}

#[actix_web::test]
async fn an_unlocked_account_lets_its_owner_in() {
    for backend in Backend::ALL {
        let world = World::start(backend).await;
        let user = world.new_user();
        let body = crate::world::registration("Ada@Example.com", Some("Ada"), PASSWORD);
        assert_eq!(world.put(user, &body).await.status(), 201);
        for identifier in ["ada@example.com", "ada"] {
            for n in 0..5 {
                let address = format!("192.0.{}.{n}", identifier.len());
                assert_eq!(login(&world, identifier, "wrong", &address).await.0, 401);
            }
            assert_eq!(
                login(&world, identifier, PASSWORD, "203.0.113.1").await.0,
                429
            );
        }
        let origin = json!({"origin": {"request_id": "r-9", "ip": "192.0.2.7"}});
        let unlock = async |user| {
            let path = format!("/internal/v1/credentials/{user}/unlock");
            let request = world.call(Service::Profile, Method::POST, &path);
            outcome(request.json(&origin)).await
        };
        assert_eq!(unlock(user).await.0, 204, "{backend}");
        for identifier in ["ada@example.com", "ada"] {
            let (status, _) = login(&world, identifier, PASSWORD, "203.0.113.1").await;
            assert_eq!(status, 200, "{backend} {identifier}");
        }
        assert_eq!(
            world.events_about(user).await,
            ["credentials_created", "account_unlocked"],
            "{backend}"
        );
        let not_found = (404, "auth.credential-not-found".to_owned());
        assert_eq!(unlock(world.new_user()).await, not_found);
        let status = json!({"status": "deleted", "sequence": 5, "origin": {"request_id": "r"}});
        let path = format!("/internal/v1/credentials/{user}/status");
        let delete = world.call(Service::Profile, Method::PUT, &path);
        assert_eq!(outcome(delete.json(&status)).await.0, 200);
        assert_eq!(unlock(user).await, not_found, "{backend}");
    }
}

#[actix_web::test]
async fn logins_and_refreshes_of_one_address_are_limited() {
    let world = World::start_with(Backend::Sqlite, |config, _| {
        config
            .limits
            .operations
            .set(&keys::LIMIT_LOGIN, limit(2, 60));
        config
            .limits
            .operations
            .set(&keys::LIMIT_REFRESH, limit(2, 60));
        config
            .limits
            .operations
            .set(&keys::LIMIT_PASSWORD_CHANGE, limit(2, 60));
        config
            .limits
            .operations
            .set(&keys::LIMIT_REAUTHENTICATE, limit(2, 60));
    })
    .await;
    world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    world.login("ada@example.com", PASSWORD).await;
    let (status, _) = world.try_login("ada@example.com", PASSWORD).await;
    assert_eq!(status, 429);
    for expected in [401, 401, 429] {
        assert_eq!(world.refresh(&json!("udr_x")).await.0, expected);
    }
    for expected in [401, 401, 429] {
        let change = world.change_password(&tokens, "wrong", "wrong");
        assert_eq!(outcome(change).await.0, expected);
    }
    for expected in [401, 401, 429] {
        let again = world.reauthenticate(&tokens, "wrong");
        assert_eq!(outcome(again).await.0, expected);
    }
}

#[actix_web::test]
async fn trusted_proxies_validate_without_a_limit() {
    let validate_once = |config: &mut AuthConfig, _: &mut TokenConfig| {
        let limits = &mut config.limits.operations;
        limits.set(&keys::LIMIT_VALIDATE, limit(1, 60));
    };
    let direct = World::start_behind(&[], Backend::Sqlite, validate_once).await;
    direct.register("ada@example.com").await;
    let tokens = direct.login("ada@example.com", PASSWORD).await;
    for expected in [200, 429] {
        assert_eq!(direct.validate(&tokens["access_token"]).await, expected);
    }
    let world = World::start_with(Backend::Sqlite, validate_once).await;
    world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    for _ in 0..20 {
        let request = world
            .ask(Method::GET, "/api/v1/auth/validate")
            .header("x-forwarded-for", "192.0.2.1")
            .bearer_auth(tokens["access_token"].as_str().unwrap());
        assert_eq!(outcome(request).await.0, 200);
    }
}

#[actix_web::test]
async fn failures_reach_the_audit_log_singly_and_then_counted() {
    let world = World::start_with(Backend::Sqlite, |config, _| {
        config.limits.login_failures = limit(1000, 900);
    })
    .await;
    let ada = world.register("ada@example.com").await;
    for _ in 0..50 {
        world.try_login("ada@example.com", "wrong").await;
    }
    world.try_login("nobody@example.com", "wrong").await;
    let failed = async || {
        let mut events = world.events().await;
        events.retain(|e| e.kind == EventType::LoginFailed);
        events
    };
    let events = world
        .until(async || Some(failed().await).filter(|e| e.len() >= 20))
        .await;
    assert_eq!(events.len(), 20, "the rest is counted");
    assert!(events.iter().all(|e| e.data.target_id == ada.to_string()));
    assert!(
        events
            .iter()
            .all(|e| e.data.outcome == ud_events::Outcome::Failure)
    );
    // The next window tells the count.
    world.clock.advance(Duration::from_secs(61));
    world.try_login("nobody@example.com", "wrong").await;
    let events = world
        .until(async || Some(failed().await).filter(|e| e.len() >= 22))
        .await;
    let counts: u64 = events
        .iter()
        .map(|e| {
            e.data
                .details
                .get("count")
                .map_or(1, |count| count.as_u64().unwrap())
        })
        .sum();
    assert_eq!(counts, 52);
    let json = serde_json::to_string(&events).unwrap();
    assert!(
        !json.contains("example.com") && !json.contains("wrong"),
        "{json}"
    );
}
