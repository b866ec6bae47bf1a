use std::time::Duration;

use auth_service::models::{
    credential::{self, identifier::Identifier},
    password::hash::PasswordHash,
};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_kernel::{Service, models::Access};

use crate::{
    peers::{Refuse, ordinary},
    world::{OTHER_PASSWORD, PASSWORD, START, World, outcome, read, registration, text},
};

#[rstest]
#[actix_web::test]
async fn a_login_gives_tokens_that_validate(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let user = world.new_user();
    let body = registration("Ada@Example.com", Some("Ada"), PASSWORD);
    assert_eq!(world.put(user, &body).await.status(), 201);
    world.peers.with(|s| {
        s.access = Some(Access {
            roles: vec!["clerk".to_owned(), "user".to_owned()],
            permissions: vec!["orders:read".to_owned()],
            policy_version: 9,
            valid_until: None,
        });
    });
    for identifier in ["ada@example.com", "ADA@EXAMPLE.COM", "ada", "Ada"] {
        let tokens = world.login(identifier, PASSWORD).await;
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens["expires_in"], 900);
        assert_eq!(tokens["refresh_expires_in"], 14 * 86_400);
        assert_eq!(tokens["user_id"], user.to_string());
        assert!(text(&tokens["refresh_token"]).starts_with("udr_"));
        let answer = world
            .ask(Method::GET, "/api/v1/auth/validate")
            .bearer_auth(text(&tokens["access_token"]))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{backend}");
        assert_eq!(answer.headers()["x-user-id"], user.to_string());
        assert_eq!(
            answer.headers()["x-session-id"],
            text(&tokens["session_id"])
        );
        assert_eq!(answer.headers()["x-user-roles"], "clerk,user");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(
            body,
            json!({
                "active": true,
                "user_id": user,
                "session_id": tokens["session_id"],
                "roles": ["clerk", "user"],
                "permissions": ["orders:read"],
                "expires_at": START.plus(Duration::from_secs(900)),
            })
        );
    }
    let created = world.peers.with(|s| s.created.last().unwrap().clone());
    assert_eq!((created.epoch, created.pv), (1, 9));
    assert_eq!(created.amr, ["pwd"]);
    assert_eq!(created.origin.actor_id, Some(user));
}

#[actix_web::test]
async fn the_published_keys_verify_the_token_and_hold_nothing_private() {
    let world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    let tokens = world.login("ada@example.com", PASSWORD).await;
    for base in [&world.public, &world.internal] {
        let answer = reqwest::get(format!("{base}/.well-known/jwks.json"))
            .await
            .unwrap();
        assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
        let jwks = answer.text().await.unwrap();
        let keys = ud_jwt::KeySet::from_jwks(jwks.as_bytes()).unwrap();
        let source = ud_jwt::KeySource::fixed(keys);
        let verifier = ud_jwt::Verifier::new(
            testkit::ISSUER,
            testkit::AUDIENCE,
            source,
            world.clock.clone(),
        );
        let token = verifier
            .verify(text(&tokens["access_token"]))
            .await
            .unwrap();
        assert_eq!(token.claims().client_id, "user-domain");
        assert_eq!(token.claims().inc, "test");
        assert!(!jwks.contains("\"d\""), "{jwks}");
    }
}

