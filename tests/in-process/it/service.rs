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
use testkit::{
    Gates, TestIdentities,
    service::{Served, Surroundings},
};
use ud_config::{
    Algorithm, BreachedPasswords, DatabaseConfig, HttpConfig, Limit, PasswordConfig, SealingConfig,
    SigningConfig,
};
use ud_http::Mounted;
use ud_kernel::{Clock, Service, Timestamp};

/// When tests begin: 2027-01-15.
pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);

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

    /// What `service` finds around it on this instance.
    pub fn around(
        &self,
        service: Service,
        identities: &TestIdentities,
        peers: &[(Service, String)],
    ) -> Surroundings {
        let mut around = Surroundings::new(service, &self.clock);
        around.identities = identities.by(&self.calls);
        around.gates = self.gates.clone();
        for (peer, url) in peers {
            around.put(*peer, url);
        }
        around
    }

    /// Serves what was built.
    pub fn serve(&self, around: &Surroundings, mounted: Mounted) -> Served {
        let [port, internal_port] = self.ports;
        let http = HttpConfig {
            port,
            internal_port,
            // The client's address is what a test says it is.
            trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
            ..HttpConfig::default()
        };
        Served::serve(around, mounted, &http)
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
            ..testkit::database_config(database)
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
        min_response_time: Some(Duration::ZERO),
        sealing: SealingConfig {
            keys_dir: PathBuf::new(),
            ..sealing
        },
    }
}
