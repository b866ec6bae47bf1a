//! Login throttling over HTTP, and the limits of requests.

use std::time::Duration;

use auth_service::AuthConfig;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_config::{TokenConfig, keys};
use ud_events::EventType;

use crate::{
    attempts::{attempt, no_throttle, register_named},
    world::{PASSWORD, World, limit, outcome},
};

pub(crate) const ADA: &str = "ada@example.com";

#[rstest]
#[actix_web::test]
async fn the_sixth_try_from_one_source_is_refused_whoever_it_is_about(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register(ADA).await;
    let here = "192.0.2.1";
    for identifier in [ADA, "nobody@example.com"] {
        for n in 0..5 {
            let status = attempt(identifier, "wrong", here).status(&world).await;
            assert_eq!(status, 401, "{backend} {identifier} {n}");
        }
        // Right, wrong and unknown alike, and without a hash.
        let hashes = world.hashes().await;
        for password in [PASSWORD, "wrong"] {
            let refused = attempt(identifier, password, here).send(&world).await;
            assert_eq!((refused.status, refused.wait), (429, 1), "{backend}");
            assert_eq!(refused.body["code"], "request.rate-limited");
        }
        assert_eq!(world.hashes().await, hashes, "{backend}");
        for seconds in [1, 2, 4, 8] {
            let refused = attempt(identifier, PASSWORD, here).send(&world).await;
            assert_eq!(refused.wait, seconds, "{backend}");
            world.clock.advance(Duration::from_secs(seconds));
            let status = attempt(identifier, "wrong", here).status(&world).await;
            assert_eq!(status, 401, "{backend}");
        }
    }
    let refused = attempt(ADA, PASSWORD, here).send(&world).await;
    assert!(refused.wait <= 16 && refused.status == 429, "{backend}");
    // Others, and the same from elsewhere, do not wait.
    assert_eq!(
        attempt(ADA, PASSWORD, "192.0.3.1").status(&world).await,
        200
    );
    assert_eq!(attempt("bob", "wrong", here).status(&world).await, 401);
    world.clock.advance(Duration::from_secs(16));
    let status = attempt(ADA, PASSWORD, here).status(&world).await;
    assert_eq!(status, 200, "{backend}: never for good");
}

#[actix_web::test]
async fn a_source_that_fails_at_a_hundred_accounts_is_refused_at_all() {
    let world = World::start(Backend::Sqlite).await;
    world.register(ADA).await;
    world.register("mallory@example.com").await;
    for n in 0..100 {
        let host = format!("2001:db8:1:2::{n:x}");
        // An own password that is right washes nothing off, and is not counted.
        if n % 10 == 0 {
            let own = attempt("mallory@example.com", PASSWORD, &host);
            assert_eq!(own.status(&world).await, 200);
        }
        let other = attempt(&format!("user{n}"), "wrong", &host);
        assert_eq!(other.status(&world).await, 401, "{n}");
    }
    let refused = attempt(ADA, PASSWORD, "2001:db8:1:2:ffff::1")
        .send(&world)
        .await;
    assert_eq!((refused.status, refused.wait), (429, 60), "the /64 counts");
    let elsewhere = attempt(ADA, PASSWORD, "2001:db8:1:3::1");
    assert_eq!(elsewhere.status(&world).await, 200);
    // Evidence counts alone: whoever logged in from there before is let in.
    let known = attempt("mallory@example.com", PASSWORD, "2001:db8:1:2::1");
    assert_eq!(known.status(&world).await, 200);
    world.clock.advance(Duration::from_secs(60));
    let again = attempt(ADA, PASSWORD, "2001:db8:1:2:ffff::1");
    assert_eq!(again.status(&world).await, 200, "then one a minute");
}

#[actix_web::test]
async fn right_passwords_are_not_counted() {
    let world = World::start(Backend::Sqlite).await;
    world.register(ADA).await;
    for n in 0..120 {
        // From known and from new sources.
        let address = format!("192.0.{}.1", n / 2);
        assert_eq!(attempt(ADA, PASSWORD, &address).status(&world).await, 200);
    }
}

