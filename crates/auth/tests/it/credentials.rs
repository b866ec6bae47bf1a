use futures_util::future::join_all;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_events::EventType;
use ud_kernel::{Service, UserId};

use crate::world::{OTHER_PASSWORD, PASSWORD, START, World, outcome, read, registration, text};

async fn put(world: &World, user: UserId, body: &Value) -> (u16, Value) {
    let path = format!("/internal/v1/credentials/{user}");
    read(world.call(Service::Profile, Method::PUT, &path).json(body)).await
}

async fn set_status(world: &World, user: UserId, status: &str, sequence: i64) -> (u16, Value) {
    let path = format!("/internal/v1/credentials/{user}/status");
    let body = json!({"status": status, "sequence": sequence, "origin": {"request_id": "r"}});
    read(world.call(Service::Profile, Method::PUT, &path).json(&body)).await
}

async fn get(world: &World, user: UserId) -> (u16, Value) {
    let path = format!("/internal/v1/credentials/{user}");
    read(world.call(Service::Role, Method::GET, &path)).await
}

#[rstest]
#[actix_web::test]
async fn a_credential_is_stored_once_and_never_changed_by_the_same_route(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let user = world.new_user();
    let (status, _) = get(&world, user).await;
    assert_eq!(status, 404);
    let body = registration("Ada@Example.com", Some("Countess"), PASSWORD);
    let (status, credential) = put(&world, user, &body).await;
    assert_eq!(status, 201, "{credential}");
    let expected = json!({
        "user_id": user, "email": "Ada@Example.com", "username": "countess",
        "status": "active", "epoch": 1, "created_at": START,
    });
    assert_eq!(credential, expected, "{backend}");
    assert_eq!(get(&world, user).await, (200, expected.clone()));
    // The same again, and something else under the same id.
    let other = registration("eve@example.com", None, OTHER_PASSWORD);
    for body in [&body, &other] {
        assert_eq!(
            put(&world, user, body).await,
            (200, expected.clone()),
            "{backend}"
        );
    }
    assert_eq!(
        world.try_login("eve@example.com", OTHER_PASSWORD).await.0,
        401
    );
    world.login("countess", PASSWORD).await;
    assert_eq!(world.events_about(user).await, ["credentials_created"]);
    let mut events = world.events().await;
    events.retain(|e| e.kind == EventType::CREDENTIALS_CREATED);
    let event = events.remove(0);
    assert_eq!(event.data.request_id, "r-1");
    let json = serde_json::to_string(&event).unwrap().to_lowercase();
    assert!(
        !json.contains("example.com") && !json.contains("countess"),
        "{json}"
    );
}

#[rstest]
#[actix_web::test]
async fn a_taken_name_is_409_and_stores_nothing(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let body = registration("ada@example.com", Some("countess"), PASSWORD);
    put(&world, world.new_user(), &body).await;
    let attempt = async |email: &str, name: &str| {
        let user = world.new_user();
        let body = registration(email, Some(name), OTHER_PASSWORD);
        let (status, answer) = put(&world, user, &body).await;
        assert_eq!(get(&world, user).await.0, 404);
        (status, text(&answer["code"]).to_owned())
    };
    let taken = |code: &str| (409, code.to_owned());
    assert_eq!(
        attempt("ADA@example.com", "free").await,
        taken("user.email-taken")
    );
    assert_eq!(
        attempt("free@example.com", "Countess").await,
        taken("user.username-taken")
    );
    assert_eq!(
        attempt("ada@example.com", "countess").await,
        taken("user.email-taken")
    );
    let user = world.new_user();
    let free = registration("free@example.com", Some("free"), OTHER_PASSWORD);
    assert_eq!(
        put(&world, user, &free).await.0,
        201,
        "{backend}: nothing of it was kept"
    );
}

#[rstest]
#[actix_web::test]
async fn of_registrations_of_one_address_at_once_one_wins_and_the_losers_password_never_works(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start_with(backend, |config, _| {
        config.limits.throttle = crate::attempts::no_throttle();
    })
    .await;
    for round in 0..5 {
        let email = format!("user{round}@example.com");
        let attempts: Vec<(UserId, String)> = (0..4)
            .map(|n| (world.new_user(), format!("{PASSWORD} number {n}")))
            .collect();
        let putting = attempts.iter().map(|(user, password)| {
            let body = registration(&email, None, password);
            let world = &world;
            async move { put(world, *user, &body).await.0 }
        });
        let statuses = join_all(putting).await;
        assert_eq!(
            statuses.iter().filter(|s| **s == 201).count(),
            1,
            "{backend} {statuses:?}"
        );
        assert_eq!(
            statuses.iter().filter(|s| **s == 409).count(),
            3,
            "{backend} {statuses:?}"
        );
        for ((user, password), status) in attempts.iter().zip(statuses) {
            let (login, tokens) = world.try_login(&email, password).await;
            assert_eq!(login == 200, status == 201, "{backend}");
            if login == 200 {
                assert_eq!(text(&tokens["user_id"]), user.to_string());
            }
        }
    }
}

