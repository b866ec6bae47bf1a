//! Registration with a stand-in for auth: docs/ARCHITECTURE.md, SECURITY rules 7 and 31.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, Response, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use testkit::{Backend, TestDatabase};
use ud_config::keys;
use ud_events::{EventType, NewEvent};
use ud_kernel::{Service, UserId, models::Provenance};
use user_profile_service::models::{
    Registration, RequestKey,
    user::{NewUser, RawUser, UserStatus},
};

use crate::{
    peers::problem as auth_problem,
    world::{Options, PASSWORD, World, expect_problem, foreign_identity, id_of},
};

const KEY: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

async fn keyed(world: &World, key: &str, body: &Value) -> Response {
    let request = world
        .request(Method::POST, "/api/v1/users")
        .header("idempotency-key", key);
    request.json(body).send().await.unwrap()
}

fn ada() -> Value {
    json!({"email": "Ada@Example.org", "password": PASSWORD, "username": "Ada.L", "given_name": "Ada",
           "family_name": "Lovelace", "phone": "+44 20-7946 0000", "locale": "en-gb", "timezone": "europe/london"})
}

#[rstest]
#[tokio::test]
async fn a_registration_answers_with_the_user_and_writes_the_event(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let request = world.request(Method::POST, "/api/v1/users").json(&ada());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let (location, etag) = (
        answer.headers()["location"].clone(),
        answer.headers()["etag"].clone(),
    );
    let user: Value = answer.json().await.unwrap();
    let id = id_of(&user);
    assert_eq!(location, format!("/api/v1/users/{id}"));
    assert_eq!(etag, "\"1\"");
    assert_eq!(
        user,
        json!({
            "id": id.to_string(), "email": "Ada@Example.org", "email_verified": false, "username": "ada.l",
            "given_name": "Ada", "family_name": "Lovelace", "phone": "+442079460000", "locale": "en-GB",
            "timezone": "Europe/London", "status": "active", "created_at": "2026-05-28T20:26:40.000Z",
            "updated_at": "2026-05-28T20:26:40.000Z"
        })
    );
    let words = json!(["Ada", "Lovelace", "+442079460000"]);
    assert_eq!(world.auth.state().creations[0]["context"]["words"], words);
    let events = world.events_about(id).await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].kind, events[0].sequence),
        (EventType::USER_CREATED, 1)
    );
    let json = events[0].to_json().unwrap();
    for personal in ["Ada", "ada", "Lovelace", "44207"] {
        assert!(!json.contains(personal), "{json}");
    }
}

#[rstest]
#[tokio::test]
async fn what_auth_refuses_leaves_nothing_behind(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let first = world.register(&ada()).await;
    let same_email = json!({"email": "ADA@example.org", "password": PASSWORD});
    let same_name = json!({"email": "b@example.org", "password": PASSWORD, "username": "ADA.L"});
    for (body, code) in [
        (same_email, "user.email-taken"),
        (same_name, "user.username-taken"),
    ] {
        expect_problem(keyed(&world, KEY, &body).await, 409, code).await;
        assert_eq!(world.stored_ids().await, [first]);
    }
    let mut refusal = auth_problem(ud_kernel::Code::REQUEST_VALIDATION_FAILED);
    refusal["errors"] =
        json!([{"pointer": "/password", "code": "password.too-short", "detail": "at least 15"}]);
    world.auth.state().refusal = Some((422, refusal));
    let answer = world.registration("c@example.org").send().await.unwrap();
    let problem = expect_problem(answer, 422, "request.validation-failed").await;
    assert_eq!(problem["errors"][0]["pointer"], "/password");
    assert_eq!(problem["errors"][0]["code"], "password.too-short");
    assert_eq!(world.stored_ids().await, [first]);
}

