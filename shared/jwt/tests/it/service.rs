//! SECURITY rule 24.

use std::time::Duration;

use serde_json::{Value, json};
use ud_jwt::{
    AccessClaims, Algorithm, JwkSet, KeyError, KeySet, KeySetError, KeySource, Refusal, SigningKey,
    TokenError, Verifier,
    service::{IdentityKey, Peers, ServiceCaller, ServiceSigner, ServiceVerifier},
};
use ud_kernel::{Clock, Service, Timestamp, UserId};

use crate::support::{AUDIENCE, ISSUER, NOW, World, claims, sign_with};

/// Profile calls auth.
pub struct Pair {
    pub clock: Clock,
    pub signer: ServiceSigner,
    pub verifier: ServiceVerifier,
    /// What `signer` signs with, for tokens of any shape.
    private: Value,
}

impl Pair {
    pub fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_secs(NOW));
        let identity = IdentityKey::generate(Service::Profile).unwrap();
        let private = serde_json::from_str(&identity.to_private_jwk().unwrap()).unwrap();
        Self {
            verifier: ServiceVerifier::new(Service::Auth, peers([&identity]), clock.clone()),
            signer: ServiceSigner::new(identity, clock.clone()).unwrap(),
            clock,
            private,
        }
    }

    fn forge(&self, header: &Value, payload: &Value) -> String {
        let bytes = |name: &str| {
            use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
            URL_SAFE_NO_PAD
                .decode(self.private[name].as_str().unwrap())
                .unwrap()
        };
        let pair = aws_lc_rs::signature::Ed25519KeyPair::from_seed_and_public_key(
            &bytes("d"),
            &bytes("x"),
        )
        .unwrap();
        sign_with(&header.to_string(), &payload.to_string(), |message| {
            pair.sign(message).as_ref().to_vec()
        })
    }

    fn refused(&self, token: &str) -> Refusal {
        match self.verifier.verify(token) {
            Err(TokenError::Invalid(refusal)) => refusal,
            other => panic!("{other:?} for {token}"),
        }
    }
}

fn peers<'a>(keys: impl IntoIterator<Item = &'a IdentityKey>) -> Peers {
    let set: JwkSet = keys.into_iter().map(IdentityKey::public_jwk).collect();
    Peers::from_jwks(&serde_json::to_vec(&set).unwrap()).unwrap()
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "service+jwt", "kid": "profile"})
}

fn payload() -> Value {
    json!({
        "iss": "profile", "sub": "profile", "aud": "auth",
        "iat": NOW, "nbf": NOW, "exp": NOW + 60, "jti": "1",
    })
}

fn payload_with(name: &str, value: Value) -> Value {
    let mut payload = payload();
    payload[name] = value;
    payload
}

#[test]
fn a_call_says_who_calls_and_for_whom() {
    let pair = Pair::new();
    let user = UserId::new(Timestamp::from_secs(NOW));
    for on_behalf_of in [None, Some(user)] {
        let token = pair.signer.token(Service::Auth, on_behalf_of).unwrap();
        for _ in 0..2 {
            assert_eq!(
                pair.verifier.verify(&token),
                Ok(ServiceCaller {
                    service: Service::Profile,
                    on_behalf_of
                })
            );
        }
    }
    pair.verifier
        .verify(&pair.forge(&header(), &payload()))
        .unwrap();
}

#[test]
fn a_token_is_for_one_service() {
    let pair = Pair::new();
    for called in Service::ALL.into_iter().filter(|s| *s != Service::Auth) {
        let token = pair.signer.token(called, None).unwrap();
        assert_eq!(pair.refused(&token), Refusal::Audience);
    }
    for aud in [json!(["auth"]), json!(["auth", "role"]), Value::Null] {
        let token = pair.forge(&header(), &payload_with("aud", aud));
        assert_eq!(pair.refused(&token), Refusal::Claims);
    }
}

#[test]
fn nobody_speaks_for_another() {
    let pair = Pair::new();
    for name in ["iss", "sub"] {
        let token = pair.forge(&header(), &payload_with(name, json!("session")));
        assert_eq!(pair.refused(&token), Refusal::Subject, "{name}");
    }
    // Profile's key under another's name.
    let mut other = header();
    other["kid"] = json!("session");
    let token = pair.forge(&other, &payload());
    assert_eq!(pair.refused(&token), Refusal::UnknownKey);

    let session = IdentityKey::generate(Service::Session).unwrap();
    let profile = IdentityKey::generate(Service::Profile).unwrap();
    let verifier = ServiceVerifier::new(
        Service::Auth,
        peers([&session, &profile]),
        pair.clock.clone(),
    );
    assert_eq!(verifier.verify(&token), Err(Refusal::Signature.into()));
}

