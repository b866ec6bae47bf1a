//! What handlers need.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use ud_config::KeyRing;
use ud_db::Db;
use ud_events::{OutboxHandle, SqlEvents};
use ud_http::PendingRevocations;
use ud_kernel::{Clock, Failpoints, Service, StartError, Timestamp};
use ud_seal::{Sealer, ring_or_file};
use ud_service::{SecurityLog, ServiceContext, signature_algorithm};
use ud_telemetry::Metrics;

use crate::{
    config::AuthConfig,
    models::{
        password::{
            breach_list::BreachList, hash_pool::HashPool, passwords::Passwords,
            policy::PasswordPolicy,
        },
        peers::SessionCalls,
        place::Places,
        queue::login_gate::LoginGate,
        signing_key::loaded::{SealedKeys, SigningKeys},
        throttle::{LoginThrottle, rule::CLOCKS_APART},
        token::{introspection_clients::IntrospectionClients, token_pair::Issuer},
        unlock::code::UnlockKey,
    },
};

/// Name of the ring of keys that refresh tokens are checked with.
pub(crate) const REFRESH_TOKEN_RING: &str = "refresh-token";

/// What handlers and flows need. Clones share everything.
#[derive(Clone)]
pub struct AuthState {
    /// Auth's database.
    pub db: Db,
    /// Tells the time.
    pub clock: Clock,
    /// Checks and hashes passwords.
    pub passwords: Arc<Passwords>,
    /// The first gate of a login.
    pub gate: LoginGate,
    /// Counts tries.
    pub throttle: LoginThrottle,
    /// Names networks that logins came from.
    pub places: Places,
    /// Tag device tokens.
    pub device_ring: KeyRing,
    /// Hashes unlock codes.
    pub unlock_key: UnlockKey,
    /// Sign access tokens.
    pub keys: SigningKeys,
    /// `iss` and `aud` of access tokens.
    pub issuer: Arc<Issuer>,
    /// Tag refresh tokens.
    pub refresh_ring: KeyRing,
    /// Role and session.
    pub calls: SessionCalls,
    /// Events to and from other services.
    pub events: SqlEvents,
    /// Wakes the relay.
    pub outbox: OutboxHandle,
    /// Takes failed logins and refusals for the audit log.
    pub security_log: SecurityLog,
    /// May introspect without an account.
    pub introspection_clients: IntrospectionClients,
    /// Answers that carried `Revocation: pending`.
    pub revocations: PendingRevocations,
    /// Registry of this service's metrics.
    pub metrics: Metrics,
    /// Failpoints of tests.
    pub failpoints: Failpoints,
}

impl AuthState {
    /// The state of a service on `db`. The signing keys are not loaded yet.
    ///
    /// # Errors
    /// If a key ring cannot be read or made, or the machine gives no thread or random bytes.
    pub fn new(config: &AuthConfig, context: &ServiceContext, db: Db) -> Result<Self, StartError> {
        let sealer =
            Sealer::from_config(&config.sealing, Service::Auth).map_err(StartError::config)?;
        let refresh_ring = ring_or_file(
            config.signing.refresh_tokens.as_ref(),
            &config.sealing.keys_dir,
            REFRESH_TOKEN_RING,
        )
        .map_err(StartError::config)?;
        let pool = HashPool::start(config.hash_pool).map_err(StartError::internal)?;
        let passwords = Passwords::new(
            pool,
            PasswordPolicy::new(config.password.min_length),
            BreachList::new(&config.password.breached, &context.metrics)
                .map_err(StartError::config)?,
            config.password.bcrypt_cost,
            config.min_response_time,
            &context.metrics,
        )
        .map_err(StartError::config)?;
        let (role, session) = (
            context.peers.client(Service::Role),
            context.peers.client(Service::Session),
        );
        let events = SqlEvents::new(db.clone(), context);
        Ok(Self {
            passwords: Arc::new(passwords),
            gate: LoginGate::new(config.hash_pool.queue),
            throttle: LoginThrottle::new(&sealer, config.limits.throttle)
                .map_err(StartError::internal)?,
            places: Places::new(&sealer).map_err(StartError::internal)?,
            device_ring: sealer
                .derive_ring("tag device tokens")
                .map_err(StartError::internal)?,
            unlock_key: UnlockKey::new(&sealer).map_err(StartError::internal)?,
            keys: signing_keys(config, context, &db, sealer)?,
            issuer: Arc::new(Issuer {
                issuer: context.tokens.issuer.clone(),
                audience: context.tokens.audience.clone(),
            }),
            refresh_ring,
            calls: SessionCalls::new(role, session, config.signing.access_ttl),
            outbox: events.handle().clone(),
            events,
            security_log: context.security_log.clone(),
            introspection_clients: config.introspection_clients.clone(),
            revocations: PendingRevocations::new(&context.metrics),
            metrics: context.metrics.clone(),
            clock: context.clock.clone(),
            failpoints: context.failpoints.clone(),
            db,
        })
    }
}

impl AuthState {
    /// Returns the latest time that a replica may have written: of later ones the clock was wrong.
    #[must_use]
    pub fn latest_time(&self) -> Timestamp {
        self.clock.now().plus(CLOCKS_APART)
    }
}

fn signing_keys(
    config: &AuthConfig,
    context: &ServiceContext,
    db: &Db,
    sealer: Sealer,
) -> Result<SigningKeys, StartError> {
    let algorithm = match (config.signing.algorithm, &context.tokens.shared_secret) {
        (_, Some(secret)) => {
            let secret = secret.expose_secret().as_bytes();
            return SigningKeys::shared(secret).map_err(StartError::config);
        }
        (ud_config::Algorithm::Hs256, None) => {
            return Err(StartError::config(
                "JWT_ALGORITHM is HS256 without JWT_SECRET_KEY",
            ));
        }
        (algorithm, None) => signature_algorithm(algorithm),
    };
    Ok(SigningKeys::sealed(SealedKeys {
        db: db.clone(),
        sealer,
        algorithm,
        rotation: config.signing.key_rotation,
        clock: context.clock.clone(),
    }))
}
