//! Connecting to MySQL within a time limit: diesel does not set its client's, whose default is none.

use std::{
    io::Read as _,
    net::{TcpStream, ToSocketAddrs as _},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use diesel::{Connection as _, MysqlConnection};
use secrecy::{ExposeSecret as _, SecretString};

use crate::manager::ConnectError;

/// How long a connect may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Opens connections on a thread of their own, which is left behind if the server does not answer.
#[derive(Default)]
pub(crate) struct Connector {
    /// The last attempt was left behind. Until the server greets again, only that is tried: its socket
    /// can be given a time limit, so that an outage leaves a thread or two behind, not one per attempt.
    silent: AtomicBool,
}

impl Connector {
    pub(crate) fn connect(
        &self,
        url: &SecretString,
        address: Option<&(String, u16)>,
    ) -> Result<MysqlConnection, ConnectError> {
        if self.silent.load(Ordering::Relaxed) {
            if let Some((host, port)) = address {
                await_greeting(host, *port).map_err(|e| ConnectError(e.to_string()))?;
            }
            self.silent.store(false, Ordering::Relaxed);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let url = url.clone();
        std::thread::Builder::new()
            .name("mysql-connect".to_owned())
            .spawn(move || {
                let _ = sender.send(MysqlConnection::establish(url.expose_secret()));
            })
            .map_err(|e| ConnectError(e.to_string()))?;
        match receiver.recv_timeout(LIMIT) {
            Ok(result) => Ok(result?),
            Err(_) => {
                self.silent.store(true, Ordering::Relaxed);
                Err(ConnectError("no answer within 2 seconds".to_owned()))
            }
        }
    }
}

/// The server speaks first: waits for the first byte of its greeting.
fn await_greeting(host: &str, port: u16) -> std::io::Result<()> {
    let address = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| std::io::Error::other("the host has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.read_exact(&mut [0])
}