#[rstest]
#[tokio::test]
async fn a_repeated_key_gives_the_same_user_and_another_body_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let first = keyed(&world, KEY, &ada()).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let first: Value = first.json().await.unwrap();
    let again = keyed(&world, KEY, &ada()).await;
    assert_eq!(again.status(), StatusCode::CREATED);
    assert_eq!(again.headers()["etag"], "\"1\"");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    for (member, value) in [
        ("password", "another good passphrase"),
        ("given_name", "Eve"),
        ("email", "e@example.org"),
    ] {
        let mut other = ada();
        other[member] = json!(value);
        let answer = keyed(&world, KEY, &other).await;
        expect_problem(answer, 422, "request.idempotency-key-reused").await;
    }
    assert_eq!(world.auth.state().creations.len(), 1);
    assert_eq!(world.stored_ids().await, [id_of(&first)]);

    world.clock.advance(Duration::from_secs(24 * 3600));
    expect_problem(keyed(&world, KEY, &ada()).await, 409, "user.email-taken").await;
}

#[rstest]
#[tokio::test]
async fn a_key_in_use_says_so_and_an_attempt_that_died_is_taken_over(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    for point in ["registration.reserved", "registration.credential_created"] {
        let email = format!("{point}@example.org");
        let body = json!({"email": email, "password": PASSWORD});
        let key = format!("{KEY}-{}", point.len());
        let mut gate = world.gates.hold_at(point);
        let dying = Registration {
            user: NewUser::new(RawUser {
                email: &email,
                ..RawUser::default()
            })
            .unwrap(),
            password: PASSWORD.to_owned().into(),
            key: Some(RequestKey::Client(key.clone())),
            origin: Provenance::default(),
        };
        let flow = world.registration_flow();
        let dying = tokio::spawn(async move { flow.register(dying).await });
        gate.arrived().await.abandon();
        drop(gate);

        let answer = keyed(&world, &key, &body).await;
        assert_eq!(answer.headers()["retry-after"], "2");
        expect_problem(answer, 409, "request.idempotency-in-progress").await;
        world.clock.advance(Duration::from_secs(6));
        let answer = keyed(&world, &key, &body).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{point}");
        let id = id_of(&answer.json().await.unwrap());
        let repeated = keyed(&world, &key, &body).await;
        assert_eq!(id_of(&repeated.json().await.unwrap()), id);
        assert_eq!(world.events_about(id).await.len(), 1, "{point}");
        dying.abort();
    }
    assert_eq!(world.stored_ids().await.len(), 2);
}