#[rstest]
#[actix_web::test]
async fn unknown_wrong_and_deleted_are_one_answer(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start_with(backend, |config, _| {
        config.limits.throttle = crate::attempts::no_throttle();
    })
    .await;
    world.register("ada@example.com").await;
    let gone = world.register("gone@example.com").await;
    let status = json!({"status": "deleted", "sequence": 5, "origin": {"request_id": "r"}});
    let path = format!("/internal/v1/credentials/{gone}/status");
    let deleted = world
        .call(Service::Profile, Method::PUT, &path)
        .json(&status);
    assert_eq!(read(deleted).await.0, 200);

    let mut answers = Vec::new();
    for (identifier, password) in [
        ("ada@example.com", OTHER_PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("nobody", PASSWORD),
        ("not an identifier!", PASSWORD),
        ("+491701234567", PASSWORD),
        ("ada@example.com", &"x".repeat(2000)),
        ("ada@example.com", ""),
        ("ada@example.com", "nul\0nul"),
    ] {
        let (status, mut body) = world.try_login(identifier, password).await;
        assert_eq!(status, 401, "{backend} {identifier}: {body}");
        body.as_object_mut().unwrap().remove("request_id");
        answers.push(body);
    }
    assert_eq!(answers[0]["code"], "auth.invalid-credentials");
    assert!(answers.iter().all(|a| *a == answers[0]), "{backend}");
    assert!(world.peers.with(|s| s.created.is_empty()));
}

#[rstest]
#[actix_web::test]
async fn suspended_is_told_only_after_the_right_password(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let user = world.register("ada@example.com").await;
    let status = json!({"status": "suspended", "sequence": 5, "origin": {"request_id": "r"}});
    let path = format!("/internal/v1/credentials/{user}/status");
    read(
        world
            .call(Service::Profile, Method::PUT, &path)
            .json(&status),
    )
    .await;
    let login = |password: &str| {
        let body = json!({"identifier": "ada@example.com", "password": password});
        outcome(world.post("/api/v1/auth/login", &body))
    };
    assert_eq!(
        login(OTHER_PASSWORD).await,
        (401, "auth.invalid-credentials".to_owned())
    );
    assert_eq!(
        login(PASSWORD).await,
        (403, "auth.account-suspended".to_owned()),
        "{backend}"
    );
}

#[actix_web::test]
async fn roles_that_changed_meanwhile_are_read_again() {
    let world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    world
        .peers
        .refuse(&[Refuse::PolicyStale, Refuse::PolicyStale]);
    world.login("ada@example.com", PASSWORD).await;
    world.peers.with(|s| {
        assert_eq!(s.access_reads, 3);
        assert_eq!(s.created.len(), 3);
        assert_eq!(s.sessions.len(), 1, "one id throughout");
    });
    // Not for ever.
    world.peers.refuse(&[Refuse::PolicyStale; 3]);
    let (status, body) = world.try_login("ada@example.com", PASSWORD).await;
    assert_eq!((status, body["code"].as_str()), (503, Some("server.busy")));
}

#[rstest]
#[actix_web::test]
async fn a_credential_that_changed_meanwhile_is_looked_at_again(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let user = world.register("ada@example.com").await;
    // Between the check of the password and the creation of the session another password is set.
    let new = PasswordHash::new(OTHER_PASSWORD, 4).unwrap();
    let db = world.db.clone();
    world.peers.with(|s| {
        s.on_create = Some(Box::new(move || {
            let change = async move {
                db.tx(move |conn| {
                    let old = credential::store::find(conn, user)?.unwrap();
                    let old = old.password_hash.unwrap();
                    credential::store::change_password(conn, user, &old, &new, START)
                })
                .await
                .unwrap();
            };
            let thread = std::thread::spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(change);
            });
            thread.join().unwrap();
        }));
        s.min_epochs.insert(user, 2);
    });
    let (status, body) = world.try_login("ada@example.com", PASSWORD).await;
    assert_eq!(status, 401, "{backend}: {body}");
    assert!(world.peers.with(|s| s.sessions.is_empty()), "{backend}");
    // The same with an epoch raised but the password kept: the login goes through with the new epoch.
    let db = world.db.clone();
    db.tx(move |conn| {
        credential::store::take_event_number(conn, user)?;
        credential::store::raise_epoch(conn, user, START)
    })
    .await
    .unwrap();
    world.peers.refuse(&[Refuse::EpochTooOld]);
    world.login("ada@example.com", OTHER_PASSWORD).await;
    let epochs: Vec<i64> = world
        .peers
        .with(|s| s.created.iter().map(|c| c.epoch).collect());
    assert_eq!(epochs, [1, 3, 3], "{backend}");
}

