//! Bad input of every kind: a problem document with the right 4xx, never a 500, and nothing stored.

use reqwest::{Method, RequestBuilder};
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;

use crate::service::{Answer, App};

const ROLES: &str = "/api/v1/roles";
const ASSIGNMENTS: &str = "/api/v1/role-assignments";
const CHECK: &str = "/api/v1/roles/check";

/// What is stored: everything a list shows.
async fn stored(app: &App) -> (Value, Value) {
    let admin = app.f.admin;
    let roles = app.get(admin, "/api/v1/roles?limit=100").await.body;
    (
        roles,
        app.get(admin, "/api/v1/role-assignments?limit=100")
            .await
            .body,
    )
}

async fn admin(app: &App, method: Method, path: &str) -> RequestBuilder {
    app.request_as(app.f.admin, method, path).await
}

async fn send_raw(
    app: &App,
    method: Method,
    path: &str,
    content_type: &str,
    body: impl Into<reqwest::Body>,
) -> Answer {
    let request = admin(app, method, path)
        .await
        .header("content-type", content_type);
    Answer::of(request.body(body)).await
}

#[rstest]
#[actix_web::test]
async fn bodies(#[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend) {
    let app = App::start(backend).await;
    let role = app.f.role("clerk", &["a:a"]).await;
    let user = app.f.user();
    let one = format!("{ROLES}/{}", role.id);
    let before = stored(&app).await;

    for (method, path) in [
        (Method::POST, ROLES),
        (Method::PATCH, one.as_str()),
        (Method::POST, ASSIGNMENTS),
        (Method::POST, CHECK),
    ] {
        let case = format!("{backend}: {method} {path}");
        let json = "application/json";
        for body in ["", "{", "nul", "\u{0}"] {
            let answer = send_raw(&app, method.clone(), path, json, body).await;
            assert_eq!(
                answer.problem(),
                (400, "request.malformed"),
                "{case} {body:?}"
            );
        }
        let latin = send_raw(
            &app,
            method.clone(),
            path,
            json,
            b"{\"name\":\"\xff\"}".to_vec(),
        )
        .await;
        assert!(matches!(latin.problem().0, 400 | 422), "{case}");
        for body in ["1", "\"x\"", "null", "{\"nonsense\":1}", "[[[[[1]]]]]"] {
            let answer = send_raw(&app, method.clone(), path, json, body).await;
            assert_eq!(
                answer.problem(),
                (422, "request.validation-failed"),
                "{case} {body}"
            );
        }
        let deep = "[".repeat(20_000);
        let answer = send_raw(&app, method.clone(), path, json, deep).await;
        assert!(matches!(answer.problem().0, 400 | 422), "{case}");
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "application/json; charset=latin1",
        ] {
            let answer = send_raw(&app, method.clone(), path, content_type, "{}").await;
            assert_eq!(
                answer.problem(),
                (415, "request.unsupported-media-type"),
                "{case} {content_type}"
            );
        }
        let none = Answer::of(admin(&app, method.clone(), path).await).await;
        assert_eq!(none.problem().0, 415, "{case}");
        let huge = format!("{{\"name\":\"{}\"}}", "a".repeat(64 * 1024));
        let answer = send_raw(&app, method.clone(), path, json, huge).await;
        assert_eq!(answer.problem(), (413, "request.body-too-large"), "{case}");
    }

    let hundred_and_one: Vec<String> = (0..101).map(|i| format!("a:v{i}")).collect();
    let long = "d".repeat(501);
    for (body, code, pointers) in [
        (
            json!({"permissions": []}),
            "request.validation-failed",
            vec!["/name"],
        ),
        (
            json!({"name": "a"}),
            "request.validation-failed",
            vec!["/permissions"],
        ),
        (
            json!({"name": 1, "permissions": []}),
            "request.validation-failed",
            vec!["/name"],
        ),
        (
            json!({"name": null, "permissions": []}),
            "request.validation-failed",
            vec!["/name"],
        ),
        (
            json!({"name": "a", "permissions": "a:a"}),
            "request.validation-failed",
            vec!["/permissions"],
        ),
        (
            json!({"name": "a", "permissions": [1]}),
            "request.validation-failed",
            vec!["/permissions/0"],
        ),
        (
            json!({"name": "a", "permissions": ["a:a", "*"]}),
            "request.validation-failed",
            vec!["/permissions/1"],
        ),
        (
            json!({"name": "a", "permissions": ["a:a\u{0}"]}),
            "request.validation-failed",
            vec!["/permissions/0"],
        ),
        (
            json!({"name": "A", "permissions": ["x"]}),
            "request.validation-failed",
            vec!["/name", "/permissions/0"],
        ),
        (
            json!({"name": "", "permissions": []}),
            "request.validation-failed",
            vec!["/name"],
        ),
        (
            json!({"name": "a\n", "permissions": []}),
            "request.validation-failed",
            vec!["/name"],
        ),
        (
            json!({"name": "a".repeat(64), "permissions": []}),
            "request.validation-failed",
            vec!["/name"],
        ),
        (
            json!({"name": "a", "permissions": [], "description": ""}),
            "request.validation-failed",
            vec!["/description"],
        ),
        (
            json!({"name": "a", "permissions": [], "description": long}),
            "request.validation-failed",
            vec!["/description"],
        ),
        (
            json!({"name": "a", "permissions": [], "description": "a\u{7}"}),
            "request.validation-failed",
            vec!["/description"],
        ),
        (
            json!({"name": "a", "permissions": [], "description": "\u{202e}"}),
            "request.validation-failed",
            vec!["/description"],
        ),
        (
            json!({"name": "a", "permissions": [], "id": user}),
            "request.validation-failed",
            vec!["/id"],
        ),
        (
            json!({"name": "a", "permissions": [], "built_in": true}),
            "request.validation-failed",
            vec!["/built_in"],
        ),
        (
            json!({"name": "a", "permissions": hundred_and_one}),
            "role.too-many-permissions",
            vec![],
        ),
    ] {
        let answer = app.post(app.f.admin, ROLES, body.clone()).await;
        assert_eq!(answer.problem(), (422, code), "{body}");
        assert_eq!(answer.pointers(), pointers, "{body}");
    }
    for (body, pointers) in [
        (json!({"name": "other"}), vec!["/name"]),
        (json!({"permissions": null}), vec!["/permissions"]),
        (json!({"permissions": ["*"]}), vec!["/permissions/0"]),
        (json!({"description": 1}), vec!["/description"]),
        (json!({"description": "\u{0}"}), vec!["/description"]),
        (json!({"version": 7}), vec!["/version"]),
    ] {
        let answer = app.patch(app.f.admin, &one, body.clone()).await;
        assert_eq!(
            answer.problem(),
            (422, "request.validation-failed"),
            "{body}"
        );
        assert_eq!(answer.pointers(), pointers, "{body}");
    }
    let many = app
        .patch(app.f.admin, &one, json!({"permissions": hundred_and_one}))
        .await;
    assert_eq!(many.problem(), (422, "role.too-many-permissions"));
    for (body, pointers) in [
        (json!({"role_id": role.id}), vec!["/user_id"]),
        (json!({"user_id": user}), vec!["/role_id"]),
        (
            json!({"user_id": "x", "role_id": role.id}),
            vec!["/user_id"],
        ),
        (json!({"user_id": user, "role_id": "{}"}), vec!["/role_id"]),
        (
            json!({"user_id": user, "role_id": role.id, "expires_at": "tomorrow"}),
            vec!["/expires_at"],
        ),
        (
            json!({"user_id": user, "role_id": role.id, "expires_at": 1}),
            vec!["/expires_at"],
        ),
        (
            json!({"user_id": user, "role_id": role.id, "expires_at": "9999-12-31T23:59:59-23:59"}),
            vec!["/expires_at"],
        ),
        (
            json!({"user_id": user, "role_id": role.id, "expires_at": "0000-01-01T00:00:00Z"}),
            vec!["/expires_at"],
        ),
        (
            json!({"user_id": user, "role_id": role.id, "id": user}),
            vec!["/id"],
        ),
    ] {
        let answer = app.post(app.f.admin, ASSIGNMENTS, body.clone()).await;
        assert_eq!(
            answer.problem(),
            (422, "request.validation-failed"),
            "{body}"
        );
        assert_eq!(answer.pointers(), pointers, "{body}");
    }
    let unknown = json!({"user_id": user, "role_id": user});
    let answer = app.post(app.f.admin, ASSIGNMENTS, unknown).await;
    assert_eq!(answer.problem(), (404, "role.not-found"));
    for permission in ["", "x", "a:*", "a:a ", "\u{0}"] {
        let body = json!({"user_id": user, "permission": permission});
        let answer = app.post(app.f.admin, CHECK, body).await;
        assert_eq!(answer.problem().0, 422, "{permission:?}");
    }
    assert_eq!(stored(&app).await, before, "{backend}");
    app.stop().await;
}