#[rstest]
#[tokio::test]
async fn the_same_key_many_times_at_once_makes_one_user(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let body = ada();
    let answers = (0..16).map(|_| keyed(&world, KEY, &body));
    let mut ids = Vec::new();
    for answer in join_all(answers).await {
        match answer.status() {
            StatusCode::CREATED => ids.push(id_of(&answer.json().await.unwrap())),
            _ => drop(expect_problem(answer, 409, "request.idempotency-in-progress").await),
        }
    }
    assert!(!ids.is_empty());
    ids.dedup();
    assert_eq!(world.stored_ids().await, ids);
    assert_eq!(world.events_about(ids[0]).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn without_auth_nobody_registers_and_the_next_attempt_completes(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    world.auth.state().is_down = true;
    let answer = keyed(&world, KEY, &ada()).await;
    assert!(answer.headers().contains_key("retry-after"));
    expect_problem(answer, 503, "server.dependency-unavailable").await;
    let pending = world.stored_ids().await;
    assert_eq!(pending.len(), 1);
    assert_eq!(
        world.stored(pending[0]).await.unwrap().status,
        UserStatus::Pending
    );
    assert_eq!(world.events_about(pending[0]).await, []);

    world.auth.state().is_down = false;
    let answer = keyed(&world, KEY, &ada()).await;
    assert_eq!(
        answer.status(),
        StatusCode::CREATED,
        "the key is not locked by a failed attempt"
    );
    assert_eq!(id_of(&answer.json().await.unwrap()), pending[0]);
}

#[rstest]
#[tokio::test]
async fn a_lost_answer_of_auth_is_made_good_by_the_event_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    world.auth.state().loses_answers = true;
    let answer = world.registration("a@example.org").send().await.unwrap();
    expect_problem(answer, 503, "server.dependency-unavailable").await;
    let id = world.stored_ids().await[0];
    let sub = world.as_user(
        world.stranger(),
        &["users:read"],
        Method::GET,
        &format!("/api/v1/users/{id}"),
    );
    expect_problem(sub.send().await.unwrap(), 404, "user.not-found").await;

    let created = |user: UserId| {
        let origin = Provenance {
            request_id: "r1".into(),
            ..Provenance::default()
        };
        NewEvent::about(
            Service::Auth,
            EventType::CREDENTIALS_CREATED,
            user,
            1,
            world.clock.now(),
            &origin,
        )
        .finish()
        .unwrap()
    };
    let event = created(id);
    let nobody = created(world.stranger());
    for _ in 0..2 {
        let answer = world
            .deliver(Service::Auth, &[event.clone(), nobody.clone()])
            .await;
        assert_eq!(answer.status(), StatusCode::OK);
        let receipt: Value = answer.json().await.unwrap();
        assert_eq!(
            receipt["accepted"].as_array().unwrap().len(),
            2,
            "{receipt}"
        );
    }
    assert_eq!(world.stored(id).await.unwrap().status, UserStatus::Active);
    assert_eq!(world.events_about(id).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn the_users_own_token_completes_a_registration(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    world.auth.state().loses_answers = true;
    world.registration("a@example.org").send().await.unwrap();
    let id = world.stored_ids().await[0];
    for path in ["/api/v1/users/me".to_owned(), format!("/api/v1/users/{id}")] {
        let answer = world
            .as_user(id, &[], Method::GET, &path)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.json::<Value>().await.unwrap()["status"], "active");
    }
    assert_eq!(world.events_about(id).await.len(), 1);
    let nobody = world.as_user(world.stranger(), &[], Method::GET, "/api/v1/users/me");
    expect_problem(nobody.send().await.unwrap(), 404, "user.not-found").await;
}

#[tokio::test]
async fn registrations_of_one_address_are_limited() {
    let database = TestDatabase::create(Backend::Sqlite);
    let mut limits = testkit::no_limits();
    limits.set(&keys::LIMIT_REGISTRATION, "3/3600".parse().unwrap());
    let world = World::start(
        database,
        Options {
            limits: Some(limits),
            ..Options::default()
        },
    )
    .await;
    for i in 0..3 {
        let answer = world
            .registration(&format!("u{i}@example.org"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
    let answer = world.registration("u3@example.org").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "1200");
    expect_problem(answer, 429, "request.rate-limited").await;
    assert_eq!(world.auth.state().creations.len(), 3);
}

#[tokio::test]
async fn events_are_taken_from_services_only() {
    let database = TestDatabase::create(Backend::Sqlite);
    let world = World::start(database, Options::default()).await;
    let post = |token: Option<String>| {
        let url = format!("{}/internal/v1/events", world.internal);
        let request = reqwest::Client::new().post(url).body("[]");
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    };
    let foreign = ud_jwt::service::ServiceSigner::new(foreign_identity(), world.clock.clone());
    let foreign = foreign.unwrap().token(Service::Profile, None).unwrap();
    let user = world.issuer.token(world.stranger(), &["*"], &["admin"]);
    let other_audience = world.identities.token(Service::Auth, Service::Role);
    for token in [None, Some(foreign), Some(user), Some(other_audience)] {
        let answer = post(token).send().await.unwrap();
        expect_problem(answer, 401, "service.token-invalid").await;
    }
    let outside = world
        .request(Method::POST, "/internal/v1/events")
        .send()
        .await
        .unwrap();
    assert_eq!(outside.status(), StatusCode::NOT_FOUND);
}