#[actix_web::test]
async fn a_peer_that_is_away_is_503_and_recovers() {
    let world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    let login = json!({"identifier": "ada@example.com", "password": PASSWORD});
    world.peers.with(|s| s.role_down = true);
    let answer = world
        .post("/api/v1/auth/login", &login)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    world.peers.with(|s| s.role_down = false);
    world.peers.refuse(&[Refuse::Down]);
    let down = outcome(world.post("/api/v1/auth/login", &login)).await;
    assert_eq!(down, (503, "server.dependency-unavailable".to_owned()));
    world.login("ada@example.com", PASSWORD).await;
}

#[actix_web::test]
async fn a_full_hash_pool_is_503_and_counts_as_no_failed_login() {
    let world = World::start_with(Backend::Sqlite, |config, _| {
        config.hash_pool.queue = 0;
        config.limits.throttle.tries = crate::world::limit(1, 900);
    })
    .await;
    let login = json!({"identifier": "ada@example.com", "password": PASSWORD});
    for _ in 0..3 {
        let answer = world
            .post("/api/v1/auth/login", &login)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], "server.busy");
    }
}

#[actix_web::test]
async fn sessions_of_those_who_may_change_things_are_shorter() {
    let world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    world.peers.holds(&["roles:write"]);
    world.login("ada@example.com", PASSWORD).await;
    let created = world.peers.with(|s| s.created.last().unwrap().clone());
    assert_eq!((created.idle, created.absolute), (3600, 12 * 3600));
    let mut until = ordinary();
    until.valid_until = Some(START.plus(Duration::from_secs(60)));
    world.peers.with(|s| s.access = Some(until.clone()));
    world.login("ada@example.com", PASSWORD).await;
    let created = world.peers.with(|s| s.created.last().unwrap().clone());
    assert_eq!((created.idle, created.absolute), (14 * 86_400, 30 * 86_400));
    assert_eq!(
        created.access_until, until.valid_until,
        "a token ends with the assignment"
    );
}

#[rstest]
#[actix_web::test]
async fn a_weaker_hash_is_renewed_at_login_and_a_strong_one_is_not(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start_with(backend, |config, _| config.password.bcrypt_cost = 5).await;
    let user = world.register("ada@example.com").await;
    let find = move |world: &World| {
        let db = world.db.clone();
        async move {
            let found = db
                .read(move |conn| credential::store::find(conn, user))
                .await;
            found.unwrap().unwrap()
        }
    };
    let strong = find(&world).await.password_hash.unwrap();
    world.login("ada@example.com", PASSWORD).await;
    assert_eq!(find(&world).await.password_hash.as_ref(), Some(&strong));
    let weak = PasswordHash::new(PASSWORD, 4).unwrap();
    let (old, new) = (strong.clone(), weak.clone());
    let replace =
        move |conn: &mut ud_db::DbConn| credential::store::replace_hash(conn, user, &old, &new);
    assert_eq!(world.db.tx(replace).await, Ok(true));
    let (status, _) = world.try_login("ada@example.com", OTHER_PASSWORD).await;
    assert_eq!(status, 401);
    assert_eq!(
        find(&world).await.password_hash,
        Some(weak),
        "only by the right password"
    );
    world.login("ada@example.com", PASSWORD).await;
    let renewed = find(&world).await;
    assert!(
        renewed.password_hash.unwrap().as_str().contains(",r=5$"),
        "{backend}"
    );
    assert_eq!(renewed.epoch, 1, "no session ends for it");
}

#[actix_web::test]
async fn identifiers_are_looked_up_in_auth_alone() {
    // A name in nobody's table opens nothing, whatever else is stored under it.
    let world = World::start(Backend::Sqlite).await;
    let user = world.register("ada@example.com").await;
    let (status, _) = world.try_login(&user.to_string(), PASSWORD).await;
    assert_eq!(status, 401);
    assert!(Identifier::parse(&user.to_string()).is_err());
}
