use std::io::{Read as _, Write as _};

use serde_json::Value;

use crate::service::start;

#[tokio::test]
async fn every_error_is_a_problem_document() {
    let service = start(|_| {}).await;
    let post = |path: &str| service.http.post(service.url(path));
    let get = |path: &str| service.http.get(service.url(path));
    let json = "application/json";
    let cases = [
        (get("/nothing"), 404, "request.not-found"),
        (get("/api/v1/things/mine/deeper"), 404, "request.not-found"),
        (
            service.http.delete(service.url("/api/v1/things")),
            405,
            "request.method-not-allowed",
        ),
        (
            get("/api/v1/things?limit=many"),
            400,
            "request.invalid-parameter",
        ),
        (
            get("/api/v1/things?surprise=1"),
            400,
            "request.invalid-parameter",
        ),
        (
            get("/api/v1/things/not-an-id"),
            400,
            "request.invalid-parameter",
        ),
        (
            post("/api/v1/things").body("{}"),
            415,
            "request.unsupported-media-type",
        ),
        (
            post("/api/v1/things")
                .header("content-type", "text/plain")
                .body("{}"),
            415,
            "request.unsupported-media-type",
        ),
        (
            post("/api/v1/things")
                .header("content-type", json)
                .body("{"),
            400,
            "request.malformed",
        ),
        (
            post("/api/v1/things")
                .header("content-type", json)
                .body("\u{feff}{}"),
            400,
            "request.malformed",
        ),
        (
            post("/api/v1/things")
                .header("content-type", json)
                .body("{}"),
            422,
            "request.validation-failed",
        ),
        (
            post("/api/v1/things")
                .header("content-type", json)
                .body(r#"{"name":"a\u0000"}"#),
            422,
            "request.validation-failed",
        ),
        (
            post("/api/v1/things")
                .header("content-type", json)
                .body(" ".repeat(64 * 1024 + 1)),
            413,
            "request.body-too-large",
        ),
        (get("/api/v1/things/panics"), 500, "server.internal"),
        (get("/api/v1/things/mine"), 401, "auth.token-missing"),
        (get("/internal/v1/things"), 404, "request.not-found"),
        (get("/metrics"), 404, "request.not-found"),
        (get("/readyz"), 404, "request.not-found"),
    ];
    for (request, status, code) in cases {
        let answer = request.send().await.unwrap();
        let path = answer.url().path().to_owned();
        assert_eq!(answer.status(), status, "{path} {code}");
        let headers = answer.headers().clone();
        assert_eq!(
            headers["content-type"], "application/problem+json",
            "{path}"
        );
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(headers.contains_key("content-security-policy"));
        if status == 405 {
            assert!(headers.contains_key("allow"));
        }
        if status == 401 {
            assert!(headers.contains_key("www-authenticate"));
        }
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], code);
        assert_eq!(body["status"], status);
        assert_eq!(body["instance"], path);
        assert_eq!(
            body["request_id"],
            headers["x-request-id"].to_str().unwrap()
        );
        assert_eq!(body["type"], format!("urn:user-domain:problem:{code}"));
    }
    // A panic took nobody else down.
    assert_eq!(get("/api/v1/things").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_client_chooses_neither_its_address_nor_the_request_id() {
    let service = start(|_| {}).await;
    let answer = service
        .http
        .get(service.url("/api/v1/things"))
        .header("x-forwarded-for", "198.51.100.7")
        .header("forwarded", "for=198.51.100.7")
        .header("x-request-id", "mine")
        .send()
        .await
        .unwrap();
    assert_ne!(answer.headers()["x-request-id"], "mine");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["address"], "127.0.0.1");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let service = start(|http| http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let request = service.http.get(service.url("/api/v1/things"));
    let answer = request
        .header("x-forwarded-for", "203.0.113.1, 198.51.100.7")
        .header("x-request-id", "abc-1")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-request-id"], "abc-1");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["address"], "198.51.100.7");
}

#[tokio::test]
async fn a_stop_lets_a_request_in_flight_finish() {
    let service = start(|_| {}).await;
    let mut socket = std::net::TcpStream::connect(service.public).unwrap();
    socket
        .write_all(b"POST /api/v1/things HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n")
        .unwrap();
    // The interim answer says that the handler has begun to read.
    let mut interim = [0; 25];
    socket.read_exact(&mut interim).unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100"));
    let stopper = std::thread::spawn(move || drop(service));
    socket.write_all(br#"{"name":"a"}"#).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("201 Created"), "{answer}");
    stopper.join().unwrap();
}

#[tokio::test]
async fn cors_is_off_unless_an_origin_is_listed() {
    let preflight = |service: &crate::service::Running, origin: &'static str| {
        service
            .http
            .request(reqwest::Method::OPTIONS, service.url("/api/v1/things"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .send()
    };
    let service = start(|_| {}).await;
    let answer = preflight(&service, "https://app.example").await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));

    let service =
        start(|http| http.cors_allowed_origins = vec!["https://app.example".to_owned()]).await;
    let answer = preflight(&service, "https://app.example").await.unwrap();
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://app.example"
    );
    assert!(
        !answer
            .headers()
            .contains_key("access-control-allow-credentials")
    );
    let answer = preflight(&service, "https://app.example.evil")
        .await
        .unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn metrics_name_routes_and_never_paths_of_clients() {
    let service = start(|_| {}).await;
    for path in ["/api/v1/things", "/secret-path"] {
        service.http.get(service.url(path)).send().await.unwrap();
    }
    let url = format!("http://{}/metrics", service.internal);
    let text = service
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(text.contains(r#"route="/api/v1/things""#), "{text}");
    assert!(text.contains(r#"route="unmatched""#));
    assert!(!text.contains("secret-path"));
}

#[tokio::test]
async fn a_long_path_is_repeated_in_part_only() {
    let service = start(|_| {}).await;
    for (path, instance) in [
        (format!("/{}", "x".repeat(255)), 256),
        (format!("/{}", "x".repeat(256)), 256),
        (format!("/api/v1/things/{}", "x".repeat(30_000)), 256),
    ] {
        let answer = service.http.get(service.url(&path)).send().await.unwrap();
        assert_eq!(answer.status().as_u16() / 100, 4);
        let text = answer.text().await.unwrap();
        assert!(text.len() < 800, "{}", text.len());
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        let told = body["instance"].as_str().unwrap();
        assert_eq!(told.len(), instance);
        assert!(path.starts_with(told));
    }
}
