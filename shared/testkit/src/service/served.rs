//! A service that serves.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder};
use tokio::sync::oneshot;
use ud_config::HttpConfig;
use ud_db::Db;
use ud_events::{Event, LONGEST_LEASE};
use ud_http::{Listening, Mounted, Server, ServiceBinary};
use ud_kernel::{Clock, Service, StartError};
use ud_service::ServiceContext;

use super::{Surroundings, logs, undelivered};
use crate::TestIdentities;

/// What was held up goes out within this time once its lease has ended.
const DELIVERY: Duration = Duration::from_secs(10);

/// A service on its two sockets, in a thread of its own. A test whose own runtime it needs (connections to Redis are made
/// there) has a runtime of several threads: the end blocks. When it is dropped it is stopped as SIGTERM does, and two things are
/// looked at: every event has been delivered, and no secret stands in the log.
pub struct Served {
    /// Address of the public listener: `http://127.0.0.1:…`.
    pub public: String,
    /// Address of the internal listener.
    pub internal: String,
    /// A client without a proxy.
    pub http: Client,
    service: Service,
    identities: TestIdentities,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), StartError>>>,
    /// Tells which events were not delivered.
    undelivered: Option<Undelivered>,
    leaves_events: AtomicBool,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.service, self.public)
    }
}

type Undelivered = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// Returns a client that asks no proxy.
///
/// # Panics
/// If there can be none.
#[must_use]
pub fn client() -> Client {
    let client = Client::builder().no_proxy().build();
    client.expect("a client")
}

impl Served {
    /// Starts `S` on free ports.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start<S: ServiceBinary>(
        around: &Surroundings,
        base: ServiceContext,
        config: S::Config,
    ) -> Self {
        Self::start_at::<S>(around, base, config, &HttpConfig::default()).await
    }

    /// Starts `S` with those listeners.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_at<S: ServiceBinary>(
        around: &Surroundings,
        base: ServiceContext,
        config: S::Config,
        http: &HttpConfig,
    ) -> Self {
        logs::keep();
        let mounted = S::build(config, base).await;
        Self::serve(around, mounted.expect("a service"), http)
    }

    /// Serves what was built.
    ///
    /// # Panics
    /// If the listeners cannot be had.
    #[must_use]
    pub fn serve(around: &Surroundings, mounted: Mounted, http: &HttpConfig) -> Self {
        logs::keep();
        let listening = Listening::bind(http).expect("free ports");
        let public = listening.public_addr().expect("an address");
        let internal = listening.internal_addr().expect("an address");
        let (clock, metrics) = (around.clock.clone(), around.metrics.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let server = Server::new(listening, vec![mounted], clock, metrics);
            actix_web::rt::System::new().block_on(server.run(async { drop(stopped.await) }))
        });
        Self {
            public: format!("http://{public}"),
            internal: format!("http://{internal}"),
            http: client(),
            service: around.service,
            identities: around.identities.clone(),
            stop: Some(stop),
            thread: Some(thread),
            undelivered: None,
            leaves_events: AtomicBool::new(false),
        }
    }

    /// From now on the end looks whether an event is left in the outbox of `db`.
    pub fn delivers_all_of(&mut self, db: &Db) {
        let db = db.clone();
        self.delivers_all(move || left(&db).iter().map(|event| format!("{event:?}")).collect());
    }

    /// The same of another outbox: `undelivered` is called when the service has ended.
    pub fn delivers_all(&mut self, undelivered: impl Fn() -> Vec<String> + Send + Sync + 'static) {
        self.undelivered = Some(Box::new(undelivered));
    }

    /// Events may be left: whoever is to be told is away, or does not take them, in this test.
    pub fn leaves_events(&self) {
        self.leaves_events.store(true, Ordering::Relaxed);
    }

    /// Waits until every event has been delivered, which an outage of the store may have held up: a claim under which an event was
    /// on its way when the store went ends with its lease only, so `clock` moves past that.
    ///
    /// # Panics
    /// If events are left after 10 s.
    pub async fn delivers_what_was_held_up(&self, clock: &Clock) {
        clock.advance(LONGEST_LEASE);
        let undelivered = self.undelivered.as_ref().expect("an outbox is looked at");
        let since = Instant::now();
        loop {
            let left = undelivered();
            if left.is_empty() {
                return;
            }
            assert!(since.elapsed() < DELIVERY, "events are held up: {left:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns a request to the public listener, without a token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.public))
    }

    /// Returns a request to the internal listener, without a token.
    pub fn internal_request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.internal))
    }

    /// Returns a request to the internal listener by `caller`.
    pub fn call(&self, caller: Service, method: Method, path: &str) -> RequestBuilder {
        let token = self.identities.token(caller, self.service);
        self.internal_request(method, path).bearer_auth(token)
    }

    /// Returns its metrics, as Prometheus reads them.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn metrics(&self) -> String {
        let response = self.internal_request(Method::GET, "/metrics").send().await;
        let response = response.expect("a response");
        response.text().await.expect("text")
    }

    /// Stops it as SIGTERM does and waits for its end, while what else runs here goes on.
    ///
    /// # Panics
    /// As [`Served::stop`].
    pub async fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let ended = tokio::task::spawn_blocking(|| thread.join()).await;
            let ended = ended.expect("a joined thread").expect("no panic");
            ended.expect("a good end");
        }
    }

    /// Stops it as SIGTERM does and waits for its end.
    ///
    /// # Panics
    /// If it ends with an error.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("no panic").expect("a good end");
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            return;
        }
        let leaves_events = self.leaves_events.load(Ordering::Relaxed);
        if let Some(undelivered) = self.undelivered.take().filter(|_| !leaves_events) {
            let left = undelivered();
            assert!(left.is_empty(), "events that were not delivered: {left:#?}");
        }
        let found = logs::secrets_in_it();
        assert!(found.is_empty(), "in the log:\n{}", found.join("\n"));
    }
}

/// Reads the outbox from beside the test's own runtime.
fn left(db: &Db) -> Vec<Event> {
    let db = db.clone();
    let reading = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(undelivered(&db))
    });
    reading.join().expect("an answer")
}
