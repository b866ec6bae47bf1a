//! A TCP proxy to put between a service and what it depends on, to be cut.

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
enum State {
    Through,
    Hung,
    Cut,
    Ended,
}

/// Passes connections on to one address, from a free port of 127.0.0.1, in a thread of its own: a test that
/// blocks does not stop it. Dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Proxy {
    /// A proxy to `upstream`, open.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start(upstream: SocketAddr) -> Self {
        let (state, states) = watch::channel(State::Through);
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                tell.send(listener.local_addr().expect("bound"))
                    .expect("the starter waits");
                accept(listener, upstream, states).await;
            });
        });
        let address = told.recv().expect("the proxy starts");
        Self { address, state }
    }

    /// A proxy to the port `upstream` of 127.0.0.1.
    #[must_use]
    pub fn to_port(upstream: u16) -> Self {
        Self::start(([127, 0, 0, 1], upstream).into())
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port of [`Proxy::address`].
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// `url` with this proxy's address in place of its own host and port.
    ///
    /// # Panics
    /// If `url` has no `scheme://`.
    #[must_use]
    pub fn instead_of(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").expect("scheme://");
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let user = authority.rfind('@').map_or("", |at| &authority[..=at]);
        format!("{scheme}://{user}{}{path}", self.address)
    }

    /// Closes every connection and each new one at once: the other side is gone.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Passes nothing on but keeps connections and takes new ones: the other side does not answer.
    pub fn hang(&self) {
        self.state.send_replace(State::Hung);
    }

    /// Passes everything on again, what was held back while it hung included.
    pub fn resume(&self) {
        self.state.send_replace(State::Through);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.send_replace(State::Ended);
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, mut states: watch::Receiver<State>) {
    loop {
        tokio::select! {
            () = until(&mut states, |state| state == State::Ended) => return,
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(pass_or_cut(client, upstream, states.clone()));
                }
            }
        }
    }
}

/// Both streams close when this ends, whichever way.
async fn pass_or_cut(client: TcpStream, upstream: SocketAddr, states: watch::Receiver<State>) {
    let mut cut = states.clone();
    tokio::select! {
        biased;
        () = until(&mut cut, |state| matches!(state, State::Cut | State::Ended)) => {}
        () = pass(client, upstream, states) => {}
    }
}

async fn pass(client: TcpStream, upstream: SocketAddr, mut states: watch::Receiver<State>) {
    until(&mut states, |state| state != State::Hung).await;
    let connected = timeout(Duration::from_secs(5), TcpStream::connect(upstream)).await;
    let Ok(Ok(server)) = connected else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        copy(from_client, to_server, states.clone()),
        copy(from_server, to_client, states),
    );
}

/// Copies until the end or an error, then closes the writing side.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut states: watch::Receiver<State>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        until(&mut states, |state| state != State::Hung).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn until(states: &mut watch::Receiver<State>, is_it: impl Fn(State) -> bool) {
    // The sender says `Ended` before it goes; without one nothing changes any more.
    if states.wait_for(|state| is_it(*state)).await.is_err() {
        std::future::pending().await
    }
}
