//! The two gates of a login, and what it costs to pass them.

use std::time::Duration;

use auth_service::{
    AuthState,
    flows::{
        check_password::{Account, PasswordAttempt, check_password},
        complete_login::{Completion, complete_login},
    },
    models::{device::token::DeviceToken, error::AuthError, schema::login_counts},
};
use diesel::prelude::*;
use futures_util::{StreamExt as _, future::join_all, stream};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_db::StoreError;
use ud_kernel::{Service, Source};

use crate::{
    attempts::attempt,
    world::{PASSWORD, World, registration},
};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const HOME: &str = "203.0.113.1";

/// Two threads and sixteen places, as on a machine with two cores.
async fn small_pool() -> World {
    World::start_with(Backend::Sqlite, |config, _| {
        config.password.bcrypt_cost = 8;
        config.hash_pool.threads = 2;
        config.hash_pool.queue = 16;
        config.hash_pool.max_wait = Duration::from_secs(30);
    })
    .await
}

#[actix_web::test]
async fn strangers_of_one_wide_network_leave_room_for_an_owner_and_for_others() {
    for networks in [90_u32, 990] {
        let world = small_pool().await;
        world.register(ADA).await;
        world.register(BOB).await;
        let token = attempt(ADA, PASSWORD, HOME).device_token(&world).await;
        let flood = async {
            let tries = (0..networks).map(|n| {
                let attempt = attempt(
                    &format!("user{n}"),
                    "wrong",
                    &format!("2001:db8:1:{n:x}::1"),
                );
                let world = &world;
                async move { attempt.status(world).await }
            });
            let told: Vec<u16> = stream::iter(tries).buffer_unordered(60).collect().await;
            told
        };
        let visits = async {
            let mut told = Vec::new();
            for n in 0..6 {
                let device = attempt(ADA, PASSWORD, "198.51.100.1").with_token(&token);
                let known = attempt(ADA, PASSWORD, HOME);
                let elsewhere = attempt(BOB, PASSWORD, &format!("192.0.{n}.1"));
                told.extend(
                    join_all([
                        device.status(&world),
                        known.status(&world),
                        elsewhere.status(&world),
                    ])
                    .await,
                );
            }
            told
        };
        let (flood, visits) = tokio::join!(flood, visits);
        assert_eq!(visits, [200; 18], "{networks}");
        assert!(flood.contains(&503), "{networks}: there was a flood");
        assert!(
            flood.iter().all(|status| [401, 503].contains(status)),
            "{networks}"
        );
    }
}

#[actix_web::test]
async fn registrations_queue_by_the_clients_address() {
    let world = small_pool().await;
    let flood = async {
        let puts = (0..200_u32).map(|n| {
            let mut body = registration(&format!("user{n}@example.com"), None, PASSWORD);
            body["origin"]["ip"] = json!(format!("2001:db8:1:{n:x}::1"));
            let world = &world;
            async move { world.put(world.new_user(), &body).await.status().as_u16() }
        });
        let told: Vec<u16> = stream::iter(puts).buffer_unordered(60).collect().await;
        told
    };
    let elsewhere = async {
        let mut told = Vec::new();
        for n in 0..5 {
            let mut body = registration(&format!("other{n}@example.com"), None, PASSWORD);
            body["origin"]["ip"] = json!(format!("192.0.{n}.1"));
            told.push(world.put(world.new_user(), &body).await.status().as_u16());
        }
        told
    };
    let (flood, elsewhere) = tokio::join!(flood, elsewhere);
    assert_eq!(elsewhere, [201; 5]);
    assert!(flood.contains(&503) && flood.contains(&201), "{flood:?}");
}

fn attempt_of(identifier: &str, password: &str, address: &str) -> PasswordAttempt {
    PasswordAttempt {
        account: Account::Named(identifier.to_owned()),
        password: password.to_owned().into(),
        device_token: None,
        unlock_code: None,
        source: Source::of(address.parse().unwrap()),
        origin: ud_kernel::models::Provenance::default(),
    }
}

/// Reads and transactions so far.
fn calls(state: &AuthState) -> (u64, u64) {
    let metrics = state.metrics.render();
    let count = |kind: &str| {
        metrics
            .lines()
            .filter(|line| line.starts_with("db_call_seconds_count") && line.contains(kind))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    };
    (count("kind=\"read\""), count("kind=\"tx\""))
}

async fn rows(state: &AuthState) -> i64 {
    let count = |c: &mut ud_db::DbConn| {
        let rows = login_counts::table.count().get_result(c);
        rows.map_err(StoreError::from)
    };
    state.db.read(count).await.unwrap()
}

