//! Headers and paths that somebody means ill by, as they arrive behind the gateway.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use end_to_end::{Gateway, Kind, Limits, Options, Platform, Ports, raw_exchange, raw_request};
use rstest::rstest;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use ud_kernel::Service;

use crate::audit_log::AuditLog as _;

/// Twenty spellings of a path that starts with `/internal`.
fn spellings(path: &str) -> Vec<String> {
    let rest = path.strip_prefix("/internal").expect("an internal path");
    vec![
        path.to_owned(),
        format!("//internal{rest}"),
        format!("/./internal{rest}"),
        format!("/x/../internal{rest}"),
        format!("/api/v1/users/../../../internal{rest}"),
        format!("/api/v1/users/..%2f..%2f..%2finternal{rest}"),
        format!("/api/v1/users/%2e%2e/%2e%2e/%2e%2e/internal{rest}"),
        format!("/%69nternal{rest}"),
        format!("/%2finternal{rest}"),
        format!("/internal%2f{}", rest.trim_start_matches('/')),
        format!("/INTERNAL{rest}"),
        format!("/Internal{rest}"),
        format!("/internal/{rest}"),
        format!("/internal;x=y{rest}"),
        format!("/internal/.{rest}"),
        format!("/internal/x/..{rest}"),
        format!("/api/v1/..;/internal{rest}"),
        format!(
            "/api/v1/users\\..\\..\\..\\internal{}",
            rest.replace('/', "\\")
        ),
        format!("/api/v1/users/%5c..%5cinternal{rest}"),
        format!("/internal%00{rest}"),
        format!("{path}/"),
        format!("{path}?x=/api/v1/users"),
    ]
}

const INTERNAL: [&str; 11] = [
    "/internal/v1/credentials/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
    "/internal/v1/sessions/rotate",
    "/internal/v1/sessions/step",
    "/internal/v1/sessions/close",
    "/internal/v1/sessions/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b/state",
    "/internal/v1/not-before",
    "/internal/v1/marks",
    "/internal/v1/users/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b/access",
    "/internal/v1/administrators",
    "/internal/v1/events",
    "/internal/v1/revocations",
];

#[rstest]
#[tokio::test]
async fn internal_paths_are_on_no_public_listener(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let mut ports = vec![platform.directory.gateway_port()];
    if kind == Kind::Services {
        ports.extend(Service::ALL.map(|service| platform.directory.public_port(service)));
    }
    let mut tokens = vec![String::new(), platform.admin.access.clone()];
    if kind == Kind::Services {
        tokens.push(platform.identities().token(Service::Profile, Service::Auth));
        tokens.push(platform.identities().token(Service::Auth, Service::Session));
    }
    for path in INTERNAL {
        for spelling in spellings(path) {
            for port in &ports {
                for token in &tokens {
                    for method in ["GET", "POST", "PUT"] {
                        let bearer = format!("\r\nAuthorization: Bearer {token}");
                        let bearer = if token.is_empty() { "" } else { &bearer };
                        let head =
                            format!("{method} {spelling} HTTP/1.1{bearer}\r\nContent-Length: 0");
                        let answer = raw_request(*port, &head, b"").await;
                        // What names a resource of the public API asks for a token first.
                        let is_hidden = matches!(answer.status, 400 | 404);
                        assert!(is_hidden, "{method} {spelling} at {port}: {answer:?}");
                        let is_problem = answer.head.contains("application/problem+json");
                        assert!(is_problem, "{method} {spelling} at {port}: {answer:?}");
                    }
                }
            }
        }
    }
    // Neither are the operator's own pages.
    for path in [
        "/metrics",
        "/%6detrics",
        "/auth/internal/v1/events",
        "/auth/readyz",
    ] {
        for port in &ports {
            let answer = raw_request(*port, &format!("GET {path} HTTP/1.1"), b"").await;
            assert!(
                matches!(answer.status, 400 | 404),
                "{path} at {port}: {answer:?}"
            );
        }
    }
}