#[rstest]
#[actix_web::test]
async fn two_hundred_tries_at_once_compute_no_more_hashes_than_one_by_one(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    register_named(&world, ADA, "countess").await;
    register_named(&world, "bob@example.com", "builder").await;
    for (identifiers, one_source, free) in [
        ([ADA, ADA], true, 5),
        (["nobody@example.com"; 2], true, 5),
        (["bob@example.com", "builder"], false, 50),
        (["nobody-else"; 2], false, 50),
    ] {
        let before = world.hashes().await;
        let tries = (0..200).map(|n| {
            let password = format!("wrong {n}");
            let address = if one_source {
                "203.0.113.1".to_owned()
            } else {
                format!("198.{n}.{}.1", identifiers[0].len())
            };
            let attempt = attempt(identifiers[n % 2], &password, &address);
            let world = &world;
            async move { attempt.status(world).await }
        });
        let told = futures_util::future::join_all(tries).await;
        let wrong = told.iter().filter(|status| **status == 401).count();
        let limited = told.iter().filter(|status| **status == 429).count();
        assert_eq!(
            (wrong, limited),
            (free, 200 - free),
            "{backend} {identifiers:?}"
        );
        assert_eq!(world.hashes().await - before, free as u64, "{backend}");
    }
}

#[actix_web::test]
async fn who_leaves_before_the_answer_has_tried() {
    let world = World::start(Backend::Sqlite).await;
    let ada = world.register(ADA).await;
    let mut gate = world.gates.hold_at("password.counted");
    for _ in 0..5 {
        let body = json!({"identifier": ADA, "password": "wrong"});
        let request = world.post("/api/v1/auth/login", &body);
        let leaving = actix_web::rt::spawn(request.send());
        let held = gate.arrived().await;
        leaving.abort();
        drop(held);
    }
    drop(gate);
    let (status, _) = world.try_login(ADA, PASSWORD).await;
    assert_eq!(status, 429, "{ada}");
}

#[actix_web::test]
async fn an_identifier_loses_its_outer_white_space_and_a_password_does_not() {
    let world = World::start(Backend::Sqlite).await;
    let user = world.new_user();
    let body =
        crate::world::registration(" Ada@Example.com\u{a0}", Some("\tAda\u{200b}"), PASSWORD);
    let answer = world.put(user, &body).await;
    assert_eq!(answer.status(), 201);
    let stored: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(stored["email"], "Ada@Example.com");
    assert_eq!(stored["username"], "ada");
    for end in [
        " ", "\t", "\n", "\u{a0}", "\u{2003}", "\u{3000}", "\u{200b}", "\u{feff}",
    ] {
        for identifier in [format!("ada@example.com{end}"), format!("{end}ada")] {
            let status = attempt(&identifier, PASSWORD, "192.0.2.1")
                .status(&world)
                .await;
            assert_eq!(status, 200, "{identifier:?}");
        }
    }
    let spaced = format!("{PASSWORD} ");
    assert_eq!(attempt(ADA, &spaced, "192.0.2.1").status(&world).await, 401);
    assert_eq!(
        attempt(" \u{feff} ", PASSWORD, "192.0.2.1")
            .status(&world)
            .await,
        422
    );
    // One identifier, however it is padded, is counted once.
    for n in 0..5 {
        let padded = format!("{}nobody", " ".repeat(n));
        assert_eq!(
            attempt(&padded, "wrong", "192.0.9.1").status(&world).await,
            401
        );
    }
    assert_eq!(
        attempt("nobody", "wrong", "192.0.9.1").status(&world).await,
        429
    );
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
        config.limits.throttle = no_throttle();
    })
    .await;
    let ada = world.register("ada@example.com").await;
    for _ in 0..50 {
        world.try_login("ada@example.com", "wrong").await;
    }
    world.try_login("nobody@example.com", "wrong").await;
    let failed = async || {
        let mut events = world.events().await;
        events.retain(|e| e.kind == EventType::LOGIN_FAILED);
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