#[rstest]
#[actix_web::test]
async fn a_login_costs_one_read_and_at_most_two_transactions(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register(ADA).await;
    let state = world.other_process();
    state.db.register_metrics(&state.metrics);
    let cost = async |attempt: &PasswordAttempt| {
        let before = calls(&state);
        let mut device = None;
        let outcome = match check_password(&state, attempt, &mut None).await {
            Ok(right) => {
                let completed = complete_login(&state, right, attempt.source, &mut device);
                let Completion::Done(token) = completed.await.unwrap() else {
                    panic!("nothing changed meanwhile");
                };
                Ok(DeviceToken::decode(&state.device_ring, &token.device_token).unwrap())
            }
            Err(error) => Err(error),
        };
        let after = calls(&state);
        (outcome, (after.0 - before.0, after.1 - before.1))
    };
    let (token, price) = cost(&attempt_of(ADA, PASSWORD, HOME)).await;
    assert_eq!(price, (1, 2), "{backend}: right, from a new place");
    let known = cost(&attempt_of(ADA, PASSWORD, HOME)).await;
    assert_eq!(known.1, (1, 2), "{backend}: right, from a known place");
    let with_token = PasswordAttempt {
        device_token: Some(token.unwrap()),
        ..attempt_of(ADA, PASSWORD, "192.0.2.1")
    };
    assert_eq!(
        cost(&with_token).await.1,
        (1, 2),
        "{backend}: right, with a token"
    );
    for (identifier, address, price) in [
        (ADA, HOME, (1, 1)),
        (ADA, "198.51.100.1", (1, 2)),
        ("nobody", "198.51.100.1", (1, 2)),
    ] {
        for _ in 0..5 {
            let (outcome, cost) = cost(&attempt_of(identifier, "wrong", address)).await;
            assert!(matches!(outcome, Err(AuthError::InvalidCredentials)));
            assert_eq!(cost, price, "{backend} {identifier} {address}");
        }
        let before = rows(&state).await;
        let (outcome, cost) = cost(&attempt_of(identifier, PASSWORD, address)).await;
        assert!(matches!(outcome, Err(AuthError::TooManyAttempts(1))));
        assert_eq!(cost, (1, 0), "{backend}: it has to wait");
        assert_eq!(rows(&state).await, before, "{backend}");
    }
}

#[rstest]
#[actix_web::test]
async fn a_refused_ticket_costs_no_call_and_a_refused_place_one_read(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register(ADA).await;
    // Sixteen tickets: three for one source.
    let mut state = world.other_process_with(|config| {
        config.hash_pool.queue = 4;
        config.hash_pool.threads = 1;
    });
    state.failpoints = world.gates.failpoints();
    state.db.register_metrics(&state.metrics);
    let mut gate = world.gates.hold_at("password.admitted");
    let mut held = Vec::new();
    let mut inside = Vec::new();
    for _ in 0..3 {
        let state = state.clone();
        inside.push(actix_web::rt::spawn(async move {
            let attempt = attempt_of("nobody", "wrong", HOME);
            check_password(&state, &attempt, &mut None).await.err()
        }));
        held.push(gate.arrived().await);
    }
    let attempt = attempt_of(ADA, PASSWORD, HOME);
    let refused = check_password(&state, &attempt, &mut None).await;
    assert!(matches!(refused, Err(AuthError::Busy)), "{backend}");
    assert_eq!(calls(&state), (0, 0), "{backend}");
    assert_eq!(rows(&state).await, 0, "{backend}");
    // A device token whose tag is good has tickets of its own.
    let user = world.new_user();
    let mut vouched = attempt_of("nobody", "wrong", HOME);
    vouched.device_token = Some(DeviceToken::new(user, world.clock.now()).unwrap());
    let (one, other) = (state.clone(), vouched);
    inside.push(actix_web::rt::spawn(async move {
        check_password(&one, &other, &mut None).await.err()
    }));
    held.push(gate.arrived().await);
    drop(gate);
    drop(held);
    for outcome in join_all(inside).await {
        let outcome = outcome.unwrap();
        let expected = matches!(
            outcome,
            Some(AuthError::InvalidCredentials | AuthError::Busy)
        );
        assert!(expected, "{backend}: {outcome:?}");
    }

    // The only turn of this source's share is taken: there is no place for a second.
    let mut gate = world.gates.hold_at("password.counted");
    let one = state.clone();
    let holder = actix_web::rt::spawn(async move {
        let attempt = attempt_of("somebody", "wrong", "192.0.9.1");
        check_password(&one, &attempt, &mut None).await.err()
    });
    let holding = gate.arrived().await;
    let (before, counted) = (calls(&state), rows(&state).await);
    let before = (before.0 + 1, before.1);
    let attempt = attempt_of("anybody", "wrong", "192.0.9.1");
    let refused = check_password(&state, &attempt, &mut None).await;
    assert!(matches!(refused, Err(AuthError::Busy)), "{backend}");
    let after = calls(&state);
    assert_eq!(
        (after.0 - before.0, after.1 - before.1),
        (1, 0),
        "{backend}"
    );
    assert_eq!(rows(&state).await, counted, "{backend}");
    drop((gate, holding));
    assert!(matches!(
        holder.await.unwrap(),
        Some(AuthError::InvalidCredentials)
    ));
}

#[actix_web::test]
async fn busy_is_503_with_retry_after_and_unknown_to_the_counts() {
    let world = World::start_with(Backend::Sqlite, |config, _| config.hash_pool.queue = 0).await;
    for _ in 0..10 {
        let refused = attempt(ADA, PASSWORD, HOME).send(&world).await;
        assert_eq!((refused.status, refused.wait), (503, 1));
        assert_eq!(refused.body["code"], "server.busy");
    }
    assert_eq!(rows(&world.other_process()).await, 0);
    let mut body = registration(ADA, None, PASSWORD);
    body["origin"]["ip"] = json!(null);
    let path = format!("/internal/v1/credentials/{}", world.new_user());
    let put = world.call(Service::Profile, Method::PUT, &path).json(&body);
    assert_eq!(put.send().await.unwrap().status(), 503);
}