/// A server that notes the requests it gets; its port, the requests, and the number of connections.
async fn echo() -> (u16, Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let connections = Arc::new(AtomicUsize::new(0));
    let (noted, counted) = (Arc::clone(&seen), Arc::clone(&connections));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let mut text = String::new();
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    text.push_str(&String::from_utf8_lossy(&buffer[..length]));
                    if text.contains("\r\n\r\n") {
                        noted.lock().unwrap().push(std::mem::take(&mut text));
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                        let _ = stream.write_all(answer).await;
                    }
                }
            });
        }
    });
    (port, seen, connections)
}

#[tokio::test]
async fn forged_headers_do_not_arrive() {
    let (upstream, seen, connections) = echo().await;
    let folder = tempfile::tempdir().unwrap();
    let ports = Ports::reserve();
    let upstreams = Service::ALL.map(|service| (service.as_str(), upstream));
    let gateway = Gateway::start(
        &folder.path().join("nginx"),
        ports.get(0),
        &upstreams,
        &Limits::Roomy,
    );
    gateway.until_ready().await;
    let forged = [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example.com",
        "Forwarded: for=203.0.113.9;proto=https",
        "X-Real-IP: 203.0.113.9",
        "X-Request-Id: chosen-by-the-client",
        "X-User-Id: 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "X-Session-Id: 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "X-User-Roles: admin",
        "X-Client-Request-Id: chosen-by-the-client",
    ];
    let paths = [
        "/api/v1/auth/login",
        "/api/v1/auth/validate",
        "/.well-known/jwks.json",
        "/docs",
        "/docs/x",
        "/api/v1/users",
        "/api/v1/users/me",
        "/api/v1/roles",
        "/api/v1/roles/x",
        "/api/v1/role-assignments",
        "/api/v1/role-assignments/x",
        "/api/v1/sessions",
        "/api/v1/sessions/x",
        "/api/v1/audits",
        "/api/v1/audits/x",
    ];
    for path in paths {
        let head = format!(
            "GET {path} HTTP/1.1\r\n{}\r\n{}",
            forged.join("\r\n"),
            forged[0]
        );
        let answer = raw_request(ports.get(0), &head, b"").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let request = seen
            .lock()
            .unwrap()
            .pop()
            .expect("the request came through");
        let headers: Vec<(String, &str)> = request
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.trim()))
            .collect();
        let all = |name: &str| {
            let of = headers.iter().filter(|(n, _)| n == name);
            of.map(|(_, value)| *value).collect::<Vec<_>>()
        };
        assert_eq!(all("x-forwarded-for"), ["127.0.0.1"], "{path}: {request}");
        assert_eq!(all("x-forwarded-proto"), ["http"], "{path}: {request}");
        for name in [
            "forwarded",
            "x-real-ip",
            "x-user-id",
            "x-session-id",
            "x-user-roles",
        ] {
            assert!(
                all(name).iter().all(|value| value.is_empty()),
                "{path}: {name}: {request}"
            );
        }
        let ids = all("x-request-id");
        assert!(
            ids.len() == 1 && ids[0] != "chosen-by-the-client",
            "{path}: {request}"
        );
        assert_eq!(
            all("x-client-request-id"),
            ["chosen-by-the-client"],
            "{path}: {request}"
        );
    }
    // Connections to the services are kept: at most one for each service here.
    let connections = connections.load(Ordering::SeqCst);
    assert!(
        connections <= 5,
        "{connections} connections for {} requests",
        paths.len()
    );
}

