//! What no client should send: always a problem document with the right 4xx, and nothing stored.

use reqwest::{Method, RequestBuilder, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;

use crate::world::{PASSWORD, World, expect_problem, problem};

fn json_body(request: RequestBuilder, body: impl Into<reqwest::Body>) -> RequestBuilder {
    request
        .header("content-type", "application/json")
        .body(body)
}

#[rstest]
#[tokio::test]
async fn bad_registrations_are_refused_before_anything_is_stored(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let post = || world.request(Method::POST, "/api/v1/users");
    let with = |member: &str, value: Value| {
        let mut body = json!({"email": "a@example.org", "password": PASSWORD});
        body[member] = value;
        body.to_string().into_bytes()
    };
    let cases: Vec<(Vec<u8>, u16, &str, Option<&str>)> = vec![
        (b"".to_vec(), 400, "request.malformed", None),
        (b"{".to_vec(), 400, "request.malformed", None),
        (b"\xff\xfe".to_vec(), 400, "request.malformed", None),
        (
            b"{\"email\":\"a\xff\"}".to_vec(),
            400,
            "request.malformed",
            None,
        ),
        (b"{} {}".to_vec(), 422, "request.validation-failed", None),
        (b"[]".to_vec(), 422, "request.validation-failed", None),
        (b"null".to_vec(), 422, "request.validation-failed", None),
        (b"{}".to_vec(), 422, "request.validation-failed", None),
        (
            b"{\"email\":\"a@example.org\"}".to_vec(),
            422,
            "request.validation-failed",
            Some("/password"),
        ),
        (
            b"{\"email\":\"a@b.c\",\"email\":\"d@b.c\",\"password\":\"x\"}".to_vec(),
            422,
            "request.validation-failed",
            Some("/email"),
        ),
        (
            with("email", json!(1)),
            422,
            "request.validation-failed",
            Some("/email"),
        ),
        (
            with("email", json!(null)),
            422,
            "request.validation-failed",
            Some("/email"),
        ),
        (
            with("email", json!("")),
            422,
            "request.validation-failed",
            Some("/email"),
        ),
        (
            with("email", json!("a\u{0}@example.org")),
            422,
            "request.validation-failed",
            Some("/email"),
        ),
        (
            with("email", json!(format!("{}@example.org", "a".repeat(300)))),
            422,
            "request.validation-failed",
            Some("/email"),
        ),
        (
            with("password", json!({"x": 1})),
            422,
            "request.validation-failed",
            Some("/password"),
        ),
        (
            with("username", json!(["a"])),
            422,
            "request.validation-failed",
            Some("/username"),
        ),
        (
            with("username", json!("a".repeat(65))),
            422,
            "request.validation-failed",
            Some("/username"),
        ),
        (
            with("given_name", json!("")),
            422,
            "request.validation-failed",
            Some("/given_name"),
        ),
        (
            with("given_name", json!("a\nb")),
            422,
            "request.validation-failed",
            Some("/given_name"),
        ),
        (
            with("given_name", json!("\u{202e}a")),
            422,
            "request.validation-failed",
            Some("/given_name"),
        ),
        (
            with("family_name", json!("é".repeat(101))),
            422,
            "request.validation-failed",
            Some("/family_name"),
        ),
        (
            with("phone", json!("0123456")),
            422,
            "request.validation-failed",
            Some("/phone"),
        ),
        (
            with("locale", json!("english")),
            422,
            "request.validation-failed",
            Some("/locale"),
        ),
        (
            with("timezone", json!("Moon/Base")),
            422,
            "request.validation-failed",
            Some("/timezone"),
        ),
        (
            with("status", json!("active")),
            422,
            "request.validation-failed",
            Some("/status"),
        ),
        (
            with("roles", json!(["admin"])),
            422,
            "request.validation-failed",
            Some("/roles"),
        ),
        (
            with("given_name", json!("a".repeat(70_000))),
            413,
            "request.body-too-large",
            None,
        ),
    ];
    for (body, status, code, pointer) in cases {
        let shown = String::from_utf8_lossy(&body)
            .chars()
            .take(80)
            .collect::<String>();
        let answer = json_body(post(), body).send().await.unwrap();
        let problem = expect_problem(answer, status, code).await;
        if let Some(pointer) = pointer {
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{shown}");
        }
    }
    for content_type in [
        "text/plain",
        "application/xml",
        "application/json; charset=latin1",
        "x",
    ] {
        let request = post()
            .header("content-type", content_type)
            .body(with("x", json!(1)));
        expect_problem(
            request.send().await.unwrap(),
            415,
            "request.unsupported-media-type",
        )
        .await;
    }
    let untyped = post().body(with("x", json!(1)));
    expect_problem(
        untyped.send().await.unwrap(),
        415,
        "request.unsupported-media-type",
    )
    .await;
    for key in ["short", "with spaces in between", &"x".repeat(65)] {
        let request = json_body(
            post().header("idempotency-key", key),
            with("locale", json!("en")),
        );
        expect_problem(
            request.send().await.unwrap(),
            400,
            "request.idempotency-key-invalid",
        )
        .await;
    }
    assert_eq!(world.stored_ids().await, []);
    assert_eq!(world.auth.state().creations, Vec::<Value>::new());
}

#[rstest]
#[tokio::test]
async fn bad_parameters_and_cursors_are_refused(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let reader = world.stranger();
    let get = |path: &str| world.as_user(reader, &["*"], Method::GET, path);
    for id in [
        "x",
        "1",
        "..",
        "00000000000000000000000000000000",
        "%00",
        "me%20",
        "{0}",
        "00000000-0000-0000-0000-00000000000g",
    ] {
        let answer = get(&format!("/api/v1/users/{id}")).send().await.unwrap();
        let status = answer.status();
        assert!(matches!(status.as_u16(), 400 | 404), "{id}: {status}");
        problem(answer).await;
    }
    let bad = "request.invalid-parameter";
    for (query, code) in [
        ("limit=0", bad),
        ("limit=101", bad),
        ("limit=-1", bad),
        ("limit=x", bad),
        ("limit=1&limit=2", bad),
        ("status=deleted", bad),
        ("status=pending", bad),
        ("status=", bad),
        ("email=a@example.org", bad),
        ("cursor=x", "request.invalid-cursor"),
        ("cursor=", "request.invalid-cursor"),
        ("cursor=MTIz", "request.invalid-cursor"),
        ("cursor=bnVsbA", "request.invalid-cursor"),
        ("cursor=%00", "request.invalid-cursor"),
    ] {
        let answer = get(&format!("/api/v1/users?{query}")).send().await.unwrap();
        expect_problem(answer, 400, code).await;
    }
    let long = format!("/api/v1/users?cursor={}", "A".repeat(2000));
    expect_problem(
        get(&long).send().await.unwrap(),
        400,
        "request.invalid-cursor",
    )
    .await;

    let search = |body: Value| {
        world
            .as_user(reader, &["*"], Method::POST, "/api/v1/users/search")
            .json(&body)
    };
    for (body, status, code) in [
        (json!({"limit": 0}), 422, "request.validation-failed"),
        (json!({"limit": 101}), 422, "request.validation-failed"),
        (json!({"limit": 1e300}), 422, "request.validation-failed"),
        (json!({"limit": "1"}), 422, "request.validation-failed"),
        (
            json!({"status": "pending"}),
            422,
            "request.validation-failed",
        ),
        (json!({"text": "a"}), 422, "request.validation-failed"),
        (json!({"text": " "}), 422, "request.validation-failed"),
        (json!({"text": "ab b"}), 422, "request.validation-failed"),
        (
            json!({"text": "a1 b2 c3 d4 e5 f6"}),
            422,
            "request.validation-failed",
        ),
        (
            json!({"text": "a".repeat(101)}),
            422,
            "request.validation-failed",
        ),
        (json!({"text": "a\u{0}b"}), 422, "request.validation-failed"),
        (json!({"email": "\u{0}"}), 422, "request.validation-failed"),
        (json!({"username": ""}), 422, "request.validation-failed"),
        (
            json!({"phone": "+1234567"}),
            422,
            "request.validation-failed",
        ),
        (json!({"cursor": "x"}), 400, "request.invalid-cursor"),
        (json!({"cursor": 1}), 422, "request.validation-failed"),
    ] {
        expect_problem(search(body).send().await.unwrap(), status, code).await;
    }
}

#[rstest]
#[tokio::test]
async fn bad_patches_change_nothing(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let before = world.stored(ada).await;
    let patch = || world.as_user(ada, &[], Method::PATCH, &format!("/api/v1/users/{ada}"));
    for (body, status, code) in [
        ("", 400, "request.malformed"),
        ("{", 400, "request.malformed"),
        ("\"x\"", 422, "request.validation-failed"),
        ("{\"given_name\":1}", 422, "request.validation-failed"),
        ("{\"given_name\":\"\"}", 422, "request.validation-failed"),
        (
            "{\"given_name\":\"a\\u0000\"}",
            422,
            "request.validation-failed",
        ),
        (
            "{\"given_name\":\"a\",\"given_name\":\"b\"}",
            422,
            "request.validation-failed",
        ),
        ("{\"timezone\":\"Mars\"}", 422, "request.validation-failed"),
        ("{\"locale\":\"-\"}", 422, "request.validation-failed"),
        ("{\"email\":\"b@example.org\"}", 422, "user.field-read-only"),
        ("{\"\":1}", 422, "user.field-read-only"),
    ] {
        let answer = json_body(patch(), body).send().await.unwrap();
        expect_problem(answer, status, code).await;
    }
    let other = patch()
        .header("content-type", "application/json-patch+json")
        .body("[]");
    expect_problem(
        other.send().await.unwrap(),
        415,
        "request.unsupported-media-type",
    )
    .await;
    let merge = patch()
        .header("content-type", "application/merge-patch+json")
        .body("{}");
    assert_eq!(merge.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(world.stored(ada).await, before);
    assert_eq!(world.events_about(ada).await.len(), 1);
}
