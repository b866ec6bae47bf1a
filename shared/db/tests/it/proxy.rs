//! A TCP proxy that can refuse, fall silent, and cut.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Forwards to a server until told otherwise.
pub struct Proxy {
    address: SocketAddr,
    server: SocketAddr,
    streams: Arc<Mutex<JoinSet<()>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy nobody listens on yet.
    pub async fn down(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        Self {
            address,
            server,
            streams: Arc::default(),
            accepting: None,
        }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Accepts and forwards.
    pub async fn forward(&mut self) {
        self.listen(Some(self.server)).await;
    }

    /// Accepts and says nothing.
    pub async fn fall_silent(&mut self) {
        self.listen(None).await;
    }

    async fn listen(&mut self, server: Option<SocketAddr>) {
        self.refuse().await;
        let listener = TcpListener::bind(self.address).await.unwrap();
        let streams = Arc::clone(&self.streams);
        self.accepting = Some(tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                streams.lock().unwrap().spawn(async move {
                    match server {
                        Some(server) => {
                            let mut server = TcpStream::connect(server).await.unwrap();
                            let _ = copy_bidirectional(&mut client, &mut server).await;
                        }
                        None => std::future::pending().await,
                    }
                });
            }
        }));
    }

    /// Stops listening, and cuts.
    pub async fn refuse(&mut self) {
        if let Some(task) = self.accepting.take() {
            task.abort();
            let _ = task.await;
        }
        self.cutter().cut().await;
    }

    /// Something to cut the streams with from elsewhere.
    pub fn cutter(&self) -> Cutter {
        Cutter(Arc::clone(&self.streams))
    }
}

#[derive(Clone)]
pub struct Cutter(Arc<Mutex<JoinSet<()>>>);

impl Cutter {
    /// Closes all streams; new ones are accepted as before.
    pub async fn cut(&self) {
        let mut streams = std::mem::take(&mut *self.0.lock().unwrap());
        streams.shutdown().await;
    }
}
