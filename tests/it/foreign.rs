//! A back end that is not part of the platform, protected by `auth_request` (SECURITY rule 25).

use std::time::Duration;

use end_to_end::{Gateway, Limits, Login, Platform, Ports, RawAnswer, eventually, raw_request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use ud_kernel::Service;

/// A server that answers with the head of the request it got; its port.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = String::new();
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    head.push_str(&String::from_utf8_lossy(&buffer[..length]));
                    if head.contains("\r\n\r\n") {
                        let told = std::mem::take(&mut head);
                        let length = told.len();
                        let answer =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{told}");
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            });
        }
    });
    port
}

/// The platform, and a gateway before it and before a foreign back end; the gateway's port.
async fn with_shop() -> (Platform, Gateway, Ports, tempfile::TempDir) {
    let platform = Platform::services().await;
    let folder = tempfile::tempdir().unwrap();
    let ports = Ports::reserve();
    let mut upstreams = Service::ALL
        .map(|service| (service.as_str(), platform.directory.public_port(service)))
        .to_vec();
    upstreams.push(("shop", echo().await));
    let gateway = Gateway::start_with(
        &folder.path().join("nginx"),
        ports.get(0),
        &upstreams,
        &Limits::Roomy,
        &["shop.conf"],
    );
    gateway.until_ready().await;
    (platform, gateway, ports, folder)
}

async fn visit(ports: &Ports, login: Option<&Login>, headers: &[&str]) -> RawAnswer {
    let mut head = "GET /shop/cart?item=1 HTTP/1.1".to_owned();
    if let Some(login) = login {
        head.push_str(&format!("\r\nAuthorization: Bearer {}", login.access));
    }
    for header in headers {
        head.push_str("\r\n");
        head.push_str(header);
    }
    raw_request(ports.get(0), &head, b"").await
}

/// Every value of a header in a head.
fn all<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

#[tokio::test]
async fn a_foreign_back_end_learns_who_the_user_is_and_not_their_token() {
    let (platform, _gateway, ports, _folder) = with_shop().await;
    let (person, login) = platform.client.newcomer_in().await;
    let forged = [
        "X-User-Id: 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "X-Session-Id: 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "X-User-Roles: admin",
        "X_User_Roles: admin",
        "X-Forwarded-For: 203.0.113.9",
        "Forwarded: for=203.0.113.9",
        "X-Real-IP: 203.0.113.9",
        "X-Request-Id: mine",
    ];
    let answer = visit(&ports, Some(&login), &forged).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let head = answer.body;
    assert!(head.starts_with("GET /shop/cart?item=1 HTTP/1.1"), "{head}");
    assert_eq!(all(&head, "x-user-id"), [person.id.as_str()], "{head}");
    assert_eq!(all(&head, "x-session-id"), [login.session.as_str()]);
    assert_eq!(all(&head, "x-user-roles"), ["user"]);
    assert_eq!(all(&head, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(all(&head, "x-client-request-id"), ["mine"]);
    for absent in ["authorization", "forwarded", "x-real-ip", "x_user_roles"] {
        assert!(all(&head, absent).is_empty(), "{absent} in {head}");
    }
    assert!(!head.contains(&login.access), "{head}");
}

#[tokio::test]
async fn nobody_gets_through_without_a_good_token() {
    let (platform, _gateway, ports, _folder) = with_shop().await;
    let (_, login) = platform.client.newcomer_in().await;
    for (login, headers) in [
        (None, &[][..]),
        (None, &["Authorization: Bearer x", "X-User-Id: x"]),
        (None, &["Authorization: Basic eDp5"]),
        (Some(&login), &["Authorization: Bearer x"]),
    ] {
        let answer = visit(&ports, login, headers).await;
        assert!(matches!(answer.status, 400 | 401), "{answer:?}");
        assert!(!answer.body.contains("GET /shop"), "{answer:?}");
    }
    let refused = visit(&ports, None, &[]).await;
    let body: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(body["code"], "auth.token-invalid");
    assert!(
        !all(&refused.head, "www-authenticate").is_empty(),
        "{refused:?}"
    );
    // The internal location is nobody's to ask.
    let own = raw_request(ports.get(0), "GET /__validate HTTP/1.1", b"").await;
    assert_eq!(own.status, 404, "{own:?}");
    // A closed session is refused here too.
    assert_eq!(visit(&ports, Some(&login), &[]).await.status, 200);
    let logout = platform.client.post("/api/v1/auth/logout");
    let _ = logout.bearer(&login.access).await.must(204);
    eventually(Duration::from_secs(10), "the session is closed", || async {
        (visit(&ports, Some(&login), &[]).await.status == 401).then_some(())
    })
    .await;
    // Without auth nobody knows: 503 to be tried again, not 500 and not 401.
    let (_, login) = platform.client.newcomer_in().await;
    platform.kill(Service::Auth);
    let answer = visit(&ports, Some(&login), &[]).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!all(&answer.head, "retry-after").is_empty(), "{answer:?}");
}
