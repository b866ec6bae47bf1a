//! How much of what arrives is handed over, and what is written in place of bare answers.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use ud_telemetry::Metrics;

use super::{Connection, HEADS_AHEAD, bare_status, heads};
use crate::{
    connections::{Connections, Peers},
    edge::Edge,
    stream::Stream,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

async fn connected() -> (Connection, TcpStream) {
    connected_since(Duration::ZERO).await
}

/// A connection of a registry that began so long ago, and its client.
async fn connected_since(ago: Duration) -> (Connection, TcpStream) {
    let metrics = Metrics::new("t");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    let (stream, peer) = accepted.unwrap();
    let connections = Connections::new("t", 8, Peers::Internal, &metrics).aged(ago);
    let place = connections.admit(peer.ip()).unwrap();
    let edge = Edge::for_tests(&metrics);
    let connection = Connection::new(Stream::Plain(stream), place, Arc::new(edge));
    (connection, client.unwrap())
}

/// Heads in what is handed over until nothing more is.
async fn handed_over(connection: &mut Connection) -> usize {
    let (mut all, mut part) = (Vec::new(), vec![0; 64 * 1024]);
    let patience = Duration::from_millis(200);
    while let Ok(Ok(count)) = timeout(patience, connection.read(&mut part)).await {
        all.extend_from_slice(&part[..count]);
    }
    assert!(GET.repeat(1_001).starts_with(&all), "in order, and all");
    all.len() / GET.len()
}

/// Bytes that are handed over at once, if any are.
async fn next(connection: &mut Connection) -> usize {
    let mut part = vec![0; 64 * 1024];
    let read = timeout(Duration::from_millis(200), connection.read(&mut part)).await;
    read.map_or(0, |count| count.unwrap())
}

#[tokio::test]
async fn while_a_request_is_at_work_few_are_read_ahead() {
    let (mut connection, mut client) = connected().await;
    let ticket = Arc::clone(connection.ticket());
    let busy = ticket.begin();
    client.write_all(&GET.repeat(1_000)).await.unwrap();
    assert_eq!(handed_over(&mut connection).await, HEADS_AHEAD);
    // Where a request waits for its body, what comes may be that.
    let receiving = ticket.receive();
    let mut part = vec![0; 64 * 1024];
    let count = connection.read(&mut part).await.unwrap();
    assert_eq!(count, HEADS_AHEAD * GET.len());
    drop(receiving);
    assert_eq!(next(&mut connection).await, 0);
    // Whoever waits for more is woken when the request is done.
    let reading = connection.read(&mut part);
    let (read, ()) = tokio::join!(reading, async {
        tokio::task::yield_now().await;
        drop(busy);
    });
    assert_eq!(read.unwrap(), HEADS_AHEAD * GET.len());
}

/// Half a head that came with the request before it is no idle connection to the HTTP implementation.
#[tokio::test]
async fn a_connection_that_is_idle_for_long_ends() {
    let (mut connection, _client) = connected_since(Duration::from_secs(70)).await;
    let ticket = Arc::clone(connection.ticket());
    drop(ticket.begin());
    ticket.age();
    let patience = Duration::from_secs(2);
    let ended = timeout(patience, connection.read(&mut [0; 64])).await;
    assert!(ended.is_err(), "not yet: {ended:?}");
    let (mut connection, _client) = connected_since(Duration::from_secs(81)).await;
    let ticket = Arc::clone(connection.ticket());
    drop(ticket.begin());
    ticket.age();
    let ended = timeout(patience, connection.read(&mut [0; 64])).await;
    assert_eq!(ended.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn between_requests_all_is_read_in_parts() {
    let (mut connection, mut client) = connected().await;
    client.write_all(&GET.repeat(1_000)).await.unwrap();
    assert_eq!(handed_over(&mut connection).await, 1_000);
}

#[test]
fn heads_are_counted_as_they_are_read() {
    assert_eq!(heads(b"", 16), (0, 0));
    assert_eq!(heads(b"GET / HTTP/1.1\r\nhost: a\r\n", 16), (0, 25));
    assert_eq!(heads(b"GET / HTTP/1.1\r\n\r\nGET", 16), (1, 21));
    assert_eq!(heads(b"GET / HTTP/1.1\n\nGET", 1), (1, 16));
    assert_eq!(heads(b"a\n\r\nb\n\n\nc\r\n\r\nd", 3), (3, 8));
    for most in 1..=20 {
        let bytes = b"GET / HTTP/1.1\r\n\r\n".repeat(16);
        let (count, end) = heads(&bytes, most);
        assert_eq!((count, end), (most.min(16), 18 * most.min(16)));
    }
}

#[test]
fn bare_answers_are_told_from_ours() {
    let bare = |text: &str| bare_status(text.as_bytes()).map(|status| status.as_u16());
    let head = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert_eq!(bare(head), Some(408));
    assert_eq!(
        bare("HTTP/1.0 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        Some(400)
    );
    assert_eq!(bare("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None);
    assert_eq!(
        bare("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-request-id: 1\r\n\r\n"),
        None
    );
    // A part of a body that looks like one.
    assert_eq!(bare("HTTP/1.1 408 \r\n\r\n"), None);
    assert_eq!(bare(&format!("{head}{head}")), None);
    assert_eq!(bare(&format!("HTTP/1.1 200 OK\r\n\r\n{head}")), None);
    assert_eq!(bare(""), None);
}
