//! What the time of a refusal tells: nothing (SECURITY rules 10 and 12).

use std::time::{Duration, Instant};

use auth_service::{
    AuthConfig,
    models::{
        password::hash::PasswordHash,
        schema::credentials,
        throttle::{
            LoginThrottle,
            store::{self, Count},
        },
    },
};
use diesel::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{Service, Source, UserId};
use ud_seal::Sealer;

use crate::{
    attempts::no_throttle,
    world::{OTHER_PASSWORD, PASSWORD, START, World, read},
};

/// A password refused for each of the reasons there are, with its status.
const KINDS: [(&str, &str, u16); 8] = [
    ("unknown@example.com", PASSWORD, 401),
    ("wrong@example.com", OTHER_PASSWORD, 401),
    ("suspended@example.com", PASSWORD, 403),
    ("locked@example.com", PASSWORD, 429),
    ("imported@example.com", OTHER_PASSWORD, 401),
    ("broken@example.com", PASSWORD, 401),
    // With a good device token of somebody else, and with an unlock code that is none.
    ("token@example.com", OTHER_PASSWORD, 401),
    ("code@example.com", OTHER_PASSWORD, 401),
];

async fn set_hash(world: &World, user: UserId, hash: &'static str) {
    let set = move |conn: &mut DbConn| {
        diesel::update(credentials::table.find(Bind(user)))
            .set(credentials::password_hash.eq(Some(hash)))
            .execute(conn)
            .map_err(StoreError::from)
    };
    assert_eq!(world.db.tx(set).await, Ok(1));
}

/// Accounts of all kinds; nobody is locked but the one who is to be.
async fn world(change: impl FnOnce(&mut AuthConfig)) -> (World, Value) {
    let mut sealing = None;
    let world = World::start_with(Backend::Sqlite, |config, _| {
        config.limits.throttle = no_throttle();
        sealing = Some(config.sealing.clone());
        change(config);
    })
    .await;
    world.register("wrong@example.com").await;
    let suspended = world.register("suspended@example.com").await;
    let status = json!({"status": "suspended", "sequence": 5, "origin": {"request_id": "r"}});
    let path = format!("/internal/v1/credentials/{suspended}/status");
    let suspend = world.call(Service::Profile, Method::PUT, &path);
    assert_eq!(read(suspend.json(&status)).await.0, 200);
    let imported = world.register("imported@example.com").await;
    // Far cheaper than the policy's.
    let cheap = "pbkdf2:sha256:1000$GVgZcAuIMl8SZ0Yy$0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";
    assert!(PasswordHash::parse(cheap).is_ok());
    set_hash(&world, imported, cheap).await;
    let broken = world.register("broken@example.com").await;
    set_hash(&world, broken, "no hash at all").await;
    let locked = world.register("locked@example.com").await;
    let sealer = Sealer::from_config(&sealing.unwrap(), Service::Auth).unwrap();
    let throttle = LoginThrottle::new(&sealer, no_throttle()).unwrap();
    let source = Source::of("127.0.0.1".parse().unwrap());
    let attempt = throttle.attempt(None, "locked@example.com", Some(locked), source);
    let account = attempt.account().to_owned();
    let lock = move |conn: &mut DbConn| {
        let many = Count {
            failures: 2_000_000,
            counted_at: START,
            decays_from: START,
            forgotten_at: START.plus(Duration::from_secs(1_000_000)),
        };
        store::add(conn, &account, many)
    };
    world.db.tx(lock).await.unwrap();
    for name in ["token", "code"] {
        world.register(&format!("{name}@example.com")).await;
    }
    world.register("owner@example.com").await;
    let owner = crate::attempts::attempt("owner@example.com", PASSWORD, "192.0.2.1");
    let token = owner.device_token(&world).await;
    (world, token)
}

async fn refusal(
    (world, token): &(World, Value),
    (identifier, password, status): (&str, &str, u16),
) -> Duration {
    let mut body = json!({"identifier": identifier, "password": password});
    if identifier.starts_with("token") {
        body["device_token"] = token.clone();
    } else if identifier.starts_with("code") {
        body["unlock_code"] = "22222222".into();
    }
    let request = world.post("/api/v1/auth/login", &body);
    let start = Instant::now();
    let answer = request.send().await.unwrap();
    let took = start.elapsed();
    assert_eq!(answer.status(), status, "{identifier}");
    took
}