#[rstest]
#[actix_web::test]
async fn the_same_call_several_times_at_once_makes_one_credential(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let user = world.new_user();
    let body = registration("ada@example.com", Some("countess"), PASSWORD);
    let answers = join_all((0..4).map(|_| put(&world, user, &body))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|a| a.0).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 201], "{backend}");
    assert!(answers.iter().all(|a| a.1 == answers[0].1));
    assert_eq!(world.events_about(user).await, ["credentials_created"]);
}

#[actix_web::test]
async fn everything_wrong_is_told_at_once_with_pointers() {
    let world = World::start(Backend::Sqlite).await;
    let mut body = registration("no address", Some("x"), "short");
    body["context"] = json!({"words": ["ok", "control\u{7}"]});
    let (status, answer) = put(&world, world.new_user(), &body).await;
    assert_eq!(status, 422);
    let mut errors: Vec<(String, String)> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (text(&e["pointer"]).to_owned(), text(&e["code"]).to_owned()))
        .collect();
    errors.sort();
    let expected = [
        ("/context/words/1", "field.control-character"),
        ("/email", "identifier.invalid-email"),
        ("/password", "password.too-short"),
        ("/username", "identifier.invalid-username"),
    ];
    assert_eq!(errors, expected.map(|(p, c)| (p.to_owned(), c.to_owned())));

    let mut body = registration("ada@example.com", None, "my dear Lovelace 9 quilts");
    body["context"] = json!({"words": ["Lovelace"]});
    let (status, answer) = put(&world, world.new_user(), &body).await;
    assert_eq!(
        (status, text(&answer["errors"][0]["code"])),
        (422, "password.contains-context")
    );
    let reserved = registration("ada@example.com", Some("admin"), PASSWORD);
    let (status, answer) = put(&world, world.new_user(), &reserved).await;
    assert_eq!(
        (status, text(&answer["errors"][0]["code"])),
        (422, "identifier.reserved")
    );
}

#[rstest]
#[actix_web::test]
async fn the_later_change_of_status_wins_and_each_raises_the_epoch(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let user = world.register("ada@example.com").await;
    world.login("ada@example.com", PASSWORD).await;
    let changed = |epoch| (200, json!({"epoch": epoch, "sessions_closed": true}));
    assert_eq!(
        set_status(&world, user, "suspended", 5).await,
        changed(2),
        "{backend}"
    );
    assert!(world.peers.with(|s| s.sessions.is_empty()));
    // An older one and a repeated one change nothing.
    assert_eq!(set_status(&world, user, "active", 4).await, changed(2));
    assert_eq!(set_status(&world, user, "suspended", 5).await, changed(2));
    assert_eq!(get(&world, user).await.1["status"], "suspended");
    assert_eq!(set_status(&world, user, "active", 6).await, changed(3));
    world.login("ada@example.com", PASSWORD).await;
    assert_eq!(
        world.events_about(user).await,
        [
            "credentials_created",
            "credentials_epoch_raised",
            "credentials_epoch_raised"
        ]
    );
    let unknown = set_status(&world, world.new_user(), "active", 1).await;
    assert_eq!(
        (unknown.0, text(&unknown.1["code"])),
        (404, "auth.credential-not-found")
    );
}

#[rstest]
#[actix_web::test]
async fn a_deleted_user_leaves_a_held_name_and_a_free_address(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let user = world.new_user();
    put(
        &world,
        user,
        &registration("ada@example.com", Some("countess"), PASSWORD),
    )
    .await;
    world.login("countess", PASSWORD).await;
    assert_eq!(set_status(&world, user, "deleted", 9).await.0, 200);
    assert!(world.peers.with(|s| s.sessions.is_empty()));
    for identifier in ["countess", "ada@example.com"] {
        assert_eq!(
            world.try_login(identifier, PASSWORD).await.0,
            401,
            "{backend}"
        );
    }
    assert_eq!(get(&world, user).await.0, 404);
    assert_eq!(
        set_status(&world, user, "active", 10).await.1["epoch"],
        2,
        "for ever"
    );
    let again = registration("ada@example.com", None, OTHER_PASSWORD);
    assert_eq!(
        put(&world, user, &again).await.0,
        404,
        "not under the old id"
    );
    let name = registration("ada@example.com", Some("countess"), OTHER_PASSWORD);
    let (status, answer) = put(&world, world.new_user(), &name).await;
    assert_eq!(
        (status, text(&answer["code"])),
        (409, "user.username-taken"),
        "{backend}"
    );
    assert_eq!(put(&world, world.new_user(), &again).await.0, 201);
    world.login("ada@example.com", OTHER_PASSWORD).await;
    assert_eq!(world.try_login("ada@example.com", PASSWORD).await.0, 401);
}

