//! The server: two listeners, the services mounted on them, and the graceful stop.

use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpServer, middleware, web};
use rustls::ServerConfig;
use tokio::sync::watch;
use ud_config::HttpConfig;
use ud_kernel::{Clock, Service};
use ud_telemetry::Metrics;
use utoipa::openapi::OpenApi;

use crate::{
    Base, InternalGate, Readiness, StartError, TokenGuard, TrustedProxies,
    app::{PublicApp, configure_internal, not_found},
    edge::{self, Edge, ServiceMetrics},
    health::Health,
    revocation_metrics::RevocationMetrics,
    tls,
};

/// Registers a service's resources.
pub type Routes = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// Background work that ends when the signal says so.
pub type Task = Box<dyn FnOnce(StopSignal) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Tells background tasks to end.
#[derive(Clone)]
pub struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// Returns once the process is to stop.
    pub async fn stopped(&mut self) {
        // An error means the sender is gone: stopped too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// A signal and the sender that sets it off, for tests of tasks.
    #[must_use]
    pub fn pair() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }
}

/// One service, ready to be put on a server.
pub struct Mounted {
    /// Which service.
    pub service: Service,
    /// Path prefixes that are its own on the public listener.
    pub prefixes: &'static [&'static str],
    /// Where its OpenAPI document is, and the document: public operations only.
    pub openapi: (&'static str, OpenApi),
    /// Resources of the public listener, full paths.
    pub public: Routes,
    /// Resources of the internal listener, below `/internal/v1`, full paths.
    pub internal: Routes,
    /// Guards the public resources.
    pub guard: TokenGuard,
    /// Guards the internal resources.
    pub gate: InternalGate,
    /// When it is ready.
    pub readiness: Readiness,
    /// Its background work.
    pub tasks: Vec<Task>,
}

/// A service without its background work: what each worker thread builds its application from.
pub(crate) struct Routed {
    pub(crate) service: Service,
    pub(crate) prefixes: &'static [&'static str],
    pub(crate) openapi: (&'static str, OpenApi),
    pub(crate) public: Routes,
    pub(crate) internal: Routes,
    pub(crate) guard: TokenGuard,
    pub(crate) gate: InternalGate,
    pub(crate) readiness: Readiness,
}

impl Mounted {
    fn split(self) -> (Routed, Vec<Task>) {
        let routed = Routed {
            service: self.service,
            prefixes: self.prefixes,
            openapi: self.openapi,
            public: self.public,
            internal: self.internal,
            guard: self.guard,
            gate: self.gate,
            readiness: self.readiness,
        };
        (routed, self.tasks)
    }
}

/// The two sockets, bound but not yet served: standalone needs the internal address before it builds services.
pub struct Listening {
    public: TcpListener,
    internal: TcpListener,
    tls: Option<ServerConfig>,
    http: HttpConfig,
}

impl Listening {
    /// Reads the TLS files of `http`, if it names any, and binds both addresses; port 0 takes a free one.
    ///
    /// # Errors
    /// If the files are not what they should be, or an address cannot be bound.
    pub fn bind(http: &HttpConfig) -> Result<Self, StartError> {
        let bind = |ip, port| {
            let address = SocketAddr::new(ip, port);
            let fail = |e| StartError::internal(format!("cannot listen on {address}: {e}"));
            let listener = TcpListener::bind(address).map_err(fail)?;
            // Connections inherit it. actix-web itself waits for ever until its answer is taken.
            #[cfg(target_os = "linux")]
            if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&listener, TAKE_DEADLINE)
            {
                log::warn!(
                    "clients that take no answer are not cut off: TCP_USER_TIMEOUT: {error}"
                );
            }
            Ok(listener)
        };
        Ok(Self {
            tls: http.tls.as_ref().map(tls::server_config).transpose()?,
            public: bind(http.host, http.port)?,
            internal: bind(http.internal_bind, http.internal_port)?,
            http: http.clone(),
        })
    }

    /// Address of the public listener.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn public_addr(&self) -> Result<SocketAddr, StartError> {
        self.public.local_addr().map_err(StartError::internal)
    }

    /// Address of the internal listener.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn internal_addr(&self) -> Result<SocketAddr, StartError> {
        self.internal.local_addr().map_err(StartError::internal)
    }
}

/// Services on their sockets.
pub struct Server {
    listening: Listening,
    mounted: Vec<Mounted>,
    clock: Clock,
    metrics: Metrics,
    standalone: bool,
}

impl Server {
    /// Puts `mounted` on `listening`. Several services make it a standalone server: internal routes then stand
    /// below `/<service>`, and the public listener has `/readyz`.
    #[must_use]
    pub const fn new(
        listening: Listening,
        mounted: Vec<Mounted>,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        let standalone = mounted.len() > 1;
        Self {
            listening,
            mounted,
            clock,
            metrics,
            standalone,
        }
    }

