//! The server: two listeners, the services mounted on them, and the graceful stop.

use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{App, middleware, web};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use ud_config::HttpConfig;
use ud_kernel::{Clock, Service, StartError};
use ud_service::StopSignal;
use ud_telemetry::Metrics;

use crate::{
    Mounted, TrustedProxies,
    app::{PublicApp, configure_internal, not_found},
    connections::{Connections, Peers},
    edge::{self, Edge, ServiceMetrics},
    health::Health,
    process,
    revocation_metrics::RevocationMetrics,
    sending::TAKE_DEADLINE,
    tls,
    workers::{Tls, Workers},
};

/// How long requests in flight have at a stop.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// The two sockets, bound but not yet served: standalone needs the internal address before it builds services.
pub struct Listening {
    public: Option<TcpListener>,
    internal: TcpListener,
    tls: Option<Tls>,
    /// Taken before the certificate is read: one that is renewed after that is read again.
    hangup: Signal,
    http: HttpConfig,
}

impl Listening {
    /// Reads the TLS files of `http`, if it names any, and binds both addresses; port 0 takes a free one.
    ///
    /// # Errors
    /// If the files are not what they should be, or an address cannot be bound.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn bind(http: &HttpConfig) -> Result<Self, StartError> {
        let hangup = signal(SignalKind::hangup()).map_err(StartError::internal)?;
        #[cfg(target_os = "linux")]
        let take_deadline = u32::try_from(TAKE_DEADLINE.as_millis()).unwrap_or(u32::MAX);
        let bind = |ip, port| {
            let address = SocketAddr::new(ip, port);
            let fail = |e| StartError::internal(format!("cannot listen on {address}: {e}"));
            let listener = TcpListener::bind(address).map_err(fail)?;
            // Connections inherit it. actix-web itself waits for ever until its answer is taken.
            #[cfg(target_os = "linux")]
            if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&listener, take_deadline)
            {
                log::warn!(
                    "clients that take no answer are not cut off: TCP_USER_TIMEOUT: {error}"
                );
            }
            Ok(listener)
        };
        Ok(Self {
            tls: match &http.tls {
                Some(files) => Some(Arc::new(RwLock::new(tls::server_config(files)?))),
                None => None,
            },
            public: match http.has_public_listener {
                true => Some(bind(http.host, http.port)?),
                false => None,
            },
            internal: bind(http.internal_bind, http.internal_port)?,
            hangup,
            http: http.clone(),
        })
    }

    /// Returns the address of the public listener.
    ///
    /// # Errors
    /// If there is none, or the socket is gone.
    pub fn public_addr(&self) -> Result<SocketAddr, StartError> {
        let public = self.public.as_ref();
        let public = public.ok_or_else(|| StartError::internal("no public listener"))?;
        public.local_addr().map_err(StartError::internal)
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

    /// Serves until `stop` completes. Then `readyz` fails and each answer ends its connection, for as long as the
    /// configuration says; then no connection is taken any more, requests under way finish, background tasks end, and
    /// last the internal listener, which both still need.
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
        let stores = mounted.iter().map(|m| m.database_descriptors).sum();
        let room = process::room(mounted.len(), stores);
        let (stop_sender, signal) = StopSignal::pair();
        let (mounted, tasks): (Vec<_>, Vec<_>) = mounted.into_iter().map(Mounted::split).unzip();
        let tasks: Vec<_> = tasks
            .into_iter()
            .flatten()
            .map(|task| tokio::spawn(task(signal.clone())))
            .collect();

        let stopping = Arc::new(AtomicBool::new(false));
        let health = web::Data::new(Health::new(
            mounted.iter().map(|m| {
                let checker = m.guard.sessions().clone();
                let revocation = RevocationMetrics::new(m.service, checker, &metrics);
                (m.readiness.clone(), revocation)
            }),
            Arc::clone(&stopping),
            metrics.clone(),
        ));
        // Standalone's internal listener is on loopback and called by nobody but the process itself.
        let internal_tls = listening.tls.clone().filter(|_| !standalone);
        let edge = |log_level, tls: &Option<Tls>, is_internal| {
            Arc::new(Edge {
                is_internal,
                proxies: TrustedProxies::new(&http.trusted_proxies),
                clock: clock.clone(),
                tls: tls.is_some(),
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
                stopping: Arc::clone(&stopping),
            })
        };
        // Internal calls are many and each belongs to a request that is logged at the front.
        let public_edge = edge(log::Level::Info, &listening.tls, false);
        let internal_edge = edge(log::Level::Debug, &internal_tls, true);
        let mounted = Arc::new(mounted);

        let proxies = TrustedProxies::new(&http.trusted_proxies);
        let public = |workers| Listener {
            connections: Connections::new("public", room.public, Peers::Public(proxies), &metrics),
            has_ended: watch::Sender::new(false),
            workers,
        };
        let public = match &listening.public {
            None => None,
            Some(_) => Some(public({
                let app = PublicApp {
                    mounted: Arc::clone(&mounted),
                    cors: http.cors_allowed_origins.clone(),
                    docs: http.docs_enabled,
                    standalone,
                    health: health.clone(),
                };
                let edge = Arc::clone(&public_edge);
                Workers::start(
                    http.workers,
                    &public_edge,
                    listening.tls.as_ref(),
                    move || {
                        let (edge, app) = (Arc::clone(&edge), app.clone());
                        let cors = app.cors_middleware();
                        App::new()
                            .configure(move |cfg| app.configure(cfg))
                            .default_service(web::to(not_found))
                            .wrap(cors)
                            .wrap(middleware::from_fn(move |req, next| {
                                edge::run(Arc::clone(&edge), req, next)
                            }))
                    },
                )
                .await?
            })),
        };
        let internal = Listener {
            connections: Connections::new("internal", room.internal, Peers::Internal, &metrics),
            has_ended: watch::Sender::new(false),
            workers: {
                let edge = Arc::clone(&internal_edge);
                let tls = internal_tls.as_ref();
                Workers::start(http.workers.div_ceil(2), &internal_edge, tls, move || {
                    let edge = Arc::clone(&edge);
                    let (mounted, health) = (Arc::clone(&mounted), health.clone());
                    App::new()
                        .configure(move |cfg| configure_internal(cfg, &mounted, health, standalone))
                        .default_service(web::to(not_found))
                        .wrap(middleware::from_fn(move |req, next| {
                            edge::run(Arc::clone(&edge), req, next)
                        }))
                })
                .await?
            },
        };
        tokio::spawn(tls::reload_on_hangup(
            listening.hangup,
            http.tls.clone(),
            listening.tls,
        ));

        let (end_public, public_end) = watch::channel(false);
        let (end_internal, internal_end) = watch::channel(false);
        let ordered = async {
            stop.await;
            log::info!("stopping");
            stopping.store(true, Ordering::Relaxed);
            tokio::time::sleep(http.drain).await;
            let _ = end_public.send(true);
            if let Some(public) = &public {
                public.finished("public").await;
            }
            let _ = stop_sender.send(true);
            for task in tasks {
                if tokio::time::timeout(STOP_DEADLINE, task).await.is_err() {
                    log::warn!("a background task did not end in time");
                }
            }
            let _ = end_internal.send(true);
            internal.finished("internal").await;
            Ok(())
        };
        let serve_public = async {
            match (&public, listening.public) {
                (Some(public), Some(socket)) => public.serve(socket, public_end).await,
                _ => Ok(()),
            }
        };
        let outcome = tokio::try_join!(
            serve_public,
            internal.serve(listening.internal, internal_end),
            ordered,
        );
        // The threads end together and last: what one has opened, a request of another may use.
        if let Some(public) = public {
            public.workers.end();
        }
        internal.workers.end();
        outcome.map(|_| log::info!("stopped"))
    }
}

/// One listener while it serves.
struct Listener {
    connections: Connections,
    /// Whether every connection it takes is in the registry, and told to close.
    has_ended: watch::Sender<bool>,
    workers: Workers,
}

impl Listener {
    /// Takes connections until `end` says so.
    async fn serve(
        &self,
        socket: TcpListener,
        end: watch::Receiver<bool>,
    ) -> Result<(), StartError> {
        let accepting = self.workers.accept(socket, &self.connections, end);
        accepting
            .await
            .map_err(|e| StartError::internal(format!("listener: {e}")))?;
        // Only now: a connection that came last is told as well.
        self.connections.close_idle();
        self.has_ended.send_replace(true);
        Ok(())
    }

    /// Returns once it takes no connection any more and none is left, or after the deadline.
    async fn finished(&self, name: &str) {
        let mut has_ended = self.has_ended.subscribe();
        let finished = async {
            // That no connection is open says nothing while one may wait to be taken.
            let _ = has_ended.wait_for(|ended| *ended).await;
            self.connections.all_closed().await;
        };
        if tokio::time::timeout(STOP_DEADLINE, finished).await.is_err() {
            let left = self.connections.count();
            log::warn!("{left} connections of the {name} listener did not end in time");
        }
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