#[test]
fn a_token_lives_a_minute() {
    let pair = Pair::new();
    let token = pair.signer.token(Service::Auth, None).unwrap();
    pair.verifier.verify(&token).unwrap();
    pair.clock.advance(Duration::from_millis(64_999));
    pair.verifier.verify(&token).unwrap();
    pair.clock.advance(Duration::from_millis(1));
    assert_eq!(pair.refused(&token), Refusal::Expired);

    let pair = Pair::new();
    let long = pair.forge(&header(), &payload_with("exp", json!(NOW + 61)));
    assert_eq!(pair.refused(&long), Refusal::Lifetime);
    for name in ["nbf", "iat"] {
        let early = pair.forge(&header(), &payload_with(name, json!(NOW + 6)));
        assert_eq!(pair.refused(&early), Refusal::NotYet);
    }
}

#[test]
fn it_is_as_strict_as_with_users() {
    let pair = Pair::new();
    for name in ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"] {
        let mut payload = payload();
        payload.as_object_mut().unwrap().remove(name);
        assert_eq!(
            pair.refused(&pair.forge(&header(), &payload)),
            Refusal::Claims,
            "{name}"
        );
    }
    assert_eq!(
        pair.refused(&pair.forge(&header(), &payload_with("jti", json!("")))),
        Refusal::Claims
    );
    assert_eq!(
        pair.refused(&pair.forge(&header(), &payload_with("obo", json!("nobody")))),
        Refusal::Claims
    );
    for (name, value, expected) in [
        ("typ", json!("at+jwt"), Refusal::Type),
        ("typ", json!("JWT"), Refusal::Type),
        ("alg", json!("none"), Refusal::Algorithm),
        ("alg", json!("HS256"), Refusal::Algorithm),
        ("crit", json!(["exp"]), Refusal::Header),
        ("jku", json!("https://evil.example"), Refusal::Header),
        ("jwk", json!({}), Refusal::Header),
        ("kid", Value::Null, Refusal::Header),
    ] {
        let mut header = header();
        header[name] = value.clone();
        assert_eq!(
            pair.refused(&pair.forge(&header, &payload())),
            expected,
            "{name} {value}"
        );
    }
    let token = pair.signer.token(Service::Auth, None).unwrap();
    let unsigned = token.rsplit_once('.').unwrap().0;
    assert_eq!(pair.refused(&format!("{unsigned}.")), Refusal::Malformed);
    assert_eq!(pair.refused(&"x".repeat(9_000)), Refusal::TooLong);
}

#[test]
fn user_tokens_and_service_tokens_are_not_exchanged() {
    let world = World::new();
    let pair = Pair::new();
    let user = world.key.sign(&claims()).unwrap();
    let service = pair.signer.token(Service::Auth, None).unwrap();
    assert_eq!(pair.refused(&user), Refusal::Type);
    assert_eq!(world.verify(&service), Err(Refusal::Type.into()));

    // Not even if one key were in both sets, and with claims that would do for both.
    let mut both = serde_json::to_value(claims()).unwrap();
    for (name, value) in payload().as_object().unwrap() {
        if !["sub", "iss", "aud"].contains(&name.as_str()) {
            both[name] = value.clone();
        }
    }
    let set = json!({ "keys": [pair_public(&pair)] }).to_string();
    let verifier = Verifier::new(
        ISSUER,
        AUDIENCE,
        KeySource::fixed(KeySet::from_jwks(set.as_bytes()).unwrap()),
        pair.clock.clone(),
    );
    let token = pair.forge(&header(), &both);
    let result = futures_util::FutureExt::now_or_never(verifier.verify(&token)).unwrap();
    assert_eq!(result, Err(Refusal::Type.into()));
}

fn pair_public(pair: &Pair) -> Value {
    let mut jwk = pair.private.clone();
    jwk.as_object_mut().unwrap().remove("d");
    jwk
}

