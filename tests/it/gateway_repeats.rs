//! What the gateway asks of another replica when one gives no answer (`nginx/conf/proxy.conf`).

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use end_to_end::{Client, Gateway, Limits, Ports, SecretScanner};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use ud_kernel::Service;

/// Those that may be sent twice (RFC 9110 section 9.2.2), and those that may not.
const REPEATABLE: [&str; 3] = ["GET", "PUT", "DELETE"];
const ONCE: [&str; 2] = ["POST", "PATCH"];

/// Requests of each method: enough that every replica is the first to be asked.
const EACH: usize = 4;

/// `SHUTDOWN_DRAIN_SECONDS` in production, unless configured.
const DRAIN: Duration = Duration::from_secs(5);

/// Request lines that a replica got.
type Got = Arc<Mutex<Vec<String>>>;

/// A replica that takes requests and answers them, or else ends the connection in place of an answer; its port.
async fn replica(answers: bool) -> (u16, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Got::default();
    let noted = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let mut text = String::new();
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    text.push_str(&String::from_utf8_lossy(&buffer[..length]));
                    if text.contains("\r\n\r\n") {
                        let line = text.lines().next().unwrap().to_owned();
                        noted.lock().unwrap().push(line);
                        text.clear();
                        if !answers {
                            return;
                        }
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                        stream.write_all(answer).await.unwrap();
                    }
                }
            });
        }
    });
    (port, got)
}

/// Sends [`EACH`] requests of each method to a gateway before these two replicas of every service: the request lines and
/// the statuses.
async fn sent(replicas: [u16; 2]) -> Vec<(String, u16)> {
    let folder = tempfile::tempdir().unwrap();
    let ports = Ports::reserve();
    let upstreams = Service::ALL
        .into_iter()
        .flat_map(|service| replicas.map(|port| (service.as_str(), port)));
    let upstreams: Vec<_> = upstreams.collect();
    let folder = folder.path().join("nginx");
    let gateway = Gateway::start(&folder, ports.get(0), &upstreams, &Limits::Roomy);
    gateway.until_ready().await;
    let base = format!("http://127.0.0.1:{}", ports.get(0));
    let client = Client::new(base, Ipv4Addr::LOCALHOST, SecretScanner::default());
    let mut sent = Vec::new();
    for method in REPEATABLE.into_iter().chain(ONCE) {
        for number in 0..EACH {
            let path = format!("/api/v1/users/{number}");
            let call = client.call(method, &path).unchecked();
            let answer = call.try_send().await.unwrap();
            sent.push((format!("{method} {path} HTTP/1.1"), answer.status));
        }
    }
    sent
}

fn count(got: &Got, line: &str) -> usize {
    let got = got.lock().unwrap();
    got.iter().filter(|known| *known == line).count()
}

#[tokio::test]
async fn what_was_sent_and_may_not_be_sent_twice_is_not() {
    let (dying, died_with) = replica(false).await;
    let (living, answered) = replica(true).await;
    let mut failed = 0;
    for (line, status) in sent([dying, living]).await {
        let (died, lived) = (count(&died_with, &line), count(&answered, &line));
        let may_be_repeated = REPEATABLE.iter().any(|method| line.starts_with(method));
        if may_be_repeated {
            assert_eq!((status, lived), (200, 1), "{line}");
        } else {
            assert_eq!(died + lived, 1, "{line} was sent once");
            assert_eq!(status, if lived == 1 { 200 } else { 503 }, "{line}");
            failed += died;
        }
    }
    let repeatable = died_with.lock().unwrap().len() - failed;
    assert!(failed > 0 && repeatable > 0, "the dying one was asked");
}

#[tokio::test]
async fn what_a_replica_did_not_get_goes_to_another_whatever_it_is() {
    let ports = Ports::reserve();
    let (living, answered) = replica(true).await;
    for (line, status) in sent([ports.get(0), living]).await {
        assert_eq!((status, count(&answered, &line)), (200, 1), "{line}");
    }
}

/// A service that stops answers for [`DRAIN`] and then ends connections that are idle. A POST on one of them in that moment
/// would fail.
#[tokio::test]
async fn no_connection_is_idle_for_longer_than_a_service_takes_to_stop() {
    let services = [
        ("auth", "/api/v1/auth/validate"),
        ("role", "/api/v1/roles"),
        ("session", "/api/v1/sessions"),
        ("audit", "/api/v1/audits"),
        ("profile", "/api/v1/users"),
    ];
    let mut upstreams = Vec::new();
    let mut listeners = Vec::new();
    for (name, _) in services {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        upstreams.push((name, listener.local_addr().unwrap().port()));
        listeners.push(listener);
    }
    let (folder, ports) = (tempfile::tempdir().unwrap(), Ports::reserve());
    let folder = folder.path().join("nginx");
    let gateway = Gateway::start(&folder, ports.get(0), &upstreams, &Limits::Roomy);
    gateway.until_ready().await;
    let base = format!("http://127.0.0.1:{}", ports.get(0));
    let client = Client::new(base, Ipv4Addr::LOCALHOST, SecretScanner::default());
    let mut idle = Vec::new();
    for ((_, path), listener) in services.into_iter().zip(listeners) {
        let call = client.get(path).unchecked();
        let answered = tokio::spawn(call.try_send());
        let (mut stream, _) = listener.accept().await.unwrap();
        let read = stream.read(&mut [0; 4096]).await.unwrap();
        assert!(read > 0);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        stream.write_all(answer).await.unwrap();
        assert_eq!(answered.await.unwrap().unwrap().status, 200, "{path}");
        idle.push((path, stream));
    }
    for (path, mut stream) in idle {
        let closed = tokio::time::timeout(DRAIN, stream.read(&mut [0; 1])).await;
        assert_eq!(closed.ok().map(Result::unwrap), Some(0), "{path}");
    }
}
