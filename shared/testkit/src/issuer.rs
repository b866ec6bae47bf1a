//! Tokens of invented users and services.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_config::{DatabaseConfig, LimitsConfig, Loader, SealingConfig, keys};
use ud_jwt::{
    AccessClaims, Algorithm, JwkSet, KeySet, KeySource, SigningKey, Verifier, new_jti,
    service::{IdentityKey, Peers, ServiceSigner},
};
use ud_kernel::{Clock, Service, SessionId, UserId};

use crate::secrets;

/// `iss` of the tokens, the development default of `ISSUER_URL`.
pub const ISSUER: &str = "http://127.0.0.1:8080";
/// `aud` of the tokens, the default of `JWT_AUDIENCE`.
pub const AUDIENCE: &str = "user-domain";

/// Issues access tokens that look like auth's, signed by a key of its own.
pub struct TestIssuer {
    key: SigningKey,
    clock: Clock,
}

impl std::fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestIssuer")
    }
}

impl TestIssuer {
    /// An issuer with a new Ed25519 key whose tokens are dated by `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa).expect("a key");
        Self { key, clock }
    }

    /// The key that signs.
    #[must_use]
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Its public key, as a service's verifier takes it.
    #[must_use]
    pub fn key_source(&self) -> KeySource {
        KeySource::fixed(KeySet::from_signing_keys([&self.key]).expect("a key set"))
    }

    /// Its JWK set as JSON, as `/.well-known/jwks.json` would have it.
    #[must_use]
    pub fn jwks(&self) -> String {
        let set: JwkSet = self.key.public_jwk().into_iter().collect();
        serde_json::to_string(&set).expect("a JWK set is JSON")
    }

    /// A verifier that accepts its tokens.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier::new(ISSUER, AUDIENCE, self.key_source(), self.clock.clone())
    }

    /// Claims of a fresh login of `user`, good for 15 minutes, in a session of its own: to be changed and
    /// then [signed](Self::sign). `roles` always has `user` in it, as auth's tokens do.
    #[must_use]
    pub fn claims(&self, user: UserId, permissions: &[&str], roles: &[&str]) -> AccessClaims {
        let now = self.clock.now().as_secs();
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut roles = owned(roles);
        if !roles.iter().any(|role| role == "user") {
            roles.push("user".to_owned());
        }
        AccessClaims {
            iss: ISSUER.to_owned(),
            sub: user,
            sid: SessionId::new(self.clock.now()),
            aud: AUDIENCE.to_owned(),
            client_id: "user-domain".to_owned(),
            iat: now,
            nbf: now,
            exp: now + 900,
            jti: new_jti().expect("random bytes"),
            auth_time: now,
            acr: "1".to_owned(),
            amr: vec!["pwd".to_owned()],
            roles,
            permissions: owned(permissions),
            pv: 1,
            inc: "test".to_owned(),
        }
    }

    /// A token of these claims, whatever is in them.
    #[must_use]
    pub fn sign(&self, claims: &AccessClaims) -> String {
        let token = self.key.sign(claims).expect("a token");
        secrets().saw("token", &token);
        token
    }

    /// A token of `user` with `permissions` and `roles`.
    #[must_use]
    pub fn token(&self, user: UserId, permissions: &[&str], roles: &[&str]) -> String {
        self.sign(&self.claims(user, permissions, roles))
    }

    /// A token of a user nobody knows, with `permissions`.
    #[must_use]
    pub fn token_of_stranger(&self, permissions: &[&str]) -> String {
        self.token(UserId::new(self.clock.now()), permissions, &[])
    }
}

/// Identity keys of all services, as if an operator had run `keygen` for each.
#[derive(Clone)]
pub struct TestIdentities {
    keys: Arc<[IdentityKey]>,
    clock: Clock,
}

impl std::fmt::Debug for TestIdentities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestIdentities")
    }
}

