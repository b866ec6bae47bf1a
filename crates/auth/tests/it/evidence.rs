//! Owners among strangers: what evidence is worth, and what strangers see of it.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_kernel::UserId;

use crate::{
    attempts::{Answer, attempt, register_named, strangers, unlock},
    world::{OTHER_PASSWORD, PASSWORD, World, limit, outcome},
};

const ADA: &str = "ada@example.com";
/// Where the owner is at home, and somewhere they have never been.
const HOME: &str = "203.0.113.1";
const ABROAD: &str = "2001:db8:77::1";

#[rstest]
#[actix_web::test]
async fn one_behind_the_same_address_slows_an_owner_without_device_token_and_nobody_else(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register(ADA).await;
    world.register("bob@example.com").await;
    let token = attempt(ADA, PASSWORD, HOME).device_token(&world).await;
    for _ in 0..5 {
        assert_eq!(attempt(ADA, "wrong", HOME).status(&world).await, 401);
    }
    let slowed = attempt(ADA, PASSWORD, HOME).send(&world).await;
    assert_eq!((slowed.status, slowed.wait), (429, 1), "{backend}");
    let with_token = attempt(ADA, PASSWORD, HOME).with_token(&token);
    assert_eq!(with_token.status(&world).await, 200, "{backend}");
    let other = attempt("bob@example.com", PASSWORD, HOME);
    assert_eq!(
        other.status(&world).await,
        200,
        "{backend}: who has never been here"
    );
    let elsewhere = attempt(ADA, PASSWORD, ABROAD);
    assert_eq!(elsewhere.status(&world).await, 200, "{backend}");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(
        attempt(ADA, PASSWORD, HOME).status(&world).await,
        200,
        "{backend}"
    );
}

#[rstest]
#[actix_web::test]
async fn strangers_elsewhere_lock_nobody_out(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let ada = world.register(ADA).await;
    let token = attempt(ADA, PASSWORD, HOME).device_token(&world).await;
    let told = strangers(&world, ADA, 198, 52).await;
    let wrong = told.iter().filter(|status| **status == 401).count();
    assert_eq!(wrong, 50, "{backend}");
    // From a new place the owner waits as strangers do, whatever the password.
    for password in [PASSWORD, "wrong"] {
        let refused = attempt(ADA, password, ABROAD).send(&world).await;
        assert_eq!((refused.status, refused.wait), (429, 1), "{backend}");
    }
    assert_eq!(
        attempt(ADA, PASSWORD, HOME).status(&world).await,
        200,
        "{backend}"
    );
    let travelling = attempt(ADA, PASSWORD, "192.0.2.1").with_token(&token);
    assert_eq!(travelling.status(&world).await, 200, "{backend}");
    let code = unlock(&world, ada).await;
    let unlocked = attempt(ADA, PASSWORD, ABROAD).with_code(&code);
    assert_eq!(unlocked.status(&world).await, 200, "{backend}");
    // Now that place is known too.
    assert_eq!(
        attempt(ADA, PASSWORD, ABROAD).status(&world).await,
        200,
        "{backend}"
    );
}

