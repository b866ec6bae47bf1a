//! What the command line makes for a service before the service makes itself.

use std::{fmt, path::Path, sync::Arc};

use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;
use ud_config::{AppEnv, IdentityConfig, LimitsConfig, PeersConfig, RedisConfig, TokenConfig};
use ud_jwt::{
    JwksClient, KeySet, KeySource, Verifier,
    revocation::{Fallback, SessionChecker},
    service::{IdentityKey, Peers as PeerKeys, ServiceSigner, ServiceVerifier},
};
use ud_kernel::{Clock, Failpoints, Service, StartError};
use ud_peer::{LocalOperations, Peers};
use ud_telemetry::Metrics;

use crate::{InternalGate, Limits, SecurityEvents, SecurityLog, TokenGuard};

/// The common ground of one service: who it is, whom it knows, what time it is.
#[derive(Clone)]
pub struct ServiceContext {
    /// Which service.
    pub service: Service,
    /// Development or production.
    pub env: AppEnv,
    /// Whether all services run in this process.
    pub standalone: bool,
    /// Tells the time.
    pub clock: Clock,
    /// Its metrics.
    pub metrics: Metrics,
    /// The other services.
    pub peers: Peers,
    /// Lets the right services into its internal routes.
    pub gate: InternalGate,
    /// Takes refusals for the audit log.
    pub security_log: SecurityLog,
    /// Issuer and audience of user tokens.
    pub tokens: TokenConfig,
    /// Failpoints of tests.
    pub failpoints: Failpoints,
    guard: Option<TokenGuard>,
    security_events: Arc<Mutex<Option<SecurityEvents>>>,
}

/// A service's identity towards the others (SECURITY rule 24).
#[derive(Clone)]
pub struct Identity {
    /// Signs its calls.
    pub signer: Arc<ServiceSigner>,
    /// Verifies calls to it.
    pub verifier: Arc<ServiceVerifier>,
}

impl Identity {
    /// Reads the files of `config`. Without a key file (development only) the service makes itself a key that
    /// nobody knows, and can call nobody.
    ///
    /// # Errors
    /// If a file cannot be read or is not what it should be.
    pub fn load(
        config: &IdentityConfig,
        service: Service,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|e| StartError::config(format!("{}: {e}", path.display())))
        };
        let bad = |path: &Path, e: &dyn fmt::Display| {
            StartError::config(format!("{}: {e}", path.display()))
        };
        let key = match &config.key_file {
            Some(path) => {
                IdentityKey::from_private_jwk(service, &read(path)?).map_err(|e| bad(path, &e))?
            }
            None => IdentityKey::generate(service).map_err(StartError::internal)?,
        };
        let peers = match &config.peers_file {
            Some(path) => PeerKeys::from_jwks(&read(path)?).map_err(|e| bad(path, &e))?,
            None => PeerKeys::nobody(),
        };
        Self::new(key, peers, clock)
    }

    /// Of a key and the callers' public keys.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn new(key: IdentityKey, peers: PeerKeys, clock: &Clock) -> Result<Self, StartError> {
        let verifier = ServiceVerifier::new(key.service(), peers, clock.clone());
        let signer = ServiceSigner::new(key, clock.clone()).map_err(StartError::internal)?;
        Ok(Self {
            signer: Arc::new(signer),
            verifier: Arc::new(verifier),
        })
    }
}

