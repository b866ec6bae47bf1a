//! A proxy that holds requests back, so that what was asked is never done, or answers, so that it is done and
//! who asked does not know.

use std::{net::SocketAddr, sync::mpsc, thread, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::timeout,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Requests,
    Answers,
}

/// Passes connections on to a port of 127.0.0.1, and holds one direction when told to. Dropping it closes
/// everything.
#[derive(Debug)]
pub struct Hold {
    address: SocketAddr,
    holds: watch::Sender<Held>,
    held: watch::Receiver<u64>,
}

impl Hold {
    /// In front of `port`, open.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn to_port(port: u16) -> Self {
        let (holds, held_back) = watch::channel(Held::Nothing);
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

    /// Holds requests back from now on.
    pub fn hold_requests(&self) {
        self.holds.send_replace(Held::Requests);
    }

    /// Holds answers back from now on.
    pub fn hold_answers(&self) {
        self.holds.send_replace(Held::Answers);
    }

    /// Passes everything on again, what waited included.
    pub fn release(&self) {
        self.holds.send_replace(Held::Nothing);
    }

    /// How many pieces were held back so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        *self.held.borrow()
    }

    /// Waits until something was held back after `before` ([`Hold::count`]).
    ///
    /// # Panics
    /// If nothing is within 30 seconds.
    pub async fn held_after(&self, before: u64) {
        let mut held = self.held.clone();
        let waited = timeout(
            Duration::from_secs(30),
            held.wait_for(|count| *count > before),
        )
        .await;
        assert!(matches!(waited, Ok(Ok(_))), "nothing came to be held back");
    }
}

async fn pass(
    client: TcpStream,
    port: u16,
    holds: watch::Receiver<Held>,
    count: watch::Sender<u64>,
) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (holds_too, count_too) = (holds.clone(), count.clone());
    let requests = copy(from_client, to_server, Held::Requests, holds, count);
    let answers = copy(from_server, to_client, Held::Answers, holds_too, count_too);
    // A process that was killed has closed both directions: so does this.
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

/// Copies until the end; while `held` is held, what was read waits.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    held: Held,
    mut holds: watch::Receiver<Held>,
    count: watch::Sender<u64>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut pending = buffer[..length].to_vec();
        if *holds.borrow() == held {
            count.send_modify(|held| *held += 1);
        }
        loop {
            tokio::select! {
                biased;
                // Whoever sent this may die meanwhile: then it is never passed on. Looked at first, so that who was
                // killed before the release is known to be dead at the release.
                more = from.read(&mut buffer) => match more {
                    Ok(length @ 1..) => pending.extend_from_slice(&buffer[..length]),
                    _ => return,
                },
                now = holds.wait_for(|now| *now != held) => match now {
                    Ok(_) => break,
                    Err(_) => return,
                },
            }
        }
        if to.write_all(&pending).await.is_err() {
            return;
        }
    }
}
