//! Connections that come at the very end of a listener.

use futures_util::FutureExt as _;

use super::*;

/// A connection is told to leave before its thread has looked at it: its request is answered all the same.
#[actix_web::test]
async fn who_was_taken_last_is_answered() {
    use std::io::{Read as _, Write as _};
    let metrics = Metrics::new("t");
    let edge = Arc::new(Edge::for_tests(&metrics));
    let app = || App::new().default_service(web::to(not_found));
    let listener = Listener {
        connections: Connections::new("t", 8, Peers::Internal, &metrics),
        has_ended: watch::Sender::new(false),
        workers: Workers::start(1, &edge, None, app).await.unwrap(),
    };
    for _ in 0..20 {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        let request = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        client.write_all(request).unwrap();
        let (go_on, held) = std::sync::mpsc::channel();
        listener
            .workers
            .first_do(move || held.recv().unwrap_or_default());
        let (end, ended) = watch::channel(true);
        listener.serve(socket, ended).await.unwrap();
        drop(end);
        go_on.send(()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer:?}");
    }
}

/// What has come since the runtime looked last is taken as well, and not reset.
#[tokio::test]
async fn who_connects_at_the_very_end_is_taken() {
    use std::io::Read as _;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let listener = Listener {
        connections: Connections::new("t", 8, Peers::Internal, &Metrics::new("t")),
        has_ended: watch::Sender::new(false),
        workers: Workers::none(),
    };
    let (end, ended) = watch::channel(false);
    let at_the_end = async {
        // It waits for connections. From here on the runtime does not look before the end.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let client = std::net::TcpStream::connect(address).unwrap();
        end.send(true).unwrap();
        client
    };
    let (served, mut client) = tokio::join!(listener.serve(socket, ended), at_the_end);
    served.unwrap();
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0, "closed, not reset");
}

/// No connection is open, and one may wait to be taken: that is no end yet.
#[tokio::test]
async fn a_listener_has_not_ended_before_its_queue_is_empty() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let listener = Listener {
        connections: Connections::new("t", 8, Peers::Internal, &Metrics::new("t")),
        has_ended: watch::Sender::new(false),
        workers: Workers::none(),
    };
    let (end, ended) = watch::channel(false);
    end.send(true).unwrap();
    let mut finished = Box::pin(listener.finished("t"));
    assert!(finished.as_mut().now_or_never().is_none());
    listener.serve(socket, ended).await.unwrap();
    finished.await;
}