impl ServiceContext {
    /// Returns the context of `service`.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub fn new(
        service: Service,
        env: AppEnv,
        identity: Identity,
        peers: PeersConfig,
        tokens: TokenConfig,
        clock: Clock,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        let peers = Peers::new(identity.signer, peers)?;
        Ok(Self::of(
            service,
            env,
            peers,
            identity.verifier,
            tokens,
            clock,
            metrics,
        ))
    }

    /// Returns the context of `service` in a process with all the others, which it calls by `operations`.
    #[must_use]
    pub fn in_process(
        service: Service,
        env: AppEnv,
        operations: &LocalOperations,
        tokens: TokenConfig,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        let peers = Peers::local(service, operations.clone());
        // Nobody outside has a key that it knows.
        let verifier = ServiceVerifier::new(service, PeerKeys::nobody(), clock.clone());
        let base = Self::of(
            service,
            env,
            peers,
            Arc::new(verifier),
            tokens,
            clock,
            metrics,
        );
        Self {
            standalone: true,
            ..base
        }
    }

    fn of(
        service: Service,
        env: AppEnv,
        peers: Peers,
        verifier: Arc<ServiceVerifier>,
        tokens: TokenConfig,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        let metrics = metrics.for_service(service);
        let (security_log, security_events) =
            SecurityLog::new(clock.clone(), SecurityLog::ROOM, &metrics);
        Self {
            service,
            env,
            standalone: false,
            peers,
            gate: InternalGate::new(verifier, Some(security_log.clone())),
            security_log,
            tokens,
            failpoints: Failpoints::none(),
            guard: None,
            security_events: Arc::new(Mutex::new(Some(security_events))),
            metrics,
            clock,
        }
    }

    /// The same context with a guard that several services of one process share.
    #[must_use]
    pub fn with_guard(self, guard: &TokenGuard) -> Self {
        Self {
            guard: Some(guard.clone()),
            ..self
        }
    }

    /// The guard of this service's public routes: the process's shared one; otherwise one that follows auth's
    /// JWKS and asks the session service.
    ///
    /// # Errors
    /// If the configuration cannot give one.
    pub fn guard(&self) -> Result<TokenGuard, StartError> {
        let guard = match &self.guard {
            Some(shared) => shared.clone(),
            None => {
                let keys = self.key_source()?;
                let sessions = self.session_checker(&keys)?;
                self.guard_with(keys, sessions)
            }
        };
        Ok(guard.with_log(self.security_log.clone()))
    }

    /// A guard of given keys and revocation.
    #[must_use]
    pub fn guard_with(&self, keys: KeySource, sessions: SessionChecker) -> TokenGuard {
        let verifier = Verifier::new(
            self.tokens.issuer.clone(),
            self.tokens.audience.clone(),
            keys,
            self.clock.clone(),
        );
        TokenGuard::new(verifier, sessions)
    }

    /// Keys from `JWT_SECRET_KEY` if set, otherwise from the JWKS address, which is then followed.
    ///
    /// # Errors
    /// If neither is configured, or one cannot be used.
    pub fn key_source(&self) -> Result<KeySource, StartError> {
        if let Some(secret) = &self.tokens.shared_secret {
            let keys = KeySet::from_secret(secret.expose_secret().as_bytes());
            return keys.map(KeySource::fixed).map_err(StartError::config);
        }
        let url = self.tokens.jwks_url.clone().ok_or_else(|| {
            StartError::config(
                "JWKS_URL or AUTH_URL: one of them is needed to verify access tokens",
            )
        })?;
        // The loader has already refused a plain address that is neither loopback nor in ALLOW_PLAINTEXT.
        let client = JwksClient::new(url, true).map_err(StartError::config)?;
        let keys = KeySource::remote(client);
        tokio::spawn(keys.clone().keep_fresh());
        Ok(keys)
    }

    /// Asks the session service; without `SESSION_URL` signatures alone are checked, which the loader lets
    /// production do only with `SIGNATURES_ONLY=true`. `keys` look again when a key of theirs is revoked.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub fn session_checker(&self, keys: &KeySource) -> Result<SessionChecker, StartError> {
        if let Some(operations) = self.peers.operations() {
            let checker = operations.session_checker(self.service, self.clock.clone());
            let (checker, follower) = checker;
            tokio::spawn(follower.telling(keys.clone()).run());
            return Ok(checker);
        }
        let peers = self.peers.over_http();
        match peers.and_then(|(urls, signer)| Some((urls, urls.get(Service::Session)?, signer))) {
            Some((urls, url, signer)) => {
                let (signer, clock) = (Arc::clone(signer), self.clock.clone());
                let mut fallback = Fallback::Closed;
                if urls.falls_open {
                    fallback = Fallback::Open;
                    log::warn!(
                        "REVOCATION_FALLBACK=open: while session is away, tokens of closed sessions are accepted \
                         where nothing is written or deleted by permission"
                    );
                }
                let (checker, follower) = SessionChecker::following(url, signer, clock, fallback)
                    .map_err(StartError::config)?;
                tokio::spawn(follower.telling(keys.clone()).run());
                Ok(checker)
            }
            None => {
                log::warn!(
                    "SESSION_URL is not set: tokens of closed sessions are accepted until they expire"
                );
                Ok(SessionChecker::unchecked())
            }
        }
    }

    /// The counts of this service's operations, for its guard. What costs a password hash is counted in `redis`, if
    /// there is one.
    ///
    /// # Errors
    /// If the Redis address cannot be read, or a limit has no time.
    pub fn limits(
        &self,
        operations: &[crate::limits::Operation],
        config: &LimitsConfig,
        redis: Option<&RedisConfig>,
    ) -> Result<Limits, StartError> {
        Limits::new(self.service, operations, config, redis, &self.clock)
    }

    /// The queue of security events, for the one task that writes them to the outbox.
    pub async fn take_security_events(&self) -> Option<SecurityEvents> {
        self.security_events.lock().await.take()
    }
}