#[actix_web::test]
async fn no_refusal_comes_before_the_minimum_response_time_and_success_does_not_wait() {
    let least = Duration::from_millis(300);
    let world = world(|config| config.min_response_time = Some(least)).await;
    for kind in KINDS {
        let took = refusal(&world, kind).await;
        assert!(took >= least, "{} after {took:?}", kind.0);
    }
    // A wrong current password too.
    let (world, _) =
        self::world(|config| config.min_response_time = Some(Duration::from_secs(3))).await;
    let start = Instant::now();
    let tokens = world.login("wrong@example.com", PASSWORD).await;
    assert!(start.elapsed() < Duration::from_secs(3));
    for request in [
        world.change_password(&tokens, OTHER_PASSWORD, OTHER_PASSWORD),
        world.reauthenticate(&tokens, OTHER_PASSWORD),
    ] {
        let start = Instant::now();
        assert_eq!(read(request).await.0, 401);
        assert!(start.elapsed() >= Duration::from_secs(3));
    }
}

#[actix_web::test]
async fn waiting_for_the_minimum_response_time_takes_no_place_in_the_pool() {
    let (world, _) = world(|config| {
        config.min_response_time = Some(Duration::from_secs(2));
        config.hash_pool.threads = 1;
        config.hash_pool.queue = 1;
        config.hash_pool.max_wait = Duration::from_secs(1);
    })
    .await;
    let mut waiting = Vec::new();
    let before = world.hashes().await;
    for n in 1..=8 {
        let body = json!({"identifier": "unknown@example.com", "password": "wrong"});
        let request = world.post("/api/v1/auth/login", &body);
        waiting.push(actix_web::rt::spawn(read(request)));
        world
            .until(async || (world.hashes().await == before + n).then_some(()))
            .await;
    }
    // All eight are hashed and wait, and yet there is room.
    world.login("wrong@example.com", PASSWORD).await;
    for refused in waiting {
        assert_eq!(refused.await.unwrap().0, 401);
    }
}

/// How many answers of each kind: 20, or 2,000 with `TEST_LONG`.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told so how long to run"
)]
fn rounds() -> usize {
    if std::env::var_os("TEST_LONG").is_some() {
        2000
    } else {
        20
    }
}

/// Answers of all kinds in turn, so that whatever else the machine does meets all alike. What is compared is the
/// difference of each kind's median to that of the wrong password: below 0.5 ms, where the minimum is some 34 ms, its
/// hash 23 ms, and refusals without one would be answered in 2 ms. The machine has to be quiet: where others stretch a
/// hash beyond the minimum, which leaves 11 ms here and 180 ms at the default cost, the kinds without one show.
#[actix_web::test]
async fn the_kinds_of_refusal_differ_by_noise_only() {
    let world = world(|config| config.password.bcrypt_cost = 8).await;
    let rounds = rounds();
    // By another measurement, on a machine that may have been busier then.
    let measured = world.0.other_process().passwords.min_response_time();
    let mut times: [Vec<Duration>; KINDS.len()] = Default::default();
    for round in 0..rounds {
        for index in 0..KINDS.len() {
            let turn = if round % 2 == 0 {
                round + index
            } else {
                round + KINDS.len() - index
            };
            let index = turn % KINDS.len();
            times[index].push(refusal(&world, KINDS[index]).await);
        }
    }
    let medians = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    for (kind, median) in KINDS.iter().zip(medians) {
        println!("{:<24} {median:?}", kind.0);
        assert!(median > measured / 4, "{}: {medians:?}", kind.0);
        // In the short tier the machine is too busy, and the answers too few, for a statement about noise.
        if rounds >= 2000 {
            let difference = median.abs_diff(medians[1]);
            assert!(
                difference < Duration::from_micros(500),
                "{}: {medians:?}",
                kind.0
            );
        }
    }
}
