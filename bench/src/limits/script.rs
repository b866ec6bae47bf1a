//! Measures what a refresh cannot do without: the script that rotates the session in Redis, and the signature of a token.

use std::sync::Arc;

use session_service::models::{
    redis::store::{RedisSettings, RedisStore},
    session_store::SessionStore as _,
};
use ud_config::{Durability, RedisConfig};
use ud_events::OutboxHandle;
use ud_jwt::{AccessClaims, Algorithm, SigningKey, new_jti};
use ud_kernel::{
    Clock, SessionId, Timestamp, UserId,
    models::{Access, CreateSession, Provenance, RotateSession, SessionGrant},
};

use crate::drive::Client;

/// Keys of its own in the same Redis.
const NAMESPACE: &str = "{bench}";
const NONCE_HASH: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
const ACCESS_TTL: u32 = 900;
const IDLE: u32 = 14 * 24 * 3_600;
const ABSOLUTE: u32 = 90 * 24 * 3_600;

/// One session that is rotated, and a token signed for it, again and again.
pub struct Rotator {
    store: Arc<RedisStore>,
    key: Arc<SigningKey>,
    clock: Clock,
    user: UserId,
    session: SessionId,
    counter: i64,
}

impl Rotator {
    /// So many of them, on the Redis of `url`.
    ///
    /// # Panics
    /// If Redis does not take their sessions.
    pub async fn open(url: &str, count: usize) -> Vec<Self> {
        let settings = RedisSettings {
            redis: RedisConfig {
                url: url.into(),
                durability: Durability::Fsync,
            },
            namespace: NAMESPACE.to_owned(),
            hand: None,
        };
        let store = RedisStore::new(&settings, OutboxHandle::new(), true);
        let store = Arc::new(store.expect("an address of Redis"));
        let key = SigningKey::generate(Algorithm::EdDsa).expect("a key");
        let key = Arc::new(key);
        let clock = Clock::system();
        let mut rotators = Vec::new();
        for _ in 0..count {
            let (user, session) = (UserId::new(clock.now()), SessionId::new(clock.now()));
            let made = store.create(session, creation(user, clock.now())).await;
            let counter = made.expect("a session").grant.counter;
            rotators.push(Self {
                store: Arc::clone(&store),
                key: Arc::clone(&key),
                clock: clock.clone(),
                user,
                session,
                counter,
            });
        }
        rotators
    }
}

impl Client for Rotator {
    async fn call(&mut self) -> Result<(), String> {
        let now = self.clock.now();
        let rotation = rotation(self.user, self.session, self.counter, now);
        let grant = self
            .store
            .rotate(rotation)
            .await
            .map_err(|e| e.to_string())?;
        if grant.counter != self.counter + 1 {
            return Err(format!("rotated to {}", grant.counter));
        }
        self.counter = grant.counter;
        let token = self.key.sign(&claims(self.user, &grant));
        std::hint::black_box(token.map_err(|e| e.to_string())?);
        Ok(())
    }
}

fn origin() -> Provenance {
    Provenance {
        request_id: "01a20173-cdc9-706d-85c5-df3f183476f4".to_owned(),
        ip: Some("127.0.0.1".to_owned()),
        ..Provenance::default()
    }
}

fn creation(user_id: UserId, now: Timestamp) -> CreateSession {
    CreateSession {
        user_id,
        epoch: 1,
        pv: 1,
        roles: vec!["user".to_owned()],
        nonce_hash: NONCE_HASH.to_owned(),
        key_id: "r1".to_owned(),
        now,
        access_ttl: ACCESS_TTL,
        access_until: None,
        idle: IDLE,
        absolute: ABSOLUTE,
        amr: vec!["pwd".to_owned()],
        origin: origin(),
    }
}

/// Returns the request to rotate a session's refresh token, as auth sends it.
#[must_use]
pub fn rotation(
    user_id: UserId,
    session_id: SessionId,
    counter: i64,
    now: Timestamp,
) -> RotateSession {
    RotateSession {
        session_id,
        user_id,
        nonce_hash: NONCE_HASH.to_owned(),
        counter,
        key_id: "r1".to_owned(),
        epoch: 1,
        pv: 1,
        roles: vec!["user".to_owned()],
        now,
        access_ttl: ACCESS_TTL,
        access_until: None,
        idle: IDLE,
        absolute: ABSOLUTE,
        reauthenticated: false,
        privileged: false,
        key_ids: vec!["r1".to_owned()],
        origin: origin(),
    }
}

/// The answer to it, as session gives it.
#[must_use]
pub fn grant(session_id: SessionId, now: Timestamp) -> SessionGrant {
    SessionGrant {
        session_id,
        counter: 2,
        key_id: "r1".to_owned(),
        issued_at: now,
        access_expires_at: now,
        refresh_expires_at: now,
        authenticated_at: now,
        amr: vec!["pwd".to_owned()],
        incarnation: session_id.to_string(),
    }
}

/// What role answers about somebody without a role.
#[must_use]
pub fn access() -> Access {
    Access {
        roles: vec!["user".to_owned()],
        permissions: Vec::new(),
        policy_version: 1,
        valid_until: None,
    }
}

fn claims(user: UserId, grant: &SessionGrant) -> AccessClaims {
    let issued = grant.issued_at.as_secs();
    AccessClaims {
        iss: "http://127.0.0.1:8080".to_owned(),
        sub: user,
        sid: grant.session_id,
        aud: "user-domain".to_owned(),
        client_id: "user-domain".to_owned(),
        iat: issued,
        nbf: issued,
        exp: grant.access_expires_at.as_secs(),
        jti: new_jti().expect("random bytes"),
        auth_time: grant.authenticated_at.as_secs(),
        acr: "1".to_owned(),
        amr: grant.amr.clone(),
        roles: vec!["user".to_owned()],
        permissions: Vec::new(),
        pv: 1,
        inc: grant.incarnation.clone(),
    }
}