#[actix_web::test]
async fn the_sole_administrator_attacked_for_an_hour_logs_in() {
    let world = World::start(Backend::Sqlite).await;
    let admin = world.register(ADA).await;
    let token = attempt(ADA, PASSWORD, HOME).device_token(&world).await;
    let mut refused = 0;
    for round in 0..120_u32 {
        // Two strangers each half minute for an hour, each from a network of its own.
        for n in 0..2 {
            let address = format!("2001:db8:{round:x}:{n}::1");
            let answer = attempt(ADA, "wrong", &address).send(&world).await;
            refused += u32::from(answer.status == 429);
        }
        if round % 10 == 9 {
            let known = attempt(ADA, PASSWORD, HOME).status(&world).await;
            assert_eq!(known, 200, "round {round}");
            let address = format!("198.51.{round}.1");
            let travelling = attempt(ADA, PASSWORD, &address).with_token(&token);
            assert_eq!(travelling.status(&world).await, 200, "round {round}");
        }
        world.clock.advance(Duration::from_secs(30));
    }
    assert!(refused > 150, "the attack goes on: {refused}");
    let _ = attempt(ADA, "wrong", "2001:db8:ffff::1")
        .status(&world)
        .await;
    let new_place = attempt(ADA, PASSWORD, ABROAD);
    assert_eq!(new_place.status(&world).await, 429);
    let code = unlock(&world, admin).await;
    assert_eq!(new_place.clone().with_code(&code).status(&world).await, 200);
    // When it is over, nobody waits for what was.
    world.clock.advance(Duration::from_secs(900));
    let later = attempt(ADA, PASSWORD, "2001:db8:88::1");
    assert_eq!(later.status(&world).await, 200);
}

/// What strangers are told before and after a visit of the owner, if there is one.
async fn what_strangers_see(
    world: &World,
    identifier: &str,
    visit: Option<&[Value; 2]>,
) -> Vec<Answer> {
    let mut seen = Vec::new();
    let mut look = async |series: u8, count: usize, address: Option<&str>| {
        for n in 0..count {
            let own = format!("{series}.0.{n}.1");
            let tried = attempt(identifier, "wrong", address.unwrap_or(&own))
                .send(world)
                .await;
            seen.push(Answer {
                body: tried.body["code"].clone(),
                ..tried
            });
        }
    };
    // Four from one source, more from many: both counts are nearly full.
    look(198, 4, Some("192.0.2.9")).await;
    look(100, 44, None).await;
    if let Some([token, _]) = visit {
        let known = attempt(identifier, PASSWORD, HOME);
        assert_eq!(known.status(world).await, 200);
        let device = attempt(identifier, PASSWORD, "192.0.2.77").with_token(token);
        assert_eq!(device.status(world).await, 200);
        // From where nobody of this account has been.
        let new = attempt(identifier, PASSWORD, "192.0.2.78");
        assert_eq!(new.status(world).await, 200);
    }
    look(198, 3, Some("192.0.2.9")).await;
    look(101, 4, None).await;
    world.clock.advance(Duration::from_secs(2));
    look(102, 3, None).await;
    seen
}

#[rstest]
#[actix_web::test]
async fn the_owners_visit_cannot_be_told_from_the_strangers_counts(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    for name in ["ada", "bob"] {
        world.register(&format!("{name}@example.com")).await;
    }
    let token = attempt(ADA, PASSWORD, HOME).device_token(&world).await;
    let visit = [token, Value::Null];
    let mut told = Vec::new();
    for (identifier, visit) in [
        (ADA, Some(&visit)),
        ("bob@example.com", None),
        ("nobody@example.com", None),
    ] {
        // Long enough that the sources' own failures are forgotten.
        world.clock.advance(Duration::from_secs(86_400));
        told.push(what_strangers_see(&world, identifier, visit).await);
    }
    let statuses: Vec<_> = told[2].iter().map(|answer| answer.status).collect();
    assert!(
        statuses.contains(&429) && statuses.contains(&401),
        "{statuses:?}"
    );
    assert_eq!(told[0], told[2], "{backend}: an owner who came");
    assert_eq!(told[1], told[2], "{backend}: an owner who did not");
}

