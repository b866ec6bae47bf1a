//! The device token: what it is evidence for, and what it is not.

use std::time::Duration;

use auth_service::{
    models::{device::token::DeviceToken, schema::devices},
    tasks::forget_once,
};
use diesel::prelude::*;
use rstest::rstest;
use serde_json::Value;
use testkit::Backend;
use ud_db::{StoreError, sql::Bind};
use ud_kernel::UserId;

use crate::{
    attempts::{Try, attempt, no_throttle, set_status, strangers},
    world::{OTHER_PASSWORD, PASSWORD, World, read},
};

const ADA: &str = "ada@example.com";
const DAY: Duration = Duration::from_secs(86_400);

/// A login from where nobody has been, in a world where strangers have used all tries up.
fn new_place(n: usize) -> Try {
    attempt(ADA, PASSWORD, &format!("203.0.{n}.1"))
}

/// Devices of a user, as stored.
async fn stored(world: &World, user: UserId) -> i64 {
    let count = move |c: &mut ud_db::DbConn| {
        let rows = devices::table.filter(devices::user_id.eq(Bind(user)));
        rows.count().get_result(c).map_err(StoreError::from)
    };
    world.db.read(count).await.unwrap()
}

#[rstest]
#[actix_web::test]
async fn a_good_token_is_repeated_and_lasts_180_days_from_each_login(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let ada = world.register(ADA).await;
    let token = new_place(0).device_token(&world).await;
    assert!(token.as_str().unwrap().starts_with("udd_"));
    for n in 1..4 {
        world.clock.advance(179 * DAY);
        strangers(&world, ADA, 100 + u8::try_from(n).unwrap(), 52).await;
        assert_eq!(new_place(n).status(&world).await, 429, "{backend}");
        let again = new_place(n).with_token(&token).device_token(&world).await;
        assert_eq!(again, token, "{backend}");
    }
    assert_eq!(stored(&world, ada).await, 1, "{backend}");
    world.clock.advance(180 * DAY);
    strangers(&world, ADA, 110, 52).await;
    let expired = new_place(9).with_token(&token);
    assert_eq!(expired.status(&world).await, 429, "{backend}");
    forget_once(&world.other_process()).await.unwrap();
    assert_eq!(stored(&world, ada).await, 0, "{backend}: it is removed");
}

#[rstest]
#[actix_web::test]
async fn a_token_that_is_not_good_is_as_none(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register(ADA).await;
    world.register("bob@example.com").await;
    let good = new_place(0).device_token(&world).await;
    let bobs = attempt("bob@example.com", PASSWORD, "192.0.2.1");
    let bobs = bobs.device_token(&world).await;
    strangers(&world, ADA, 198, 52).await;
    let text = good.as_str().unwrap();
    let state = world.other_process();
    let decoded = DeviceToken::decode(&state.device_ring, text).unwrap();
    let other_nonce = DeviceToken {
        nonce: DeviceToken::new(decoded.user_id, world.clock.now())
            .unwrap()
            .nonce,
        ..decoded
    };
    let other_counter = DeviceToken {
        counter: 1,
        ..decoded
    };
    let encode = |token: DeviceToken| Value::from(token.encode(&state.device_ring).unwrap());
    let nobodys = DeviceToken::new(decoded.user_id, world.clock.now()).unwrap();
    let mut forged = text.to_owned();
    forged.replace_range(60..61, if &text[60..61] == "A" { "B" } else { "A" });
    let none = new_place(9).send(&world).await;
    assert_eq!((none.status, none.wait), (429, 1));
    for (what, token) in [
        ("another's", bobs),
        ("forged", Value::from(forged)),
        ("truncated", Value::from(&text[..text.len() - 1])),
        ("empty", Value::from("")),
        ("control characters", Value::from("udd_\u{0}\n")),
        ("never stored", encode(nobodys)),
        ("another nonce", encode(other_nonce)),
        ("another counter", encode(other_counter)),
        ("null", Value::Null),
    ] {
        let answer = new_place(9).with_token(&token).send(&world).await;
        assert_eq!((answer.status, answer.wait), (429, 1), "{backend} {what}");
        assert_eq!(answer.body["code"], none.body["code"], "{backend} {what}");
        let unknown = attempt("nobody@example.com", PASSWORD, "192.0.2.5");
        let unknown = unknown.with_token(&token).status(&world).await;
        assert!([401, 429].contains(&unknown), "{backend} {what}");
    }
    let over = "x".repeat(513);
    let over = new_place(9).with_token(&Value::from(over));
    assert_eq!(over.status(&world).await, 422);
    assert_eq!(
        new_place(9).with_token(&good).status(&world).await,
        200,
        "{backend}"
    );
    // It opens nothing.
    let wrong = attempt(ADA, "wrong", "203.0.113.9").with_token(&good);
    assert_eq!(wrong.status(&world).await, 401, "{backend}");
}

