use reqwest::Method;
use serde_json::json;
use testkit::Backend;

use crate::world::{PASSWORD, World, outcome};

#[actix_web::test]
async fn bad_bodies_are_problems_and_never_500() {
    let world = World::start(Backend::Sqlite).await;
    let send = |path: &str, body: String| {
        let request = world
            .ask(Method::POST, path)
            .header("content-type", "application/json");
        outcome(request.body(body))
    };
    for path in [
        "/api/v1/auth/login",
        "/api/v1/auth/refresh",
        "/api/v1/auth/logout",
    ] {
        for (body, status) in [
            ("{".to_owned(), 400),
            ("[]".to_owned(), 422),
            ("null".to_owned(), 422),
            ("\"x\"".to_owned(), 422),
            (r#"{"unknown": 1}"#.to_owned(), 422),
            (
                r#"{"identifier": 1, "password": 2, "refresh_token": 3, "all": 4}"#.to_owned(),
                422,
            ),
            ("{} {}".to_owned(), 422),
            ("[".repeat(10_000), 422),
            (
                format!("{{\"identifier\": \"{}\"}}", "x".repeat(70_000)),
                413,
            ),
        ] {
            let (got, code) = send(path, body.clone()).await;
            let anonymous = path.ends_with("logout") && got == 401;
            let strict = got == status || anonymous || (got == 400 && status == 422);
            assert!(
                strict,
                "{path} {}: {got} {code}",
                &body[..body.len().min(60)]
            );
        }
        let request = world
            .ask(Method::POST, path)
            .header("content-type", "text/plain")
            .body("{}");
        let (status, _) = outcome(request).await;
        assert_eq!(status, 415, "{path}");
    }
    let over = json!({"identifier": "x".repeat(255), "password": PASSWORD});
    assert_eq!(send("/api/v1/auth/login", over.to_string()).await.0, 422);
    let control = json!({"identifier": "a\u{0}b", "password": PASSWORD});
    assert_eq!(send("/api/v1/auth/login", control.to_string()).await.0, 422);
    assert_eq!(world.pending().await, 0);
}

#[actix_web::test]
async fn wrong_methods_and_paths_are_told() {
    let world = World::start(Backend::Sqlite).await;
    for (path, allowed) in [
        ("/api/v1/auth/login", Method::POST),
        ("/api/v1/auth/refresh", Method::POST),
        ("/api/v1/auth/logout", Method::POST),
        ("/api/v1/auth/validate", Method::GET),
        ("/api/v1/auth/password/change", Method::POST),
        ("/api/v1/auth/reauthenticate", Method::POST),
        ("/.well-known/jwks.json", Method::GET),
    ] {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ] {
            let answer = world.ask(method.clone(), path).send().await.unwrap();
            if method == allowed {
                assert_ne!(answer.status(), 405, "{method} {path}");
            } else {
                assert_eq!(answer.status(), 405, "{method} {path}");
                let allow = answer.headers()["allow"].to_str().unwrap();
                assert!(allow.contains(allowed.as_str()), "{path}: {allow}");
            }
        }
    }
    let (status, code) = outcome(world.ask(Method::GET, "/api/v1/auth/nothing")).await;
    assert_eq!((status, code.as_str()), (404, "request.not-found"));
    let answer = world
        .ask(Method::GET, "/api/v1/auth/openapi.json")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

#[actix_web::test]
async fn who_needs_a_token_gets_401_without_one() {
    let world = World::start(Backend::Sqlite).await;
    for request in [
        world.ask(Method::GET, "/api/v1/auth/validate"),
        world.ask(Method::POST, "/api/v1/auth/logout"),
        world.post(
            "/api/v1/auth/password/change",
            &json!({"current_password": "a", "new_password": "b", "refresh_token": "c"}),
        ),
        world.post(
            "/api/v1/auth/reauthenticate",
            &json!({"password": "a", "refresh_token": "c"}),
        ),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    }
}