#[actix_web::test]
async fn only_the_callers_of_the_design_get_in() {
    let world = World::start(Backend::Sqlite).await;
    let user = world.register("ada@example.com").await;
    let path = format!("/internal/v1/credentials/{user}");
    let status = format!("{path}/status");
    let unlock = format!("{path}/unlock");
    let refused = (403, "service.caller-not-allowed".to_owned());
    for caller in Service::ALL {
        let reads = outcome(world.call(caller, Method::GET, &path)).await;
        let may_read = matches!(caller, Service::Profile | Service::Role);
        assert_eq!(reads.0 == 200, may_read, "{caller}: {reads:?}");
        if caller != Service::Profile {
            let put = world.call(caller, Method::PUT, &path).json(&json!({}));
            assert_eq!(outcome(put).await, refused, "{caller}");
            let put = world.call(caller, Method::PUT, &status).json(&json!({}));
            assert_eq!(outcome(put).await, refused, "{caller}");
            let post = world.call(caller, Method::POST, &unlock).json(&json!({}));
            assert_eq!(outcome(post).await, refused, "{caller}");
        }
    }
    let http = reqwest::Client::new();
    let wrong = world.identities.token(Service::Profile, Service::Role);
    for token in ["", "x", &wrong] {
        let get = http
            .get(format!("{}{path}", world.internal))
            .bearer_auth(token);
        assert_eq!(
            outcome(get).await,
            (401, "service.token-invalid".to_owned())
        );
    }
    // A user's token opens no internal route, a service's no public one, and the public listener has none.
    let tokens = world.login("ada@example.com", PASSWORD).await;
    let get = http.get(format!("{}{path}", world.internal));
    let as_user = outcome(get.bearer_auth(text(&tokens["access_token"]))).await;
    assert_eq!(as_user.0, 401);
    let service = world.identities.token(Service::Profile, Service::Auth);
    assert_eq!(world.validate(&json!(service)).await, 401);
    let public = http
        .get(format!("{}{path}", world.public))
        .bearer_auth(&service);
    assert_eq!(outcome(public).await.0, 404);
}

#[rstest]
#[actix_web::test]
async fn what_its_caller_no_longer_waits_for_is_not_made(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    for (email, waits, made) in [
        ("late@example.com", "400", false),
        ("now@example.com", "0", false),
        ("good@example.com", "60000", true),
    ] {
        let user = world.new_user();
        let path = format!("/internal/v1/credentials/{user}");
        let put = world
            .call(Service::Profile, Method::PUT, &path)
            .header("x-request-timeout-ms", waits)
            .json(&registration(email, None, PASSWORD));
        if waits == "400" {
            // The hash takes longer than anybody waits.
            let mut gate = world.gates.hold_at("credential.hashed");
            let began = std::time::Instant::now();
            let in_flight = actix_web::rt::spawn(read(put));
            let arrival = gate.arrived().await;
            while began.elapsed().as_millis() < 450 {
                actix_web::rt::task::yield_now().await;
            }
            arrival.release();
            assert_eq!(in_flight.await.unwrap().0, 503, "{backend}");
        } else {
            let expected = if made { 201 } else { 503 };
            assert_eq!(read(put).await.0, expected, "{backend}: {waits}");
        }
        let stored = get(&world, user).await.0;
        assert_eq!(stored, if made { 200 } else { 404 }, "{backend}: {email}");
        assert_eq!(world.events_about(user).await.len(), usize::from(made));
        let login = world.try_login(email, PASSWORD).await.0;
        assert_eq!(login, if made { 200 } else { 401 });
        // A client of the public listener does not say how long it waits.
        let body = json!({"identifier": "good@example.com", "password": PASSWORD});
        let hasty = world.post("/api/v1/auth/login", &body);
        let hasty = hasty.header("x-request-timeout-ms", "0");
        assert_eq!(read(hasty).await.0, if made { 200 } else { 401 });
        // The address was not taken by it either.
        let status = put_again(&world, email).await;
        assert_eq!(status, if made { 409 } else { 201 }, "{backend}: {email}");
    }
}

/// Registers `email` for another user, without haste.
async fn put_again(world: &World, email: &str) -> u16 {
    let user = world.new_user();
    put(world, user, &registration(email, None, OTHER_PASSWORD))
        .await
        .0
}
