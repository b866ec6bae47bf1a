//! A TCP proxy to put between two parts, to be cut, to hang, and to hold back what was asked or answered.

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

/// How long a flow may take to come to be held.
const PATIENCE: Duration = Duration::from_secs(30);

/// A direction, as seen by whoever connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Requests,
    Answers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Through,
    Held(Way),
    /// Both directions, and new connections.
    Hung,
    Cut,
    Ended,
}

#[derive(Debug, Clone, Copy)]
struct State {
    mode: Mode,
    /// Connections from before the last raise are over.
    cuts: u64,
}

impl State {
    fn holds(self, way: Way) -> bool {
        self.mode == Mode::Hung || self.mode == Mode::Held(way)
    }

    fn is_over(self, cuts: u64) -> bool {
        matches!(self.mode, Mode::Cut | Mode::Ended) || self.cuts != cuts
    }
}

/// Passes connections on to one address, from a free port of 127.0.0.1, in a thread of its own: a test that
/// blocks does not stop it. Dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    held: watch::Receiver<u64>,
    open: watch::Receiver<u64>,
}

/// What the connections count: pieces held back, and themselves.
#[derive(Clone)]
struct Counts {
    held: watch::Sender<u64>,
    open: watch::Sender<u64>,
}

impl Proxy {
    /// Returns a proxy to `upstream`, open.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start(upstream: SocketAddr) -> Self {
        let (state, states) = watch::channel(State {
            mode: Mode::Through,
            cuts: 0,
        });
        let (count, held) = watch::channel(0);
        let (opened, open) = watch::channel(0);
        let counts = Counts {
            held: count,
            open: opened,
        };
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                tell.send(listener.local_addr().expect("bound"))
                    .expect("the starter waits");
                accept(listener, upstream, states, counts).await;
            });
        });
        Self {
            address: told.recv().expect("the proxy starts"),
            state,
            held,
            open,
        }
    }

    /// Returns a proxy to the port `upstream` of 127.0.0.1.
    #[must_use]
    pub fn to_port(upstream: u16) -> Self {
        Self::start(([127, 0, 0, 1], upstream).into())
    }

    /// Returns where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the port of [`Proxy::address`].
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns `url` with this proxy's address in place of its own host and port.
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
        self.set(Mode::Cut);
    }

    /// Closes every connection, and takes new ones as before. Returns when none is left.
    pub async fn cut_once(&self) {
        self.state.send_modify(|state| state.cuts += 1);
        let mut open = self.open.clone();
        // An error means that the proxy has ended.
        let _ = open.wait_for(|open| *open == 0).await;
    }

    /// Passes nothing on but keeps connections and takes new ones: the other side does not answer.
    pub fn hang(&self) {
        self.set(Mode::Hung);
    }

    /// Holds requests back from now on: what is asked is never done if whoever asked dies meanwhile.
    pub fn hold_requests(&self) {
        self.set(Mode::Held(Way::Requests));
    }

    /// Holds answers back from now on: what is asked is done, and who asked does not know.
    pub fn hold_answers(&self) {
        self.set(Mode::Held(Way::Answers));
    }

    /// Passes everything on again, what was held back included.
    pub fn resume(&self) {
        self.set(Mode::Through);
    }

    /// Returns how many pieces were held back so far.
    #[must_use]
    pub fn held(&self) -> u64 {
        *self.held.borrow()
    }

    /// Waits until something was held back after `before` ([`Proxy::held`]).
    ///
    /// # Panics
    /// If nothing is within 30 seconds.
    pub async fn held_after(&self, before: u64) {
        let mut held = self.held.clone();
        let waited = timeout(PATIENCE, held.wait_for(|count| *count > before)).await;
        assert!(matches!(waited, Ok(Ok(_))), "nothing came to be held back");
    }

    fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Ended);
    }
}

type States = watch::Receiver<State>;

/// A connection that counts.
struct Open(watch::Sender<u64>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, mut states: States, counts: Counts) {
    loop {
        tokio::select! {
            () = until(&mut states, |state| state.mode == Mode::Ended) => return,
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(pass_or_cut(client, upstream, states.clone(), counts.clone()));
                }
            }
        }
    }
}

/// Both streams close when this ends, whichever way.
async fn pass_or_cut(client: TcpStream, upstream: SocketAddr, states: States, counts: Counts) {
    counts.open.send_modify(|open| *open += 1);
    let _open = Open(counts.open.clone());
    let mut cut = states.clone();
    let cuts = states.borrow().cuts;
    tokio::select! {
        biased;
        () = until(&mut cut, |state| state.is_over(cuts)) => {}
        () = pass(client, upstream, states, counts) => {}
    }
}

async fn pass(client: TcpStream, upstream: SocketAddr, mut states: States, counts: Counts) {
    until(&mut states, |state| state.mode != Mode::Hung).await;
    let connected = timeout(Duration::from_secs(5), TcpStream::connect(upstream)).await;
    let Ok(Ok(server)) = connected else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (states_too, counts_too) = (states.clone(), counts.clone());
    // A process that was killed has closed both directions: so does this.
    tokio::select! {
        () = copy(from_client, to_server, Way::Requests, states, counts) => {}
        () = copy(from_server, to_client, Way::Answers, states_too, counts_too) => {}
    }
}

/// Copies until the end; while `way` is held, what was read waits.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    mut states: States,
    counts: Counts,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut pending = buffer[..length].to_vec();
        if states.borrow().holds(way) {
            counts.held.send_modify(|held| *held += 1);
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
                () = until(&mut states, |state| !state.holds(way)) => break,
            }
        }
        if to.write_all(&pending).await.is_err() {
            return;
        }
    }
}

async fn until(states: &mut States, is_it: impl Fn(State) -> bool) {
    // The sender says `Ended` before it goes; without one nothing changes any more.
    if states.wait_for(|state| is_it(*state)).await.is_err() {
        std::future::pending().await
    }
}
