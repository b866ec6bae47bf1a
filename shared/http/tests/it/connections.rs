//! What a connection is told by the server itself: before a request is there, and at a stop.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::service::start;

/// Sends each of `parts` after reading what the one before brought, then reads to the end.
async fn talk(address: std::net::SocketAddr, parts: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut heard = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            let mut answer = [0; 4096];
            let length = stream.read(&mut answer).await.unwrap();
            heard.extend_from_slice(&answer[..length]);
        }
        stream.write_all(part).await.unwrap();
    }
    // The end may come as a reset.
    let _ = stream.read_to_end(&mut heard).await;
    String::from_utf8(heard).unwrap()
}

/// Asserts that the last answer in `text` is a problem document with all that every answer has.
fn problem(text: &str, status: &str, code: &str) {
    let at = text
        .rfind("HTTP/1.1 ")
        .unwrap_or_else(|| panic!("{text:?}"));
    let (head, body) = text[at..].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
    let has = |line: &str| assert!(head.contains(line), "{line} in {head}");
    has("\r\ncontent-type: application/problem+json");
    has("\r\ncache-control: no-store");
    has("\r\nx-content-type-options: nosniff");
    has(&format!("\r\ncontent-length: {}", body.len()));
    has("\r\nconnection: close");
    let document: Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["code"], code, "{text}");
    assert_eq!(document["status"].to_string(), status[..3]);
    has(&format!(
        "\r\nx-request-id: {}",
        document["request_id"].as_str().unwrap()
    ));
    assert!(document.get("instance").is_none(), "no path was read");
}

#[tokio::test]
async fn what_is_no_request_gets_a_problem_document_too() {
    let service = start(|_| {}).await;
    let long = format!("GET /healthz HTTP/1.1\r\nx: {}", "a".repeat(140_000));
    let many: String = (0..200).map(|i| format!("x-{i}: 1\r\n")).collect();
    let many = format!("GET /healthz HTTP/1.1\r\n{many}\r\n");
    for address in [service.public, service.internal] {
        for bytes in [
            b"rubbish\r\n\r\n".as_slice(),
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET /healthz\r\n\r\n",
            b"GET /healthz HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            b"GET / HTTP/1.1\r\nna me: 1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            let text = talk(address, &[bytes]).await;
            problem(&text, "400 Bad Request", "request.malformed");
        }
        let text = talk(address, &[long.as_bytes()]).await;
        problem(
            &text,
            "431 Request Header Fields Too Large",
            "request.header-fields-too-large",
        );
        let text = talk(address, &[many.as_bytes()]).await;
        problem(
            &text,
            "431 Request Header Fields Too Large",
            "request.header-fields-too-large",
        );
    }
    // After a good request on the same connection.
    let good = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let text = talk(service.public, &[good, b"rubbish\r\n\r\n"]).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    problem(&text, "400 Bad Request", "request.malformed");
}

#[tokio::test]
async fn a_head_has_ten_seconds_and_a_problem_document_then() {
    let service = start(|_| {}).await;
    let begun = Instant::now();
    let half = b"GET /healthz HTTP/1.1\r\nhos".as_slice();
    let whole = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n".as_slice();
    let (late, after_another) = ([half], [whole, half]);
    let (first, second, silent, inner, idle) = tokio::join!(
        talk(service.public, &late),
        talk(service.public, &after_another),
        talk(service.public, &[b""]),
        talk(service.internal, &late),
        async {
            // Whoever waits between two requests is not late.
            let mut stream = TcpStream::connect(service.public).await.unwrap();
            let mut answer = [0; 4096];
            stream.write_all(whole).await.unwrap();
            let _ = stream.read(&mut answer).await.unwrap();
            tokio::time::sleep(Duration::from_secs(12)).await;
            stream.write_all(whole).await.unwrap();
            let length = stream.read(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer[..length]).into_owned()
        },
    );
    problem(&first, "408 Request Timeout", "request.timeout");
    assert!(second.starts_with("HTTP/1.1 200"), "{second}");
    problem(&second, "408 Request Timeout", "request.timeout");
    problem(&inner, "408 Request Timeout", "request.timeout");
    assert_eq!(silent, "", "who says nothing is told nothing");
    assert!(idle.starts_with("HTTP/1.1 200"), "{idle}");
    assert!(begun.elapsed() >= Duration::from_secs(12));
}

#[tokio::test]
async fn while_it_drains_it_answers_and_says_that_it_will_close() {
    let service = start(|http| http.drain = Duration::from_secs(2)).await;
    let get = |path: &str| {
        let url = format!("http://{}{path}", service.internal);
        async { reqwest::get(url).await.unwrap() }
    };
    assert_eq!(get("/readyz").await.status(), 200);
    let whole = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    // One that is idle when the end begins, and is used meanwhile; one that is never used again.
    let mut used = TcpStream::connect(service.public).await.unwrap();
    let mut unused = TcpStream::connect(service.public).await.unwrap();
    let mut answer = [0; 4096];
    for stream in [&mut used, &mut unused] {
        stream.write_all(whole).await.unwrap();
        let length = stream.read(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(!text.to_lowercase().contains("connection: close"), "{text}");
    }
    let (public, internal) = (service.public, service.internal);
    let readyz = format!("http://{internal}/readyz");
    let begun = Instant::now();
    let stopper = std::thread::spawn(move || drop(service));
    while reqwest::get(&readyz).await.unwrap().status() == 200 {
        tokio::task::yield_now().await;
    }
    let body: Value = reqwest::get(&readyz).await.unwrap().json().await.unwrap();
    assert_eq!(body["stopping"], true);
    used.write_all(whole).await.unwrap();
    let mut text = String::new();
    used.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(text.contains("connection: close"), "{text}");
    // New connections are taken as well.
    let text = talk(public, &[whole]).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(text.contains("connection: close"), "{text}");
    // At the end the idle one is closed without a word.
    assert_eq!(unused.read(&mut answer).await.unwrap(), 0);
    assert!(begun.elapsed() >= Duration::from_secs(2));
    stopper.join().unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "nothing to wait for"
    );
    assert!(TcpStream::connect(public).await.is_err());
}

#[tokio::test]
async fn a_request_whose_head_has_begun_before_a_stop_is_answered() {
    let service = start(|_| {}).await;
    let mut stream = TcpStream::connect(service.public).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\n")
        .await
        .unwrap();
    // It is read: what came later on another connection is answered.
    let _ = reqwest::get(service.url("/healthz")).await.unwrap();
    let public = service.public;
    let stopper = std::thread::spawn(move || drop(service));
    while TcpStream::connect(public).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"host: a\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    stopper.join().unwrap();
}
