//! A key, a clock and a verifier; and tokens of any shape, signed with that key.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use ud_jwt::{
    AccessClaims, Algorithm, KeySet, KeySource, Refusal, SigningKey, TokenError, Url,
    VerifiedToken, Verifier,
};
use ud_kernel::{Clock, SessionId, Timestamp, UserId};

pub const ISSUER: &str = "https://id.example";
pub const AUDIENCE: &str = "user-domain";
/// What the clock of a new [`World`] shows.
pub const NOW: i64 = 1_800_000_000;

pub struct World {
    pub clock: Clock,
    pub key: SigningKey,
    pub keys: KeySource,
    pub verifier: Verifier,
}

impl World {
    pub fn new() -> Self {
        Self::with(SigningKey::generate(Algorithm::EdDsa).unwrap())
    }

    pub fn with(key: SigningKey) -> Self {
        let clock = Clock::manual(Timestamp::from_secs(NOW));
        let keys = KeySource::fixed(KeySet::from_signing_keys([&key]).unwrap());
        Self {
            verifier: Verifier::new(ISSUER, AUDIENCE, keys.clone(), clock.clone()),
            clock,
            key,
            keys,
        }
    }

    pub fn verify(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenError> {
        // Keys are at hand: it never waits.
        self.verifier.verify(token).now_or_never().unwrap()
    }

    /// Why it is refused.
    pub fn refused(&self, token: &str) -> Refusal {
        match self.verify(token) {
            Err(TokenError::Invalid(refusal)) => refusal,
            other => panic!("{other:?} for {token}"),
        }
    }

    /// A token with this header and payload, whatever they are, rightly signed.
    pub fn forge(&self, header: &str, payload: &str) -> String {
        let pair = Ed25519KeyPair::from_pkcs8(&self.key.to_pkcs8().unwrap()).unwrap();
        sign_with(header, payload, |message| {
            pair.sign(message).as_ref().to_vec()
        })
    }

    pub fn forge_header(&self, header: &Value) -> String {
        self.forge(&header.to_string(), &claims_json().to_string())
    }

    pub fn forge_payload(&self, payload: &Value) -> String {
        self.forge(&self.header_json().to_string(), &payload.to_string())
    }

    pub fn header_json(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.key.kid()})
    }

    pub fn advance(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }
}

pub fn sign_with(header: &str, payload: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", encode(signature))
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn claims() -> AccessClaims {
    let at = Timestamp::from_secs(NOW);
    AccessClaims {
        iss: ISSUER.to_owned(),
        sub: UserId::new(at),
        sid: SessionId::new(at),
        aud: AUDIENCE.to_owned(),
        client_id: "user-domain".to_owned(),
        iat: NOW,
        nbf: NOW,
        exp: NOW + 900,
        jti: ud_jwt::new_jti().unwrap(),
        auth_time: NOW - 60,
        acr: "1".to_owned(),
        amr: vec!["pwd".to_owned()],
        roles: vec!["support".to_owned(), "user".to_owned()],
        permissions: vec!["users:read".to_owned()],
        pv: 7,
        inc: "i1".to_owned(),
    }
}

pub fn claims_json() -> Value {
    serde_json::to_value(claims()).unwrap()
}

/// A verified token with these claims.
pub fn verified(claims: &AccessClaims) -> Arc<VerifiedToken> {
    let world = World::new();
    world.verify(&world.key.sign(claims).unwrap()).unwrap()
}

/// Stops tokio's clock, so that no deadline strikes however slow the machine is; it moves by
/// `tokio::time::advance` alone. A stopped clock would jump to the next deadline whenever the runtime is
/// idle, as it is while it waits for the network: so this keeps it busy until dropped.
pub struct Frozen(tokio::task::JoinHandle<()>);

impl Frozen {
    pub fn new() -> Self {
        tokio::time::pause();
        Self(tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        }))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An address at which nobody listens.
pub fn url_of_nobody() -> Url {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap()
}
