//! A proxy that lets requests through and holds the answers back: what was asked is done, and who asked does
//! not know.

use std::{net::SocketAddr, sync::mpsc, thread};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes connections on to a port of 127.0.0.1. While it holds, what comes back waits here. Dropping it closes
/// everything.
#[derive(Debug)]
pub struct AnswerHold {
    address: SocketAddr,
    holds: watch::Sender<bool>,
    held: watch::Receiver<u64>,
}

impl AnswerHold {
    /// In front of `port`, open.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn to_port(port: u16) -> Self {
        let (holds, held_back) = watch::channel(false);
        let (count, held) = watch::channel(0);
        let (tell, told) = mpsc::channel();
        let mut ended = held_back.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let accept = async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let address = listener.local_addr().expect("bound");
                tell.send(address).expect("the starter waits");
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(pass(client, port, held_back.clone(), count.clone()));
                }
            };
            runtime.block_on(async move {
                tokio::select! {
                    () = accept => {}
                    // Never true: this ends with an error, when the sender is dropped.
                    _ = ended.wait_for(|_| false) => {}
                }
            });
        });
        Self {
            address: told.recv().expect("the proxy starts"),
            holds,
            held,
        }
    }

    /// The port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Holds answers back from now on.
    pub fn hold(&self) {
        self.holds.send_replace(true);
    }

    /// Passes everything on again, what waited included.
    pub fn release(&self) {
        self.holds.send_replace(false);
    }

    /// Waits until an answer was held back after `before` ([`AnswerHold::count`]).
    ///
    /// # Panics
    /// If none is within 30 seconds.
    pub async fn held_after(&self, before: u64) {
        let mut held = self.held.clone();
        let wait = held.wait_for(|count| *count > before);
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), wait).await;
        assert!(
            matches!(waited, Ok(Ok(_))),
            "no answer came to be held back"
        );
    }

    /// How many pieces of answers were held back so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        *self.held.borrow()
    }
}

async fn pass(
    client: TcpStream,
    port: u16,
    holds: watch::Receiver<bool>,
    count: watch::Sender<u64>,
) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let answers = async move {
        let mut holds = holds;
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            if *holds.borrow() {
                count.send_modify(|held| *held += 1);
            }
            if holds.wait_for(|holds| !holds).await.is_err() {
                return;
            }
            if to_client.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::join!(requests, answers);
}
