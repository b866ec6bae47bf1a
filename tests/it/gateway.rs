//! What NGINX answers itself, and what it writes down.

use std::time::Duration;

use end_to_end::{Kind, Limits, Options, Platform, eventually, raw_request};
use serde_json::Value;
use ud_kernel::Code;

#[tokio::test]
async fn the_configuration_passes_its_test() {
    let options = Options::new(Kind::Services).limits(Limits::Shipped);
    let platform = options.without_administrator().start().await;
    let (passed, output) = platform.gateway().test_configuration();
    assert!(passed, "{output}");
    assert!(!output.contains("[warn]"), "{output}");
}

#[tokio::test]
async fn errors_of_the_gateway_are_problem_documents() {
    let platform = Options::new(Kind::Services)
        .without_administrator()
        .start()
        .await;
    let client = &platform.client;
    let port = platform.directory.gateway_port();
    for path in [
        "/",
        "/nowhere",
        "/api",
        "/api/v1",
        "/api/v2/users",
        "/api/v1/userss",
        "/readyz",
        "/.git/config",
    ] {
        client.get(path).await.must_be(Code::REQUEST_NOT_FOUND);
    }
    let healthy = client.get("/healthz").await.must(200);
    assert_eq!(healthy.text("status"), "ok");
    // Over 64 KiB: by its length, and by what comes in pieces.
    let large = vec![b'x'; 64 * 1024 + 1];
    let answer = client
        .post("/api/v1/auth/login")
        .body("application/json", large)
        .await;
    answer.must_be(Code::REQUEST_BODY_TOO_LARGE);
    let mut chunked = Vec::new();
    for _ in 0..20 {
        chunked.extend_from_slice(b"1000\r\n");
        chunked.extend_from_slice(&[b'x'; 4096]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    let answer = raw_request(port, head, &chunked).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(
        answer.head.contains("application/problem+json"),
        "{answer:?}"
    );

    let long_uri = format!("GET /api/v1/users?x={} HTTP/1.1", "x".repeat(20_000));
    let long_header = format!(
        "GET /api/v1/users HTTP/1.1\r\nX-Long: {}",
        "x".repeat(20_000)
    );
    for head in [
        long_uri.as_str(),
        &long_header,
        "GET /api/v1/users/../me HTTP/1.1",
        "GET /api/v1/users/%zz HTTP/1.1",
        "GET /api/v1//users HTTP/1.1",
        "GET /api/v1/users HTTP/1.1\r\nContent-Length: x",
        "GET /api/v1/users HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
    ] {
        let answer = raw_request(port, head, b"").await;
        let start: String = head.chars().take(60).collect();
        assert_eq!(answer.status, 400, "{start}: {answer:?}");
        assert!(
            answer.head.contains("application/problem+json"),
            "{start}: {answer:?}"
        );
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["code"], "request.malformed");
        assert!(!answer.head.to_lowercase().contains("nginx/"), "{answer:?}");
    }

    // A service that is gone: 503 with Retry-After, and no word about which.
    platform.kill(ud_kernel::Service::Role);
    let answer = client.get("/api/v1/roles").await;
    answer.must_be(Code::SERVER_DEPENDENCY_UNAVAILABLE);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn logins_and_registrations_are_limited_for_each_address() {
    // Few a minute, so that the burst (100 and 20) is all there is.
    let limits = Limits::Rates("1r/m".to_owned(), "1r/m".to_owned());
    let options = Options::new(Kind::Services)
        .limits(limits)
        .without_administrator();
    let platform = options.start().await;
    let (client, other) = (platform.client_at(1, 1), platform.client_at(1, 2));
    let mut limited = 0;
    for _ in 0..110 {
        let answer = client
            .try_log_in("nobody@example.com", "wrong wrong wrong wrong")
            .await;
        if answer.status == 429 {
            answer.must_be(Code::REQUEST_RATE_LIMITED);
            limited += 1;
        } else {
            answer.must_be(Code::AUTH_INVALID_CREDENTIALS);
        }
    }
    assert_eq!(limited, 9, "one and the burst of 100 pass");
    other
        .try_log_in("nobody@example.com", "wrong wrong wrong wrong")
        .await
        .must_be(Code::AUTH_INVALID_CREDENTIALS);

    let mut limited = 0;
    for _ in 0..30 {
        let body = serde_json::json!({"email": "x"});
        let answer = client.post("/api/v1/users").json(&body).await;
        if answer.status == 429 {
            answer.must_be(Code::REQUEST_RATE_LIMITED);
            limited += 1;
        } else {
            answer.must_be(Code::REQUEST_VALIDATION_FAILED);
        }
    }
    assert_eq!(limited, 9);
    // Reading the list is no registration.
    for _ in 0..5 {
        let _ = client.get("/api/v1/users").await.must(401);
    }
}

/// Error pages are fetched by GET inside the gateway.
#[tokio::test]
async fn the_access_log_has_the_method_that_was_sent() {
    let options = Options::new(Kind::Services).without_administrator();
    let platform = options.start().await;
    platform.kill(ud_kernel::Service::Role);
    let mut sent = Vec::new();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let paths = [
            ("/nowhere", 404),
            ("/api/v1/roles/..", 400),
            ("/api/v1/roles/x", 503),
        ];
        for (path, status) in paths {
            let head = format!("{method} {path} HTTP/1.1");
            let answer = raw_request(platform.directory.gateway_port(), &head, b"").await;
            assert_eq!(answer.status, status, "{answer:?}");
            sent.push((method.to_owned(), path.to_owned(), u64::from(status)));
        }
    }
    let log = platform.gateway().access_log();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let logged = lines.map(|line: Value| {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (
            text("method"),
            text("path"),
            line["status"].as_u64().unwrap(),
        )
    });
    let logged: Vec<_> = logged.filter(|(_, path, _)| path != "/healthz").collect();
    assert_eq!(logged, sent);
}

#[tokio::test]
async fn the_access_log_is_json_and_keeps_secrets_to_itself() {
    let platform = Platform::services().await;
    let client = &platform.client;
    let (person, login) = client.newcomer_in().await;
    let secret = end_to_end::unique();
    let path = format!("/api/v1/users?limit=5&access_token={secret}");
    let _ = client.get(&path).bearer(&login.access).await;
    let _ = client
        .get("/api/v1/users?limit=7")
        .header("x-request-id", "my-own-id-17")
        .await;
    let quoted = "agent \"quoted\" \\ back";
    let _ = client.get("/healthz").header("user-agent", quoted).await;
    let _ = client
        .get("/api/v1/users?limit=9")
        .header("x-request-id", "with \"quotes\"")
        .await;
    let odd = "GET /api/v1/users/%22%7d%0a HTTP/1.1\r\nUser-Agent: \u{1}\u{7f}\u{e9}";
    let _ = raw_request(platform.directory.gateway_port(), odd, b"").await;

    let log = platform.gateway().access_log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(lines.len() > 10);
    for line in &lines {
        for member in [
            "timestamp",
            "request_id",
            "client_request_id",
            "address",
            "method",
            "path",
        ] {
            assert!(line[member].is_string(), "{member} of {line}");
        }
        assert!(
            line["status"].is_number() && line["duration"].is_number(),
            "{line}"
        );
        assert!(!line["path"].as_str().unwrap().contains('?'), "{line}");
        assert_eq!(line["request_id"].as_str().unwrap().len(), 32, "{line}");
    }
    let own = lines
        .iter()
        .find(|line| line["client_request_id"] == "my-own-id-17");
    assert!(own.is_some(), "{log}");
    assert!(!log.contains("with \\\"quotes"), "{log}");
    for text in [
        &secret,
        &login.access,
        &login.refresh,
        &person.password,
        &person.email,
        "Bearer",
    ] {
        assert!(!log.contains(text), "{text} in {log}");
    }
    // The services log the same id, and JSON as well; lines are gathered for a moment.
    let id = own.unwrap()["request_id"].as_str().unwrap();
    let services = eventually(Duration::from_secs(10), "the service's line", || async {
        let log = platform.process(ud_kernel::Service::Profile).log();
        log.lines().any(|line| line.contains(id)).then_some(log)
    })
    .await;
    for line in services.lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for member in ["timestamp", "level", "target", "message", "service"] {
            assert!(line[member].is_string(), "{member} of {line}");
        }
    }
}
