//! Passwords known from breaches (SECURITY rule 9).

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use reqwest::Method;
use serde_json::Value;
use testkit::Backend;
use ud_config::BreachedPasswords;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

use crate::world::{OTHER_PASSWORD, PASSWORD, World, read, registration, text};

const BREACHED: &str = "nine lighthouses hum quietly";

fn sha1(password: &str) -> String {
    hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()))
}

async fn register(world: &World, email: &str, password: &str) -> (u16, Value) {
    let path = format!("/internal/v1/credentials/{}", world.new_user());
    let request = world.call(ud_kernel::Service::Profile, Method::PUT, &path);
    read(request.json(&registration(email, None, password))).await
}

/// Registers and changes a password; both are to be refused with a reason.
async fn is_refused_everywhere(world: &World) {
    let (status, body) = register(world, "bob@example.com", BREACHED).await;
    assert_eq!(status, 422, "{body}");
    assert_eq!(body["errors"][0]["pointer"], "/password");
    assert_eq!(body["errors"][0]["code"], "password.breached");
    let reason = text(&body["errors"][0]["detail"]);
    assert!(
        reason.contains("breach") && reason.contains("choose"),
        "{reason}"
    );

    assert_eq!(register(world, "ada@example.com", PASSWORD).await.0, 201);
    let tokens = world.login("ada@example.com", PASSWORD).await;
    let change = |new: &str| read(world.change_password(&tokens, PASSWORD, new));
    let (status, body) = change(BREACHED).await;
    assert_eq!(status, 422, "{body}");
    assert_eq!(body["errors"][0]["pointer"], "/new_password");
    assert_eq!(body["errors"][0]["code"], "password.breached");
    assert_eq!(change(OTHER_PASSWORD).await.0, 200);
}

async fn outcomes(world: &World, outcome: &str) -> u64 {
    world
        .metric(
            "password_breach_checks_total",
            &format!("outcome=\"{outcome}\""),
        )
        .await
}

#[actix_web::test]
async fn a_password_in_the_file_is_refused_with_a_reason() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut lines: Vec<String> = (0..5000)
        .map(|n| format!("{}:{n}\r\n", sha1(&n.to_string())))
        .collect();
    lines.push(format!("{}:3\r\n", sha1(BREACHED)));
    lines.sort_unstable();
    std::fs::write(file.path(), lines.concat()).unwrap();
    let path = file.path().to_owned();
    let world = World::start_with(Backend::Sqlite, |config, _| {
        config.password.breached = BreachedPasswords::File(path);
    })
    .await;
    is_refused_everywhere(&world).await;
    assert_eq!(outcomes(&world, "found").await, 2);
    assert_eq!(outcomes(&world, "clear").await, 2);
    // The file is truncated while in use: whoever registers now does not pay for it.
    std::fs::write(file.path(), "rubbish").unwrap();
    let (status, _) = register(&world, "carol@example.com", BREACHED).await;
    assert_eq!(status, 201);
    assert_eq!(outcomes(&world, "unanswered").await, 1);
}

/// A service that answers every range with `body` after `delay`.
async fn service(status: u16, body: String, delay: Duration) -> MockServer {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status)
        .set_body_string(body)
        .set_delay(delay);
    Mock::given(method("GET"))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

async fn world_with(server: &MockServer) -> World {
    let base = server.uri().parse().unwrap();
    World::start_with(Backend::Sqlite, |config, _| {
        config.password.breached = BreachedPasswords::Service(base);
    })
    .await
}

#[actix_web::test]
async fn the_service_is_told_five_digits_and_nothing_else() {
    let hash = sha1(BREACHED);
    let (prefix, suffix) = hash.split_at(5);
    // The others' own suffixes are padding: the count says so.
    let padding: String = [PASSWORD, OTHER_PASSWORD]
        .map(|password| format!("{}:0\r\n", &sha1(password)[5..]))
        .concat();
    let body = format!("{}:7\r\n{padding}{suffix}:12\r\n", "0".repeat(35));
    let server = service(200, body, Duration::ZERO).await;
    let world = world_with(&server).await;
    is_refused_everywhere(&world).await;
    let requests = server.received_requests().await.unwrap();
    let paths: Vec<_> = requests.iter().map(|r| r.url.path().to_owned()).collect();
    let range = |password| format!("/range/{}", &sha1(password)[..5]);
    let expected = [
        format!("/range/{prefix}"),
        range(PASSWORD),
        format!("/range/{prefix}"),
        range(OTHER_PASSWORD),
    ];
    assert_eq!(paths, expected);
    for request in &requests {
        assert_eq!(request.headers["add-padding"], "true");
        assert_eq!(request.headers["user-agent"], "user-domain");
        assert!(request.body.is_empty() && request.url.query().is_none());
        assert!(!request.headers.contains_key("authorization"));
    }
    // What the policy refuses is not asked for.
    let (status, _) = register(&world, "dora@example.com", "short").await;
    assert_eq!(status, 422);
    assert_eq!(server.received_requests().await.unwrap().len(), 4);
    // Known passwords log in without anybody being asked.
    world.login("ada@example.com", OTHER_PASSWORD).await;
    assert_eq!(server.received_requests().await.unwrap().len(), 4);
}

#[actix_web::test]
async fn a_list_that_does_not_answer_lets_the_password_pass() {
    let suffix = sha1(BREACHED)[5..].to_owned();
    let good = format!("{suffix}:12\r\n");
    let hour = Duration::from_secs(3600);
    for (status, body, delay) in [
        (503, good.clone(), Duration::ZERO),
        (429, good.clone(), Duration::ZERO),
        (200, String::new(), Duration::ZERO),
        (
            200,
            "<html>captive portal</html>".to_owned(),
            Duration::ZERO,
        ),
        (
            200,
            format!("{}{good}", "0".repeat(300_000)),
            Duration::ZERO,
        ),
        (200, good, hour),
    ] {
        let server = service(status, body, delay).await;
        let world = world_with(&server).await;
        let start = std::time::Instant::now();
        let (told, answer) = register(&world, "ada@example.com", BREACHED).await;
        assert_eq!(told, 201, "{status} {answer}");
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the deadline is 1 s"
        );
        assert_eq!(outcomes(&world, "unanswered").await, 1, "{status}");
    }
    // Nobody there at all.
    let server = service(200, String::new(), Duration::ZERO).await;
    let world = world_with(&server).await;
    drop(server);
    let (told, answer) = register(&world, "ada@example.com", BREACHED).await;
    assert_eq!(told, 201, "{answer}");
}

#[actix_web::test]
async fn redirects_of_the_service_are_not_followed() {
    let elsewhere = service(200, String::new(), Duration::ZERO).await;
    let server = MockServer::start().await;
    let away = ResponseTemplate::new(302).insert_header("location", elsewhere.uri());
    Mock::given(method("GET"))
        .respond_with(away)
        .mount(&server)
        .await;
    let world = world_with(&server).await;
    assert_eq!(register(&world, "ada@example.com", BREACHED).await.0, 201);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}