#[test]
fn tokens_that_act_for_nobody_are_used_again() {
    let pair = Pair::new();
    let user = UserId::new(Timestamp::from_secs(NOW));
    let first = pair.signer.token(Service::Auth, None).unwrap();
    assert_eq!(pair.signer.token(Service::Auth, None).unwrap(), first);
    assert_ne!(pair.signer.token(Service::Role, None).unwrap(), first);
    let acting = pair.signer.token(Service::Auth, Some(user)).unwrap();
    assert_ne!(
        pair.signer.token(Service::Auth, Some(user)).unwrap(),
        acting
    );

    pair.clock.advance(Duration::from_millis(29_999));
    assert_eq!(pair.signer.token(Service::Auth, None).unwrap(), first);
    pair.clock.advance(Duration::from_millis(1));
    let second = pair.signer.token(Service::Auth, None).unwrap();
    assert_ne!(second, first);
    pair.verifier.verify(&second).unwrap();
    // Its times lie ahead now.
    pair.clock.set(Timestamp::from_secs(NOW - 60));
    let third = pair.signer.token(Service::Auth, None).unwrap();
    assert_ne!(third, second);
    pair.verifier.verify(&third).unwrap();
}

#[test]
fn a_key_file_is_read_by_its_service_alone() {
    let key = IdentityKey::generate(Service::Role).unwrap();
    let file = key.to_private_jwk().unwrap();
    let again = IdentityKey::from_private_jwk(Service::Role, file.as_bytes()).unwrap();
    assert_eq!(again.public_jwk(), key.public_jwk());
    assert_eq!(again.service(), Service::Role);
    assert_eq!(format!("{again:?}"), "IdentityKey(role)");
    assert_eq!(
        IdentityKey::from_private_jwk(Service::Audit, file.as_bytes()).unwrap_err(),
        KeyError::OtherService
    );

    let jwk: Value = serde_json::from_str(&file).unwrap();
    let other: Value = serde_json::from_str(
        &IdentityKey::generate(Service::Role)
            .unwrap()
            .to_private_jwk()
            .unwrap(),
    )
    .unwrap();
    for (name, value) in [
        ("x", other["x"].clone()),
        ("d", other["d"].clone()),
        ("d", json!("AAAA")),
        ("d", json!("")),
        ("d", Value::Null),
        ("kty", json!("EC")),
        ("crv", json!("Ed448")),
        ("alg", json!("ES256")),
        ("use", json!("enc")),
        ("more", json!(1)),
    ] {
        let mut broken = jwk.clone();
        broken[name] = value;
        assert_eq!(
            IdentityKey::from_private_jwk(Service::Role, broken.to_string().as_bytes())
                .unwrap_err(),
            KeyError::Rejected,
            "{name}"
        );
    }
    for text in ["", "{}", "-----BEGIN PRIVATE KEY-----"] {
        assert_eq!(
            IdentityKey::from_private_jwk(Service::Role, text.as_bytes()).unwrap_err(),
            KeyError::Rejected
        );
    }
}

#[test]
fn the_peers_file_holds_public_keys_of_services() {
    let keys: Vec<IdentityKey> = Service::ALL
        .into_iter()
        .map(|service| IdentityKey::generate(service).unwrap())
        .collect();
    let mut services: Vec<Service> = peers(&keys).services().collect();
    services.sort();
    assert_eq!(services, Service::ALL);

    let file = keys[0].to_private_jwk().unwrap();
    let private: Value = serde_json::from_str(&file).unwrap();
    let public = serde_json::to_value(keys[0].public_jwk()).unwrap();
    let mut stranger = public.clone();
    stranger["kid"] = json!("mallory");
    let mut es256 =
        serde_json::to_value(SigningKey::generate(Algorithm::Es256).unwrap().public_jwk()).unwrap();
    es256["kid"] = json!("auth");
    for (set, expected) in [
        (json!({ "keys": [private] }), KeySetError::Private),
        (json!({ "keys": [stranger] }), KeySetError::Peer),
        (json!({ "keys": [es256] }), KeySetError::Peer),
        (
            json!({ "keys": [public, public] }),
            KeySetError::DuplicateKid,
        ),
        (json!({ "keys": [] }), KeySetError::Empty),
    ] {
        let result = Peers::from_jwks(set.to_string().as_bytes());
        assert_eq!(result.unwrap_err(), expected, "{set}");
    }
}

#[test]
fn access_claims_are_what_rfc_9068_names() {
    let json = serde_json::to_value(claims()).unwrap();
    let back: AccessClaims = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(back).unwrap(), json);
}