#[rstest]
#[actix_web::test]
async fn what_ends_sessions_ends_devices_too(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start_with(backend, |config, _| {
        config.limits.throttle.account = no_throttle().account;
    })
    .await;
    for (index, how) in ["password", "logout", "suspension", "deletion"]
        .iter()
        .enumerate()
    {
        let email = format!("user{index}@example.com");
        let user = world.register(&email).await;
        let token = attempt(&email, PASSWORD, "192.0.2.1")
            .device_token(&world)
            .await;
        assert_eq!(stored(&world, user).await, 1);
        let tokens = world.login(&email, PASSWORD).await;
        assert_eq!(stored(&world, user).await, 2);
        match *how {
            "password" => {
                let change = world.change_password(&tokens, PASSWORD, OTHER_PASSWORD);
                assert_eq!(read(change).await.0, 200);
            }
            "logout" => {
                let request = world.post("/api/v1/auth/logout", &serde_json::json!({"all": true}));
                let request = request.bearer_auth(tokens["access_token"].as_str().unwrap());
                assert_eq!(read(request).await.0, 204);
            }
            "suspension" => {
                set_status(&world, user, "suspended", 5).await;
                set_status(&world, user, "active", 6).await;
            }
            _ => set_status(&world, user, "deleted", 5).await,
        }
        assert_eq!(stored(&world, user).await, 0, "{backend} {how}");
        // As if none was sent: it counts with what was typed there, and the token is not stored again.
        for _ in 0..5 {
            let wrong = attempt(&email, "wrong", "198.51.100.1").with_token(&token);
            assert_eq!(wrong.status(&world).await, 401, "{backend} {how}");
        }
        let sixth = attempt(&email, "wrong", "198.51.100.1");
        assert_eq!(sixth.status(&world).await, 429, "{backend} {how}");
        world.clock.advance(Duration::from_secs(900));
        if *how == "deletion" {
            continue;
        }
        let password = if *how == "password" {
            OTHER_PASSWORD
        } else {
            PASSWORD
        };
        let again = attempt(&email, password, "198.51.100.1").with_token(&token);
        assert_ne!(again.device_token(&world).await, token, "{backend} {how}");
    }
}

#[rstest]
#[actix_web::test]
async fn the_twenty_first_device_takes_the_place_of_the_oldest(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let ada = world.register(ADA).await;
    let mut tokens = Vec::new();
    for n in 0..20 {
        tokens.push(new_place(n).device_token(&world).await);
        world.clock.advance(Duration::from_secs(1));
    }
    // The first is used again: now the second is the oldest.
    assert_eq!(
        new_place(0).with_token(&tokens[0]).status(&world).await,
        200
    );
    world.clock.advance(Duration::from_secs(1));
    tokens.push(new_place(20).device_token(&world).await);
    assert_eq!(stored(&world, ada).await, 20, "{backend}");
    strangers(&world, ADA, 198, 52).await;
    for (n, token) in tokens.iter().enumerate() {
        let expected = if n == 1 { 429 } else { 200 };
        let status = new_place(100 + n).with_token(token).status(&world).await;
        assert_eq!(status, expected, "{backend} {n}");
        // Without the strangers' wait being over.
        assert_eq!(new_place(99).status(&world).await, 429, "{backend}");
    }
    // Many at once: the bound holds.
    let logins = (0..8).map(|n| {
        let token = tokens[2 + n].clone();
        let world = &world;
        async move {
            let fresh = attempt(ADA, PASSWORD, "203.0.0.1");
            let known = new_place(50 + n).with_token(&token);
            (fresh.status(world).await, known.status(world).await)
        }
    });
    futures_util::future::join_all(logins).await;
    assert!(stored(&world, ada).await <= 20, "{backend}");
}

#[rstest]
#[actix_web::test]
async fn a_time_ahead_makes_no_device_young_for_ever(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let ada = world.register(ADA).await;
    new_place(0).device_token(&world).await;
    let ahead = world.clock.now().plus(365 * DAY);
    let set = move |c: &mut ud_db::DbConn| {
        let set = diesel::update(devices::table).set(devices::used_at.eq(Bind(ahead)));
        set.execute(c).map_err(StoreError::from)
    };
    world.db.tx(set).await.unwrap();
    forget_once(&world.other_process()).await.unwrap();
    assert_eq!(stored(&world, ada).await, 1, "{backend}: it counts as now");
    world.clock.advance(180 * DAY);
    forget_once(&world.other_process()).await.unwrap();
    assert_eq!(stored(&world, ada).await, 0, "{backend}");
}

/// Role is away, and the owner tries again and again: no token of another device gives way, and no row is left.
#[rstest]
#[actix_web::test]
async fn a_login_that_comes_to_no_session_leaves_no_device(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let ada = world.register(ADA).await;
    let mut tokens = Vec::new();
    for n in 0..20 {
        tokens.push(new_place(n).device_token(&world).await);
    }
    assert_eq!(stored(&world, ada).await, 20, "{backend}");
    world.peers.with(|s| s.role_down = true);
    for n in 20..25 {
        assert_eq!(new_place(n).status(&world).await, 503, "{backend}");
    }
    assert_eq!(stored(&world, ada).await, 20, "{backend}");
    world.peers.with(|s| s.role_down = false);
    let known = new_place(30).with_token(&tokens[0]);
    assert_eq!(known.device_token(&world).await, tokens[0], "{backend}");
    assert_eq!(new_place(31).status(&world).await, 200, "{backend}");
    assert_eq!(stored(&world, ada).await, 20, "{backend}");
}