    /// Serves until `stop` completes, then lets requests in flight finish and background tasks end.
    ///
    /// # Errors
    /// If a listener fails.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let Self {
            listening,
            mounted,
            clock,
            metrics,
            standalone,
        } = self;
        let http = &listening.http;
        let (stop_sender, stop_receiver) = watch::channel(false);
        let signal = StopSignal(stop_receiver);
        let (mounted, tasks): (Vec<_>, Vec<_>) = mounted.into_iter().map(Mounted::split).unzip();
        let tasks: Vec<_> = tasks
            .into_iter()
            .flatten()
            .map(|task| tokio::spawn(task(signal.clone())))
            .collect();

        let stopping = Arc::new(AtomicBool::new(false));
        let health = web::Data::new(Health {
            readiness: mounted
                .iter()
                .map(|m| {
                    let checker = m.guard.sessions().clone();
                    let revocation = RevocationMetrics::new(m.service, checker, &metrics);
                    (m.readiness.clone(), revocation)
                })
                .collect(),
            stopping: Arc::clone(&stopping),
            metrics: metrics.clone(),
        });
        let edge = |log_level| {
            Arc::new(Edge {
                proxies: TrustedProxies::new(&http.trusted_proxies),
                clock: clock.clone(),
                tls: http.tls.is_some(),
                log_level,
                services: mounted
                    .iter()
                    .flat_map(|m| {
                        m.prefixes
                            .iter()
                            .map(|p| (*p, ServiceMetrics::new(m.service, &metrics)))
                    })
                    .collect(),
                default: ServiceMetrics::new(
                    mounted.first().map_or(Service::Auth, |m| m.service),
                    &metrics,
                ),
            })
        };
        // Internal calls are many and each belongs to a request that is logged at the front.
        let (public_edge, edge) = (edge(log::Level::Info), edge(log::Level::Debug));
        let mounted = Arc::new(mounted);

        let public = PublicApp {
            mounted: Arc::clone(&mounted),
            cors: http.cors_allowed_origins.clone(),
            docs: http.docs_enabled,
            standalone,
            health: health.clone(),
        };
        let public = HttpServer::new(move || {
            let edge = Arc::clone(&public_edge);
            let public = public.clone();
            let cors = public.cors_middleware();
            App::new()
                .configure(move |cfg| public.configure(cfg))
                .default_service(web::to(not_found))
                .wrap(cors)
                .wrap(middleware::from_fn(move |req, next| {
                    edge::run(Arc::clone(&edge), req, next)
                }))
        })
        .workers(http.workers)
        .client_request_timeout(HEAD_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(Base::STOP_DEADLINE.as_secs())
        .disable_signals();

        let internal = HttpServer::new(move || {
            let edge = Arc::clone(&edge);
            let (mounted, health) = (Arc::clone(&mounted), health.clone());
            App::new()
                .configure(move |cfg| configure_internal(cfg, &mounted, health, standalone))
                .default_service(web::to(not_found))
                .wrap(middleware::from_fn(move |req, next| {
                    edge::run(Arc::clone(&edge), req, next)
                }))
        })
        .workers(http.workers.div_ceil(2))
        .client_request_timeout(HEAD_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(Base::STOP_DEADLINE.as_secs())
        .disable_signals();

        let public = match listening.tls.clone() {
            Some(tls) => public.listen_rustls_0_23(listening.public, tls),
            None => public.listen(listening.public),
        }
        .map_err(StartError::internal)?
        .run();
        // Standalone's internal listener is on loopback and called by nobody but the process itself.
        let internal = match listening.tls.filter(|_| !standalone) {
            Some(tls) => internal.listen_rustls_0_23(listening.internal, tls),
            None => internal.listen(listening.internal),
        }
        .map_err(StartError::internal)?
        .run();
        let handles = [public.handle(), internal.handle()];
        let public = tokio::spawn(public);
        let internal = tokio::spawn(internal);

        stop.await;
        log::info!("stopping");
        stopping.store(true, Ordering::Relaxed);
        let [public_handle, internal_handle] = handles;
        // Public first: its requests in flight may still need this process's own internal routes.
        public_handle.stop(true).await;
        let _ = stop_sender.send(true);
        for task in tasks {
            if tokio::time::timeout(Base::STOP_DEADLINE, task)
                .await
                .is_err()
            {
                log::warn!("a background task did not end in time");
            }
        }
        internal_handle.stop(true).await;
        for server in [public, internal] {
            server
                .await
                .map_err(StartError::internal)?
                .map_err(|e| StartError::internal(format!("listener: {e}")))?;
        }
        log::info!("stopped");
        Ok(())
    }
}

/// A request's head has this long to arrive.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// Who takes nothing of what is sent for so long, in milliseconds, is cut off (TCP_USER_TIMEOUT, RFC 5482): a connection
/// that nobody reads from would keep its answer in memory.
#[cfg(target_os = "linux")]
const TAKE_DEADLINE: u32 = 30_000;

/// An idle connection is kept this long: longer than NGINX keeps its own (60 s), so that NGINX closes first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
