//! Clients that send ahead, read late, or leave a body unfinished.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::service::start;

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

/// A connection whose receiving side holds little, so that the server soon cannot send any more.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

/// Sends as many requests as the other side takes without having one answer read.
async fn send_until_blocked(stream: &mut TcpStream) -> usize {
    let many = GET.repeat(200);
    let mut sent = 0;
    loop {
        let writing = stream.write_all(many.as_bytes());
        match tokio::time::timeout(Duration::from_millis(500), writing).await {
            Ok(outcome) => outcome.unwrap(),
            Err(_) => return sent,
        }
        sent += many.len();
    }
}

/// How many whole answers `bytes` are; panics where they are not answers one after the other.
fn answers(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 "), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap_or_else(|| panic!("{head}"));
        bytes = &bytes[end + 4 + length.parse::<usize>().unwrap()..];
        count += 1;
    }
    count
}

#[tokio::test]
async fn whatever_is_sent_ahead_is_answered_once() {
    let service = start(|_| {}).await;
    let stream = TcpStream::connect(service.public).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let body = "a".repeat(60_000);
    let post = format!(
        "POST /api/v1/things HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Bodies that are not read end the connection, so only the last request has one.
    let sender = tokio::spawn(async move {
        for _ in 0..50 {
            writing.write_all(GET.repeat(100).as_bytes()).await.unwrap();
        }
        writing.write_all(post.as_bytes()).await.unwrap();
        writing
    });
    let mut heard = Vec::new();
    let _ = reading.read_to_end(&mut heard).await;
    drop(sender.await);
    assert_eq!(answers(&heard), 5_001);
}

/// The peer that takes nothing does not keep a service from ending.
#[tokio::test]
async fn who_takes_no_answer_is_not_waited_for_at_a_stop() {
    let service = start(|_| {}).await;
    let mut stream = narrow(service.public).await;
    assert!(send_until_blocked(&mut stream).await < 8 * 1024 * 1024);
    let begun = Instant::now();
    drop(service);
    assert!(begun.elapsed() < Duration::from_secs(5), "{begun:?}");
}

/// A head that is late is no reason to write into the middle of an answer.
#[tokio::test]
async fn nothing_is_written_into_an_unfinished_answer() {
    let service = start(|_| {}).await;
    let mut stream = narrow(service.public).await;
    // More than the sockets hold, and half a head while it is being sent.
    let big = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(big.repeat(8).as_bytes()).await.unwrap();
    let (mut heard, mut part) = (Vec::new(), [0; 512]);
    let count = stream.read(&mut part).await.unwrap();
    heard.extend_from_slice(&part[..count]);
    let half = b"GET /healthz HTTP/1.1\r\nho";
    stream.write_all(half).await.unwrap();
    let begun = Instant::now();
    // Slowly until after the deadline of a head, then all that is left.
    loop {
        let is_slow = begun.elapsed() < Duration::from_secs(11);
        let patience = Duration::from_millis(if is_slow { 50 } else { 2_000 });
        match tokio::time::timeout(patience, stream.read(&mut part)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(count)) => heard.extend_from_slice(&part[..count]),
            Err(_) if is_slow => {}
            Err(_) => break,
        }
        if is_slow {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(answers(&heard) >= 8);
}

/// A body without a length that is not read: nothing follows it, and it has ten seconds.
#[tokio::test]
async fn the_rest_of_a_body_that_nobody_reads_has_ten_seconds() {
    let service = start(|_| {}).await;
    let head = "POST /api/v1/things HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\n\
                transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let talk = |rest: &'static [u8], pause: Duration| async move {
        let mut stream = TcpStream::connect(service.public).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(pause).await;
        let _ = stream.write_all(rest).await;
        let (begun, mut heard) = (Instant::now(), Vec::new());
        let _ = stream.read_to_end(&mut heard).await;
        (String::from_utf8(heard).unwrap(), begun.elapsed())
    };
    let second = Duration::from_secs(1);
    let ((silent, silence), (ended, end)) = tokio::join!(
        talk(b"", Duration::ZERO),
        // Its end is no half head.
        talk(b"0\r\n\r\n", second)
    );
    for text in [&silent, &ended] {
        assert_eq!(answers(text.as_bytes()), 1, "{text}");
        assert!(text.contains("connection: close"), "{text}");
        assert!(!text.contains("408"), "{text}");
    }
    assert!(silence < Duration::from_secs(14), "{silence:?}");
    assert!(end < Duration::from_secs(5), "{end:?}");
}