#[rstest]
#[actix_web::test]
async fn paths_queries_and_headers(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    let role = app.f.role("clerk", &["a:a"]).await;
    let one = format!("{ROLES}/{}", role.id);
    let before = stored(&app).await;
    let bad_ids = [
        "x",
        "1",
        "%00",
        "%ff",
        "..%2f",
        "00000000000070008000000000000001",
        "%7B00000000-0000-7000-8000-000000000001%7D",
    ];
    for id in bad_ids {
        for (method, resource) in [
            (Method::GET, ROLES),
            (Method::DELETE, ROLES),
            (Method::GET, ASSIGNMENTS),
            (Method::DELETE, ASSIGNMENTS),
        ] {
            let answer =
                Answer::of(admin(&app, method.clone(), &format!("{resource}/{id}")).await).await;
            let (status, _) = answer.problem();
            assert!(
                matches!(status, 400 | 404),
                "{backend} {method} {resource}/{id}: {status}"
            );
        }
        let request = admin(&app, Method::PATCH, &format!("{ROLES}/{id}")).await;
        let answer = Answer::of(request.json(&json!({}))).await;
        assert!(matches!(answer.problem().0, 400 | 404), "{id}");
    }
    let foreign_position = ud_kernel::Cursor((1, true)).encode();
    for list in [ROLES, ASSIGNMENTS] {
        for query in [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=x",
            "limit=",
            "limit=1&limit=2",
            "nonsense=1",
            "limit=99999999999999999999",
        ] {
            let answer = app.get(app.f.admin, &format!("{list}?{query}")).await;
            assert_eq!(
                answer.problem(),
                (400, "request.invalid-parameter"),
                "{list} {query}"
            );
        }
        let long = "A".repeat(600);
        for cursor in [
            "",
            "x",
            "%00",
            "AAAA",
            "bnVsbA",
            "W10",
            &long,
            &foreign_position,
        ] {
            let answer = app
                .get(app.f.admin, &format!("{list}?cursor={cursor}"))
                .await;
            assert_eq!(
                answer.problem(),
                (400, "request.invalid-cursor"),
                "{list} {cursor}"
            );
        }
    }
    for query in ["user_id=x", "role_id=1", "user_id=%00", "user_id="] {
        let answer = app
            .get(app.f.admin, &format!("{ASSIGNMENTS}?{query}"))
            .await;
        assert_eq!(
            answer.problem(),
            (400, "request.invalid-parameter"),
            "{query}"
        );
    }
    for tag in ["x", "\"", "\u{0}7", "W/"] {
        let Ok(value) = reqwest::header::HeaderValue::from_str(tag) else {
            continue;
        };
        let request = admin(&app, Method::PATCH, &one)
            .await
            .header("if-match", value);
        let answer = Answer::of(request.json(&json!({"description": "d"}))).await;
        assert!(matches!(answer.problem().0, 400 | 412), "{tag:?}");
    }
    let unknown = app
        .get(app.f.admin, &format!("{ROLES}/{}/x", role.id))
        .await;
    assert_eq!(unknown.problem(), (404, "request.not-found"));
    assert_eq!(stored(&app).await, before, "{backend}");
    app.stop().await;
}
