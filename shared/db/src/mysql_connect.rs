//! Connecting to MySQL within a time limit: diesel does not set its client's, whose default is none.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, TryRecvError},
    },
    time::Duration,
};

use diesel::{Connection as _, MysqlConnection};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::ConnectError;

/// How long a connect may take.
const LIMIT: Duration = Duration::from_secs(2);

/// An attempt on its thread.
type Attempt = mpsc::Receiver<diesel::ConnectionResult<MysqlConnection>>;

/// Opens connections on a thread of their own, which is left behind if the server does not answer. Whoever tries again
/// keeps one connector: it is what bounds the threads.
#[derive(Default)]
pub(crate) struct Connector {
    /// The last attempt was answered. Otherwise, and at first, the server's greeting is waited for: that socket can be
    /// given a time limit, so that a silent server leaves a thread or two behind, not one per attempt.
    answers: AtomicBool,
    /// The last attempt that was left behind at a socket file, where nobody is greeted apart. The server's end is its
    /// end, too: until then there is no other.
    left: Mutex<Option<Attempt>>,
}

impl Connector {
    pub(crate) fn connect(
        &self,
        url: &SecretString,
        address: Option<&(String, u16)>,
    ) -> Result<MysqlConnection, ConnectError> {
        if !self.answers.load(Ordering::Relaxed) {
            match address {
                Some((host, port)) => {
                    await_greeting(host, *port).map_err(|e| ConnectError(e.to_string()))?;
                }
                None => self.await_left()?,
            }
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let url = url.clone();
        std::thread::Builder::new()
            .name("mysql-connect".to_owned())
            .spawn(move || {
                let _ = sender.send(MysqlConnection::establish(url.expose_secret()));
            })
            .map_err(|e| ConnectError(e.to_string()))?;
        let outcome = receiver.recv_timeout(LIMIT);
        self.answers.store(outcome.is_ok(), Ordering::Relaxed);
        match outcome {
            Ok(result) => Ok(result?),
            Err(_) => {
                if address.is_none() {
                    *self.left() = Some(receiver);
                }
                Err(silent())
            }
        }
    }

    /// Fails while the attempt that was left behind goes on.
    fn await_left(&self) -> Result<(), ConnectError> {
        let mut left = self.left();
        match left.take() {
            Some(attempt) if matches!(attempt.try_recv(), Err(TryRecvError::Empty)) => {
                *left = Some(attempt);
                Err(silent())
            }
            // What came late is closed by dropping it.
            _ => Ok(()),
        }
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Option<Attempt>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn silent() -> ConnectError {
    ConnectError("no answer within 2 seconds".to_owned())
}

/// The server speaks first: waits for the first byte of its greeting, at whichever address it has one.
fn await_greeting(host: &str, port: u16) -> std::io::Result<()> {
    let mut last = std::io::Error::other("the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match greeting_of(&address) {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn greeting_of(address: &SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.read_exact(&mut [0])
}
