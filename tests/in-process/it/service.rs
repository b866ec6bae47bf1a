//! One instance of a service on two sockets, and what every instance is made of.

use std::{path::PathBuf, time::Duration};

use auth_service::{
    AuthConfig, AuthLimits,
    models::{
        password::hash_pool::HashPoolSize, throttle::rule::ThrottleLimits,
        token::introspection_clients::IntrospectionClients,
    },
};
use end_to_end::Ports;
use tempfile::TempDir;
use testkit::{AUDIENCE, Gates, ISSUER, TestIdentities, TestIssuer};
use tokio::sync::oneshot;
use ud_config::{
    Algorithm, AppEnv, BreachedPasswords, DatabaseConfig, HttpConfig, IdentityConfig, Limit,
    PasswordConfig, PeersConfig, SealingConfig, SigningConfig, TokenConfig,
};
use ud_http::{Listening, Mounted, Server};
use ud_jwt::revocation::SessionChecker;
use ud_kernel::{Clock, Service, StartError, Timestamp};
use ud_service::{Base, Identity, TokenGuard};
use ud_telemetry::Metrics;

/// When tests begin: 2027-01-15.
pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The services' identities.
pub struct Identities {
    folder: TempDir,
}

/// What is this instance's own, in all its lives.
pub struct Own {
    /// Its time.
    pub clock: Clock,
    /// The time by which it signs its calls and judges those of others.
    pub calls: Clock,
    pub gates: Gates,
    /// Public and internal.
    ports: [u16; 2],
}

/// A service that runs.
pub struct Instance {
    stop: Option<oneshot::Sender<()>>,
    running: Option<actix_web::rt::task::JoinHandle<Result<(), StartError>>>,
}

impl Identities {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        TestIdentities::new(Clock::manual(START)).write_to(folder.path());
        Self { folder }
    }

    /// Those of `service`, by that clock.
    pub fn of(&self, service: Service, clock: &Clock) -> Identity {
        let config = IdentityConfig {
            key_file: Some(TestIdentities::key_file(self.folder.path(), service)),
            peers_file: Some(self.folder.path().join("peers.json")),
        };
        Identity::load(&config, service, clock).unwrap()
    }

    /// A token by which `caller` calls `called`.
    pub fn token(&self, caller: Service, called: Service, clock: &Clock) -> String {
        let signer = self.of(caller, clock).signer;
        signer.token(called, None).unwrap()
    }
}

impl Own {
    /// The instance of that number in a world.
    pub fn new(clock: Clock, calls: Clock, ports: &Ports, number: u16) -> Self {
        Self {
            clock,
            calls,
            gates: Gates::new(),
            ports: [ports.get(2 * number), ports.get(2 * number + 1)],
        }
    }

    pub fn public(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    pub fn internal(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1])
    }

    /// The common ground of `service` on this instance.
    pub fn base(
        &self,
        service: Service,
        identities: &Identities,
        peers: &[(Service, String)],
        metrics: &Metrics,
    ) -> Base {
        let mut urls = PeersConfig::default();
        for (peer, url) in peers {
            urls.set(*peer, url.parse().unwrap());
        }
        let tokens = TokenConfig {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            shared_secret: None,
            jwks_url: None,
        };
        let identity = identities.of(service, &self.calls);
        let env = AppEnv::Development;
        let clock = self.clock.clone();
        let mut base = Base::new(service, env, identity, urls, tokens, clock, metrics).unwrap();
        base.steps = self.gates.steps();
        base
    }

    /// A guard of routes that no test calls.
    pub fn idle_guard(&self, base: &Base) -> TokenGuard {
        let keys = TestIssuer::new(self.clock.clone()).key_source();
        base.guard_with(keys, SessionChecker::unchecked())
    }

    /// Serves what was built.
    pub fn serve(&self, mounted: Mounted, metrics: Metrics) -> Instance {
        let [port, internal_port] = self.ports;
        let http = HttpConfig {
            port,
            internal_port,
            // The client's address is what a test says it is.
            trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
            ..HttpConfig::default()
        };
        let listening = Listening::bind(&http).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(listening, vec![mounted], self.clock.clone(), metrics);
        let running = actix_web::rt::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        Instance {
            stop: Some(stop),
            running: Some(running),
        }
    }
}

impl Instance {
    /// Ends it; nothing of it is left when this returns.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(running) = self.running.take() {
            running.await.unwrap().unwrap();
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// Auth with that ring of keys for refresh tokens.
pub fn auth_config(database: &str, ring: &str, sealing: SealingConfig) -> AuthConfig {
    let many = Limit {
        count: 1_000_000,
        per: Duration::from_secs(60),
    };
    AuthConfig {
        database: DatabaseConfig {
            acquire_timeout: Duration::from_secs(20),
            ..DatabaseConfig::for_tests(database)
        },
        signing: SigningConfig {
            algorithm: Algorithm::EdDsa,
            access_ttl: Duration::from_secs(900),
            key_rotation: None,
            refresh_tokens: Some(ring.parse().unwrap()),
        },
        password: PasswordConfig {
            min_length: 15,
            bcrypt_cost: 4,
            breached: BreachedPasswords::Off,
        },
        redis: None,
        limits: AuthLimits {
            operations: testkit::no_limits(),
            throttle: ThrottleLimits {
                tries: many,
                account: many,
                source: many,
            },
        },
        introspection_clients: IntrospectionClients::default(),
        // Busy machines are not what these tests are about.
        hash_pool: HashPoolSize {
            threads: 2,
            memory: 256 * 1024 * 1024,
            queue: 1000,
            max_wait: Duration::from_secs(60),
        },
        answer_floor: Some(Duration::ZERO),
        sealing: SealingConfig {
            keys_dir: PathBuf::new(),
            ..sealing
        },
    }
}
