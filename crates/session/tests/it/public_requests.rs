//! The public listener: what is refused before anything is read.

use reqwest::Method;
use serde_json::Value;
use ud_kernel::SessionId;

use crate::{
    app::{App, outcome},
    public_routes::{SESSIONS, refused, somebody},
    support::Backend::Sqlite,
};

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_problems() {
    let app = App::start(Sqlite).await;
    let (_, _, token) = somebody(&app, &["*"]).await;
    let parameter = (400, "request.invalid-parameter".to_owned());
    for query in [
        "?limit=0",
        "?limit=101",
        "?limit=x",
        "?user_id=7",
        "?sort=id",
        "?limit=1&limit=2",
    ] {
        let path = format!("{SESSIONS}{query}");
        assert_eq!(
            refused(&app, Method::GET, &path, &token).await,
            parameter,
            "{query}"
        );
    }
    let cursor = (400, "request.invalid-cursor".to_owned());
    for text in ["x", "e30", "%00", "bnVsbA"] {
        let path = format!("{SESSIONS}?cursor={text}");
        assert_eq!(
            refused(&app, Method::GET, &path, &token).await,
            cursor,
            "{text}"
        );
    }
    for query in ["", "?scope=mine", "?scope=all&user_id=x", "?scope=all&id=1"] {
        let path = format!("{SESSIONS}{query}");
        assert_eq!(
            refused(&app, Method::DELETE, &path, &token).await,
            parameter,
            "{query}"
        );
    }
    for id in ["x", "1", "00000000000000000000000000000000"] {
        let path = format!("{SESSIONS}/{id}");
        assert_eq!(
            refused(&app, Method::GET, &path, &token).await,
            parameter,
            "{id}"
        );
    }
    let wrong = (405, "request.method-not-allowed".to_owned());
    assert_eq!(refused(&app, Method::POST, SESSIONS, &token).await, wrong);
    assert_eq!(
        refused(&app, Method::PATCH, &format!("{SESSIONS}/x"), &token).await,
        wrong
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_lists_what_there_is_and_nothing_is_open() {
    let app = App::start(Sqlite).await;
    let answer = app
        .request(Method::GET, &format!("{SESSIONS}/openapi.json"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let document: Value = answer.json().await.unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", &SessionId::new(app.clock.now()).to_string());
        for method in methods
            .as_object()
            .unwrap()
            .keys()
            .map(|m| m.to_uppercase())
        {
            let method: Method = method.parse().unwrap();
            let answer = app.request(method.clone(), &path).send().await.unwrap();
            assert!(answer.headers().contains_key("www-authenticate"));
            assert_eq!(
                outcome(answer).await,
                (401, "auth.token-missing".to_owned()),
                "{path}"
            );
            operations.push(format!("{method} {path}"));
        }
    }
    assert_eq!(operations.len(), 4);
    // Nothing internal on the public listener.
    let (_, _, token) = somebody(&app, &["*"]).await;
    for path in [
        "/internal/v1/not-before",
        "/internal/v1/sessions/rotate",
        "/readyz",
        "/metrics",
    ] {
        assert_eq!(
            refused(&app, Method::POST, path, &token).await.0,
            404,
            "{path}"
        );
    }
}
