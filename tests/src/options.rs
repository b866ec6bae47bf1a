//! How a platform is to be started.

use std::path::{Path, PathBuf};

use testkit::Backend;
use ud_kernel::Service;

use crate::{Kind, Limits, Platform, Release, Running, attached};

/// What differs from an ordinary platform of a kind: `Options::new(kind).set("LIMIT_LOGIN", "2/60").start()`.
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) kind: Kind,
    pub(crate) shared: Vec<(String, String)>,
    pub(crate) own: Vec<(Service, String, String)>,
    pub(crate) is_proxied: bool,
    pub(crate) held_callee: Option<Service>,
    pub(crate) held_public: Option<Service>,
    pub(crate) limits: Limits,
    pub(crate) gateway_port: Option<u16>,
    pub(crate) waits_for_administrator: bool,
    pub(crate) backend: Backend,
    pub(crate) is_without_stores: bool,
    pub(crate) logs_to_files: bool,
    pub(crate) is_replicated: bool,
    pub(crate) release: Release,
}

impl Options {
    /// An ordinary platform.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            shared: Vec::new(),
            own: Vec::new(),
            is_proxied: false,
            held_callee: None,
            held_public: None,
            limits: Limits::Roomy,
            gateway_port: None,
            waits_for_administrator: true,
            backend: Backend::Postgres,
            is_without_stores: false,
            logs_to_files: false,
            is_replicated: false,
            release: Release::This,
        }
    }

    /// Sets a variable in the environment of every process; an empty value is as good as none.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.shared.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a variable for one service alone (in standalone: for the process).
    #[must_use]
    pub fn set_for(mut self, service: Service, name: &str, value: &str) -> Self {
        self.own.push((service, name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a [`testkit::Proxy`] before every internal listener, every database and Redis. The platform's client
    /// is [`crate::Client::impatient`]: what a cut does is to be seen.
    #[must_use]
    pub const fn proxied(mut self) -> Self {
        self.is_proxied = true;
        self
    }

    /// The services' databases are of this kind (PostgreSQL otherwise), on a server.
    #[must_use]
    pub const fn on(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// [`Options::proxied`], and every database and Redis is away when the processes start: nobody waits until they are
    /// ready ([`Platform::until_up`]).
    #[must_use]
    pub const fn without_stores(mut self) -> Self {
        self.is_proxied = true;
        self.is_without_stores = true;
        self
    }

    /// Puts an [`crate::Proxy`] before the internal listener of `service`, for all its callers.
    #[must_use]
    pub const fn hold_before(mut self, service: Service) -> Self {
        self.held_callee = Some(service);
        self
    }

    /// Puts an [`crate::Proxy`] between the gateway and the public listener of `service`.
    #[must_use]
    pub const fn hold_public(mut self, service: Service) -> Self {
        self.held_public = Some(service);
        self
    }

    /// The gateway's limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The gateway's port (in standalone: the public one) instead of a free one.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.gateway_port = Some(port);
        self
    }

    /// Is started when the services are ready: nobody logs in, [`Platform::admin`] is empty.
    #[must_use]
    pub const fn without_administrator(mut self) -> Self {
        self.waits_for_administrator = false;
        self
    }

    /// Lets every process write its log to a file of its own in the platform's folder, as it would on a site;
    /// otherwise it is held in memory. What a process wrote is then known by its end only.
    #[must_use]
    pub const fn logging_to_files(mut self) -> Self {
        self.logs_to_files = true;
        self
    }

    /// Two replicas of every service: their public listeners behind the gateway, the internal ones behind
    /// `nginx/examples/internal.conf`. Standalone runs once whatever is asked.
    #[must_use]
    pub const fn replicated(mut self) -> Self {
        self.is_replicated = true;
        self
    }

    /// Runs the programs of another release at first. They get those variables alone that they know, and
    /// `KEY_ENCRYPTION_KEYS` as well, which was the name of every service's ring.
    #[must_use]
    pub fn of_release(mut self, release: Release) -> Self {
        self.release = release;
        self
    }

    /// Starts a program of the release that is asked for.
    pub(crate) fn run(
        &self,
        program: PathBuf,
        folder: &Path,
        environment: Vec<(String, String)>,
        ready: String,
        log_file: Option<PathBuf>,
    ) -> Running {
        let start = match self.release {
            Release::This => Running::start_with,
            Release::In(_) => Running::start_other,
        };
        start(program, folder, environment, ready, log_file)
    }

    /// Starts it; ready when this returns.
    ///
    /// # Panics
    /// If it does not start; the message has the output of what failed.
    pub async fn start(self) -> Platform {
        match attached::Stack::told() {
            Some(stack) if self.kind == Kind::Services => {
                assert!(
                    self.is_ordinary(),
                    "containers are not what this test needs"
                );
                Platform::attach(&stack).await
            }
            _ => Platform::start_with(self).await,
        }
    }

    /// Returns whether nothing but the kind was asked for.
    fn is_ordinary(&self) -> bool {
        let special = [
            self.is_proxied,
            self.is_without_stores,
            self.logs_to_files,
            self.is_replicated,
            self.held_callee.is_some(),
            self.held_public.is_some(),
            self.gateway_port.is_some(),
            self.backend != Backend::Postgres,
            !self.waits_for_administrator,
            !matches!(self.limits, Limits::Roomy),
        ];
        self.shared.is_empty() && self.own.is_empty() && !special.contains(&true)
    }
}