#[rstest]
#[tokio::test]
async fn nobody_chooses_their_address_identity_or_request_id(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = platform.client_at(9, 9);
    let person = client.newcomer().await;
    let body = serde_json::json!({"identifier": person.email, "password": person.password});
    let forge = |call: end_to_end::Call| {
        call.header("x-forwarded-for", "203.0.113.9, 198.51.100.4")
            .header("forwarded", "for=203.0.113.9")
            .header("x-real-ip", "203.0.113.9")
            .header("x-request-id", "chosen-by-the-client")
            .header("x-user-id", &platform.chief.id)
            .header("x-session-id", &platform.admin.session)
            .header("x-user-roles", "admin")
    };
    let answer = forge(client.post("/api/v1/auth/login").json(&body))
        .await
        .must(200);
    assert_ne!(
        answer.header("x-request-id").as_deref(),
        Some("chosen-by-the-client")
    );
    let login = end_to_end::Login::from_answer(answer.clone());
    let path = format!("/api/v1/sessions/{}", login.session);
    let session = client
        .get(&path)
        .bearer(&login.access)
        .await
        .must(200)
        .json();
    assert_eq!(session["ip"], "127.0.9.9", "{session}");
    let record = platform.audited("user_logged_in", &login.session).await;
    assert_eq!(record["ip"], "127.0.9.9", "{record}");
    assert_eq!(
        record["request_id"].as_str(),
        answer.header("x-request-id").as_deref()
    );

    // Without a token such headers are nobody, with one they change nothing.
    for (_, path) in end_to_end::OWN {
        let _ = forge(client.get(path)).await.must(401);
    }
    let me = forge(client.get("/api/v1/users/me").bearer(&login.access))
        .await
        .must(200);
    assert_eq!(me.text("id"), person.id);
    let valid = forge(client.get("/api/v1/auth/validate").bearer(&login.access))
        .await
        .must(200);
    assert_eq!(valid.header("x-user-id"), Some(person.id));
    let _ = forge(client.get("/api/v1/roles").bearer(&login.access))
        .await
        .must(403);
}

/// Headers and body of requests whose end two readers could see in two places; what follows could then be heard as a
/// request that nobody sent (RFC 9112, section 11.2).
const TWO_ENDS: [(&str, &str); 9] = [
    (
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "0\r\n\r\n",
    ),
    (
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "0\r\n\r\n",
    ),
    (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "0\r\n\r\n",
    ),
    ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
    ("Transfer-Encoding : chunked", "0\r\n\r\n"),
    ("Content-Length: 2\r\nContent-Length: 4", "{}\r\n"),
    ("Content-Length: +2", "{}"),
    ("Content-Length: 2, 2", "{}"),
    ("Content-Length: 0x2", "{}"),
];

#[rstest]
#[tokio::test]
async fn what_follows_a_request_of_unclear_length_is_not_heard(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Options::new(kind).without_administrator().start().await;
    let mut ports = vec![platform.directory.gateway_port()];
    if kind == Kind::Services {
        for service in Service::ALL {
            ports.push(platform.directory.public_port(service));
            ports.push(platform.directory.internal_port(service));
        }
    }
    for port in ports {
        let host = format!("Host: 127.0.0.1:{port}");
        let second = format!("GET /livez HTTP/1.1\r\n{host}\r\n\r\n");
        for (headers, body) in TWO_ENDS {
            let first =
                format!("POST /api/v1/auth/login HTTP/1.1\r\n{host}\r\n{headers}\r\n\r\n{body}");
            let answers = raw_exchange(port, format!("{first}{second}").as_bytes()).await;
            let is_refused = answers.starts_with("HTTP/1.1 400 ")
                // NGINX of an encoding that it does not know.
                || (headers.contains("xchunked") && answers.starts_with("HTTP/1.1 501 "));
            assert!(is_refused, "{port}, {headers:?}: {answers}");
            assert_eq!(
                answers.matches("HTTP/1.1 ").count(),
                1,
                "{port}, {headers:?}: {answers}"
            );
        }
        // The same two requests with one end each are two.
        let first = format!("POST /nowhere HTTP/1.1\r\n{host}\r\nContent-Length: 2\r\n\r\n{{}}");
        let last = format!("GET /livez HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n");
        let answers = raw_exchange(port, format!("{first}{last}").as_bytes()).await;
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 2, "{port}: {answers}");
    }
}

#[rstest]
#[tokio::test]
async fn a_proxy_in_the_environment_is_ignored(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    // Nobody listens there: a call that went through it would fail.
    let mut options = Options::new(kind);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        for name in [name.to_owned(), name.to_ascii_lowercase()] {
            options = options.set(&name, "http://127.0.0.1:9");
        }
    }
    let platform = options.start().await;
    let (_, login) = platform.client.newcomer_in().await;
    platform.accepted_everywhere(&login.access).await;
}
