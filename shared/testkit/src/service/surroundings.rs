//! What a service finds around it.

use std::sync::Arc;

use ud_config::{AppEnv, PeersConfig, TokenConfig};
use ud_jwt::{revocation::SessionChecker, service::ServiceVerifier};
use ud_kernel::{Clock, Service};
use ud_service::{Identity, ServiceContext};
use ud_telemetry::Metrics;

use crate::{AUDIENCE, Gates, ISSUER, TestIdentities, TestIssuer};

/// Clock, keys, peers and metrics of one service.
#[derive(Clone)]
pub struct Surroundings {
    /// The service.
    pub service: Service,
    /// Its clock.
    pub clock: Clock,
    /// Holds its flows at named points.
    pub gates: Gates,
    /// The keys by which services know each other.
    pub identities: TestIdentities,
    /// Issues the access tokens that [`Surroundings::guarded`] accepts.
    pub issuer: Arc<TestIssuer>,
    /// How it verifies access tokens otherwise.
    pub tokens: TokenConfig,
    /// Production or development.
    pub env: AppEnv,
    /// What it counts.
    pub metrics: Metrics,
    /// Where the others are.
    pub peers: PeersConfig,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Surroundings of {}", self.service)
    }
}

/// Returns the tokens of the platform, as services are configured by default.
#[must_use]
pub fn tokens() -> TokenConfig {
    TokenConfig {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        shared_secret: None,
        jwks_url: None,
    }
}

impl Surroundings {
    /// Returns those of `service` in development: new keys, and nobody else.
    #[must_use]
    pub fn new(service: Service, clock: &Clock) -> Self {
        Self {
            service,
            clock: clock.clone(),
            gates: Gates::new(),
            identities: TestIdentities::new(clock.clone()),
            issuer: Arc::new(TestIssuer::new(clock.clone())),
            tokens: tokens(),
            env: AppEnv::Development,
            metrics: Metrics::new(service.as_str()),
            peers: PeersConfig::default(),
        }
    }

    /// Puts `peer` at `url`.
    ///
    /// # Panics
    /// If that is no URL.
    pub fn put(&mut self, peer: Service, url: &str) {
        self.peers.set(peer, url.parse().expect("a URL"));
    }

    /// Puts everybody who has no place yet at `url`.
    pub fn put_others(&mut self, url: &str) {
        for peer in Service::ALL {
            if peer != self.service && self.peers.get(peer).is_none() {
                self.put(peer, url);
            }
        }
    }

    /// Returns what the service is built on.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn base(&self) -> ServiceContext {
        let peers = self.identities.peers();
        let clock = self.identities.clock().clone();
        let verifier = ServiceVerifier::new(self.service, peers, clock);
        let identity = Identity {
            signer: self.identities.signer(self.service),
            verifier: verifier.into(),
        };
        let base = ServiceContext::new(
            self.service,
            self.env,
            identity,
            self.peers.clone(),
            self.tokens.clone(),
            self.clock.clone(),
            &self.metrics,
        );
        let mut base = base.expect("a base");
        base.failpoints = self.gates.failpoints();
        base
    }

    /// The same, accepting the tokens of [`Surroundings::issuer`] without asking whether their sessions are open.
    #[must_use]
    pub fn guarded(&self) -> ServiceContext {
        let base = self.base();
        let guard = base.guard_with(self.issuer.key_source(), SessionChecker::unchecked());
        base.with_guard(&guard)
    }

    /// Returns a token by which `caller` calls this service.
    #[must_use]
    pub fn call_token(&self, caller: Service) -> String {
        self.identities.token(caller, self.service)
    }
}
