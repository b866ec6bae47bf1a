//! The threads that answer requests, and who hands connections to them.
//!
//! actix-server, which actix-web brings for this, ends its listener and its idle threads at the same moment, drops what
//! waits between the two, and with a thread go the connections to stores and services that the other threads' requests
//! use. Here the listener ends first, and the threads after the last request.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_http::{HttpService, Request, Response};
use actix_rt::{self as rt, Arbiter};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, map_config,
};
use actix_web::{Error, body::MessageBody, dev::AppConfig};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    connection::{Connection, HEAD_DEADLINE},
    connections::{Connections, Place},
    edge::Edge,
    stream::Stream,
};
use ud_kernel::StartError;

/// An idle connection is kept this long: longer than NGINX keeps its own (60 s), so that NGINX closes first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long the rest of a body that nobody wants is read before the connection is closed.
const LINGER: Duration = Duration::from_secs(1);

/// How long nothing is accepted after an error that is not one connection's own, such as a lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Most connections that are still taken from the listener's queue when it ends.
const LAST: usize = 4096;

/// TLS of new connections; replaced when the certificate is renewed.
pub(crate) type Tls = Arc<RwLock<Arc<ServerConfig>>>;

/// Threads with an application each.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    arbiter: Arbiter,
    accepted: mpsc::UnboundedSender<Accepted>,
    /// Connections it has.
    load: Arc<AtomicUsize>,
}

struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    place: Place,
    load: Load,
}

/// One connection in a worker's count.
struct Load(Arc<AtomicUsize>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Runs `work` on the first thread before what it is given from now on.
    #[cfg(test)]
    pub(crate) fn first_do(&self, work: impl FnOnce() + Send + 'static) {
        if let Some(worker) = self.0.first() {
            worker.arbiter.spawn_fn(work);
        }
    }

    /// No thread: what is taken is dropped.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Starts `count` threads; each makes its own application by `factory`.
    ///
    /// # Errors
    /// If an application cannot be made.
    pub(crate) async fn start<F, I, S, B>(
        count: usize,
        edge: &Arc<Edge>,
        tls: Option<&Tls>,
        factory: F,
    ) -> Result<Self, StartError>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error>,
        S::InitError: std::fmt::Debug,
        S::Response: Into<Response<B>>,
        B: MessageBody + 'static,
    {
        let mut workers = Vec::with_capacity(count);
        for _ in 0..count {
            let (accepted, mut connections) = mpsc::unbounded_channel::<Accepted>();
            let (ready, is_ready) = oneshot::channel();
            let (factory, edge, tls) = (factory.clone(), Arc::clone(edge), tls.cloned());
            let arbiter = Arbiter::new();
            arbiter.spawn_fn(move || {
                let app = factory()
                    .into_factory()
                    .map_err(|error| error.into().error_response());
                let http = HttpService::build()
                    .keep_alive(KEEP_ALIVE)
                    // The connection itself keeps the deadline of a head.
                    .client_request_timeout(Duration::ZERO)
                    .client_disconnect_timeout(LINGER)
                    .on_connect_ext(|connection: &Connection, data| {
                        data.insert(Arc::clone(connection.ticket()));
                    })
                    .h1(map_config(app, |()| AppConfig::default()));
                rt::spawn(async move {
                    let Ok(handler) = http.new_service(()).await else {
                        return;
                    };
                    let _ = ready.send(());
                    let handler = Rc::new(handler);
                    while let Some(accepted) = connections.recv().await {
                        let (handler, edge, tls) =
                            (Rc::clone(&handler), Arc::clone(&edge), tls.clone());
                        rt::spawn(async move {
                            let peer = accepted.peer;
                            let _load = accepted.load;
                            let ticket = Arc::clone(accepted.place.ticket());
                            let stream = tokio::select! {
                                // Without a handshake it is open at once, and may have a request.
                                biased;
                                stream = open(accepted.stream, tls.as_ref()) => stream,
                                // A handshake is no request: its place may be needed.
                                () = ticket.told() => return,
                            };
                            let Ok(stream) = stream else { return };
                            let connection = Connection::new(stream, accepted.place, edge);
                            // How it ended is the peer's affair.
                            let _ = serve(&*handler, (connection, Some(peer))).await;
                        });
                    }
                });
            });
            is_ready
                .await
                .map_err(|_| StartError::internal("a worker did not start"))?;
            workers.push(Worker {
                arbiter,
                accepted,
                load: Arc::default(),
            });
        }
        Ok(Self(workers))
    }

    /// Takes connections from `listener` until `stop` says so, and then those that wait in its queue.
    pub(crate) async fn accept(
        &self,
        listener: std::net::TcpListener,
        connections: &Connections,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let mut stopped = std::pin::pin!(stop.wait_for(|stop| *stop));
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                accepted = listener.accept() => match accepted {
                    // The thread that serves it waits for it with its own means.
                    Ok((stream, peer)) => if let Ok(stream) = stream.into_std() {
                        self.take(stream, peer, connections);
                    }
                    Err(error) if is_of_the_connection(&error) => {}
                    Err(error) => {
                        log::error!("no connection is accepted: {error}");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
        // The system is asked, not the runtime, which knows what has come only when it looks the next time; and nothing
        // stands between the last answer and the end of the listener: who comes there is refused after connecting.
        let listener = listener.into_std()?;
        for _ in 0..LAST {
            match listener.accept() {
                Ok((stream, peer)) => {
                    if stream.set_nonblocking(true).is_ok() {
                        self.take(stream, peer, connections);
                    }
                }
                Err(error) if is_of_the_connection(&error) => {}
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn take(&self, stream: std::net::TcpStream, peer: SocketAddr, connections: &Connections) {
        // A connection that gets no place is closed at once: its descriptor is needed.
        let Some(place) = connections.admit(peer.ip()) else {
            return;
        };
        let workers = self.0.iter();
        let Some(worker) = workers.min_by_key(|worker| worker.load.load(Ordering::Relaxed)) else {
            return;
        };
        worker.load.fetch_add(1, Ordering::Relaxed);
        let load = Load(Arc::clone(&worker.load));
        // A worker that is gone drops it.
        let _ = worker.accepted.send(Accepted {
            stream,
            peer,
            place,
            load,
        });
    }

    /// Ends the threads, and with them whatever connections are left.
    pub(crate) fn end(self) {
        for Worker {
            arbiter, accepted, ..
        } in self.0
        {
            drop(accepted);
            arbiter.stop();
            let _ = arbiter.join();
        }
    }
}

async fn serve<R, S: Service<R>>(service: &S, connection: R) -> Result<S::Response, S::Error> {
    std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(connection).await
}

/// The stream of a new connection, after the handshake if there is TLS.
async fn open(stream: std::net::TcpStream, tls: Option<&Tls>) -> io::Result<Stream> {
    // An answer is written whole: there is nothing that waiting could add to it.
    stream.set_nodelay(true)?;
    let stream = TcpStream::from_std(stream)?;
    let Some(tls) = tls else {
        return Ok(Stream::Plain(stream));
    };
    let config = Arc::clone(
        &tls.read()
            .unwrap_or_else(std::sync::PoisonError::into_inner),
    );
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream = tokio::time::timeout(HEAD_DEADLINE, handshake).await??;
    Ok(Stream::Tls(Box::new(stream)))
}

/// Returns whether an error of `accept` is about the one connection, which is gone.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