#[rstest]
#[actix_web::test]
async fn two_identifiers_of_one_account_share_its_counts(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start_with(backend, |config, _| {
        config.limits.throttle.account = limit(6, 1800);
    })
    .await;
    register_named(&world, ADA, "countess").await;
    // From everywhere.
    for n in 0..6 {
        let identifier = [ADA, "countess"][n % 2];
        let address = format!("192.0.{n}.1");
        assert_eq!(
            attempt(identifier, "wrong", &address).status(&world).await,
            401
        );
    }
    for identifier in [ADA, "countess"] {
        let status = attempt(identifier, PASSWORD, "192.0.99.1")
            .status(&world)
            .await;
        assert_eq!(status, 429, "{backend}");
    }
    world.clock.advance(Duration::from_secs(6 * 1800));
    // From a known source, and with a device token.
    let token = attempt(ADA, PASSWORD, HOME).device_token(&world).await;
    for with in [None, Some(&token)] {
        let attempt = |identifier: &str, password: &str| {
            let attempt = attempt(identifier, password, HOME);
            match with {
                Some(token) => attempt.with_token(token),
                None => attempt,
            }
        };
        for n in 0..5 {
            let identifier = [ADA, "countess"][n % 2];
            assert_eq!(attempt(identifier, "wrong").status(&world).await, 401);
        }
        for identifier in [ADA, "countess"] {
            let status = attempt(identifier, PASSWORD).status(&world).await;
            assert_eq!(status, 429, "{backend} {with:?}");
        }
    }
}

#[rstest]
#[actix_web::test]
async fn a_right_login_forgets_what_came_under_its_own_evidence_alone(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register(ADA).await;
    let one = attempt(ADA, PASSWORD, HOME).device_token(&world).await;
    let other = attempt(ADA, PASSWORD, HOME).device_token(&world).await;
    for token in [&one, &other] {
        for _ in 0..4 {
            let wrong = attempt(ADA, "wrong", ABROAD).with_token(token);
            assert_eq!(wrong.status(&world).await, 401);
        }
    }
    let right = attempt(ADA, PASSWORD, ABROAD).with_token(&one);
    assert_eq!(right.status(&world).await, 200);
    for (token, sixth) in [(&one, 401), (&other, 429)] {
        let wrong = attempt(ADA, "wrong", ABROAD).with_token(token);
        assert_eq!(
            wrong.status(&world).await,
            401,
            "{backend}: the fifth of either"
        );
        assert_eq!(wrong.status(&world).await, sixth, "{backend}");
    }
}

#[rstest]
#[actix_web::test]
async fn a_living_session_is_evidence_on_its_own_requests(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.register(ADA).await;
    let tokens = world.login(ADA, PASSWORD).await;
    let other = world.login(ADA, PASSWORD).await;
    strangers(&world, ADA, 198, 52).await;
    for _ in 0..4 {
        let wrong = world.reauthenticate(&tokens, "wrong");
        assert_eq!(outcome(wrong).await.0, 401, "{backend}");
    }
    // Both operations count for the session.
    let change = world.change_password(&tokens, "wrong", OTHER_PASSWORD);
    assert_eq!(outcome(change).await.0, 401, "{backend}");
    let refused = world.reauthenticate(&tokens, PASSWORD);
    assert_eq!(outcome(refused).await.0, 429, "{backend}");
    // Another session, and a login from a known source, do not.
    let answer = world.reauthenticate(&other, PASSWORD).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{backend}");
    world.login(ADA, PASSWORD).await;
    world.clock.advance(Duration::from_secs(1));
    let answer = world
        .reauthenticate(&tokens, PASSWORD)
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.status(),
        200,
        "{backend}: what was counted is forgotten"
    );
}

#[actix_web::test]
async fn a_suspended_owner_forgets_nothing_and_makes_nothing_known() {
    let world = World::start(Backend::Sqlite).await;
    let ada: UserId = world.register(ADA).await;
    crate::attempts::set_status(&world, ada, "suspended", 5).await;
    for _ in 0..8 {
        let refused = attempt(ADA, PASSWORD, HOME).send(&world).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (403, &json!("auth.account-suspended"))
        );
    }
    crate::attempts::set_status(&world, ada, "active", 6).await;
    strangers(&world, ADA, 198, 52).await;
    assert_eq!(attempt(ADA, PASSWORD, HOME).status(&world).await, 429);
}