impl TestIdentities {
    /// New keys; tokens are dated by `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let generate = |service| IdentityKey::generate(service).expect("a key");
        Self {
            keys: Service::ALL.into_iter().map(generate).collect(),
            clock,
        }
    }

    /// Returns the same keys, with tokens dated by `clock`.
    #[must_use]
    pub fn by(&self, clock: &Clock) -> Self {
        Self {
            keys: Arc::clone(&self.keys),
            clock: clock.clone(),
        }
    }

    /// Returns the clock that dates tokens.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What `service` signs its calls with.
    #[must_use]
    pub fn signer(&self, service: Service) -> Arc<ServiceSigner> {
        let private = self.key(service).to_private_jwk().expect("a key");
        let key = IdentityKey::from_private_jwk(service, private.as_bytes()).expect("a key");
        Arc::new(ServiceSigner::new(key, self.clock.clone()).expect("a signer"))
    }

    /// A token by which `caller` calls `called` on nobody's behalf.
    #[must_use]
    pub fn token(&self, caller: Service, called: Service) -> String {
        let token = self.signer(caller).token(called, None).expect("a token");
        secrets().saw("token", &token);
        token
    }

    /// The public keys of all services.
    #[must_use]
    pub fn peers(&self) -> Peers {
        Peers::from_jwks(self.peers_json().as_bytes()).expect("a JWK set")
    }

    /// Writes `<service>.json` for each service and `peers.json` into `folder`: the files that
    /// `<SERVICE>_IDENTITY_KEY_FILE` ([`TestIdentities::key_file`]) and `IDENTITY_PEERS_FILE` name.
    ///
    /// # Panics
    /// If a file cannot be written.
    pub fn write_to(&self, folder: &Path) {
        for key in self.keys.iter() {
            let private = key.to_private_jwk().expect("a key");
            fs::write(Self::key_file(folder, key.service()), private.as_bytes()).expect("written");
        }
        fs::write(folder.join("peers.json"), self.peers_json()).expect("written");
    }

    /// Where [`TestIdentities::write_to`] puts the private key of `service`.
    #[must_use]
    pub fn key_file(folder: &Path, service: Service) -> PathBuf {
        folder.join(format!("{service}.json"))
    }

    fn key(&self, service: Service) -> &IdentityKey {
        let key = self.keys.iter().find(|key| key.service() == service);
        key.expect("each service has one")
    }

    fn peers_json(&self) -> String {
        let set: JwkSet = self.keys.iter().map(IdentityKey::public_jwk).collect();
        serde_json::to_string(&set).expect("a JWK set is JSON")
    }
}

/// Configuration of a service that seals secrets at rest: a new ring of one key, `k1`.
#[must_use]
pub fn sealing() -> SealingConfig {
    SealingConfig {
        key_encryption: Some(new_key_ring("k1").parse().expect("a ring")),
        keys_dir: PathBuf::new(),
    }
}

/// Returns the configuration of the database at `url`, which the service migrates.
#[must_use]
pub fn database_config(url: &str) -> DatabaseConfig {
    DatabaseConfig {
        url: url.into(),
        migration_url: None,
        pool_size: 8,
        acquire_timeout: Duration::from_secs(2),
        auto_migrate: true,
    }
}

/// Limits that no test of something else meets.
#[must_use]
pub fn no_limits() -> LimitsConfig {
    let wide = keys::limits().map(|key| (key.name.to_string(), "1000000/60"));
    LimitsConfig::load(&mut Loader::from_pairs(wide))
}

/// A new ring of one key with the id `id`, as `KEY_ENCRYPTION_KEYS` and `REFRESH_TOKEN_KEYS` take it.
#[must_use]
pub fn new_key_ring(id: &str) -> String {
    let mut key = [0; 32];
    let mut random = fs::File::open("/dev/urandom").expect("a source of random bytes");
    random.read_exact(&mut key).expect("random bytes");
    let key = URL_SAFE_NO_PAD.encode(key);
    secrets().saw("key", &key);
    format!("{id}:{key}")
}
