//! Fetching an issuer's keys (SECURITY rule 16): against a server that misbehaves.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;
use ud_jwt::{
    Algorithm, JwksClient, JwksError, KeySetError, KeySource, MAX_SET_BYTES, Refusal, SigningKey,
    TokenError, Verifier,
};
use ud_kernel::{Clock, Timestamp};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::support::{AUDIENCE, Frozen, ISSUER, NOW, claims, encode, url_of_nobody};

pub struct Issuer {
    pub server: MockServer,
    pub keys: KeySource,
    pub verifier: Verifier,
}

impl Issuer {
    /// An issuer that answers with `response`, and somebody who verifies its tokens.
    pub async fn answering(response: ResponseTemplate) -> Self {
        let server = MockServer::start().await;
        let url = format!("{}/jwks.json", server.uri()).parse().unwrap();
        let keys = KeySource::remote(JwksClient::new(url, false).unwrap());
        let clock = Clock::manual(Timestamp::from_secs(NOW));
        let issuer = Self {
            verifier: Verifier::new(ISSUER, AUDIENCE, keys.clone(), clock),
            server,
            keys,
        };
        issuer.answer(response).await;
        issuer
    }

    pub async fn with_keys(keys: &[&SigningKey]) -> Self {
        Self::answering(set_of(keys)).await
    }

    pub async fn answer(&self, response: ResponseTemplate) {
        self.server.reset().await;
        Mock::given(method("GET"))
            .and(path("/jwks.json"))
            .respond_with(response)
            .mount(&self.server)
            .await;
    }

    /// Requests since the last [`Issuer::answer`].
    pub async fn requests(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }
}

pub fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa).unwrap()
}

fn set_json(keys: &[&SigningKey]) -> Value {
    let keys: Vec<_> = keys.iter().filter_map(|key| key.public_jwk()).collect();
    json!({ "keys": keys })
}

pub fn set_of(keys: &[&SigningKey]) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(set_json(keys))
}

fn with_random_kid() -> String {
    let kid = ud_jwt::new_jti().unwrap();
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}).to_string();
    format!("{}.{}.{}", encode(header), encode("{}"), encode([0; 64]))
}

pub const UNKNOWN: TokenError = TokenError::Invalid(Refusal::UnknownKey);

#[tokio::test]
async fn ten_thousand_unknown_kids_cause_two_fetches_and_harm_nobody() {
    let _frozen = Frozen::new();
    let signing = key();
    let issuer = Issuer::with_keys(&[&signing]).await;
    let token = signing.sign(&claims()).unwrap();
    issuer.verifier.verify(&token).await.unwrap();

    let forged: Vec<String> = (0..10_000).map(|_| with_random_kid()).collect();
    let attack = join_all(forged.iter().map(|token| issuer.verifier.verify(token)));
    let others: Vec<String> = (0..100).map(|_| signing.sign(&claims()).unwrap()).collect();
    let users = join_all(others.iter().map(|token| issuer.verifier.verify(token)));
    let (attack, users) = tokio::join!(attack, users);
    assert!(attack.into_iter().all(|result| result == Err(UNKNOWN)));
    assert!(users.into_iter().all(|result| result.is_ok()));
    assert!(issuer.requests().await <= 2);
}

#[tokio::test]
async fn all_who_wait_share_one_fetch() {
    let _frozen = Frozen::new();
    let signing = key();
    let issuer = Issuer::with_keys(&[&signing]).await;
    let tokens: Vec<String> = (0..100).map(|_| signing.sign(&claims()).unwrap()).collect();
    let results = join_all(tokens.iter().map(|token| issuer.verifier.verify(token))).await;
    assert!(results.into_iter().all(|result| result.is_ok()));
    assert_eq!(issuer.requests().await, 1);
    assert_eq!(issuer.keys.fetch_counts(), (1, 0));
}

#[tokio::test]
async fn a_new_key_is_found_at_once_but_not_more_often_than_every_ten_seconds() {
    let _frozen = Frozen::new();
    let (old, new) = (key(), key());
    let issuer = Issuer::with_keys(&[&old]).await;
    let of_old = old.sign(&claims()).unwrap();
    let of_new = new.sign(&claims()).unwrap();
    issuer.verifier.verify(&of_old).await.unwrap();

    issuer.answer(set_of(&[&old, &new])).await;
    assert_eq!(
        issuer.verifier.verify(&of_new).await,
        Err(UNKNOWN),
        "fetched a moment ago"
    );
    assert_eq!(issuer.requests().await, 0);
    tokio::time::advance(Duration::from_secs(10)).await;
    issuer.verifier.verify(&of_new).await.unwrap();
    issuer.verifier.verify(&of_old).await.unwrap();
    assert_eq!(issuer.requests().await, 1);
}

#[tokio::test]
async fn a_key_that_leaves_the_set_takes_known_tokens_along() {
    let _frozen = Frozen::new();
    let (old, new) = (key(), key());
    let issuer = Issuer::with_keys(&[&old]).await;
    let token = old.sign(&claims()).unwrap();
    issuer.verifier.verify(&token).await.unwrap();

    issuer.answer(set_of(&[&new])).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    issuer
        .verifier
        .verify(&new.sign(&claims()).unwrap())
        .await
        .unwrap();
    assert_eq!(issuer.verifier.verify(&token).await, Err(UNKNOWN));
}

#[tokio::test]
async fn without_ever_a_set_it_is_unavailable_and_recovers() {
    let _frozen = Frozen::new();
    let signing = key();
    let issuer = Issuer::answering(ResponseTemplate::new(500)).await;
    let token = signing.sign(&claims()).unwrap();
    assert_eq!(
        issuer.verifier.verify(&token).await,
        Err(TokenError::KeysUnavailable)
    );
    assert_eq!(
        issuer.verifier.verify(&with_random_kid()).await,
        Err(TokenError::KeysUnavailable)
    );
    assert!(!issuer.keys.has_keys());
    assert_eq!(issuer.requests().await, 1, "not with every request");

    issuer.answer(set_of(&[&signing])).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    issuer.verifier.verify(&token).await.unwrap();
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let client = JwksClient::new(url_of_nobody(), false).unwrap();
    assert!(matches!(client.fetch().await, Err(JwksError::Http(_))));
}

#[tokio::test]
async fn a_bad_set_replaces_nothing() {
    let _frozen = Frozen::new();
    let signing = key();
    let issuer = Issuer::with_keys(&[&signing]).await;
    let known = signing.sign(&claims()).unwrap();
    issuer.verifier.verify(&known).await.unwrap();

    let mut private = set_json(&[&signing, &key()]);
    private["keys"][1]["d"] = json!("AAAA");
    let mut symmetric = set_json(&[&signing]);
    symmetric["keys"][0] = json!({"kty": "oct", "k": encode([1; 32]), "alg": "HS256", "kid": "x"});
    for bad in [
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_string(""),
        ResponseTemplate::new(200).set_body_json(json!({ "keys": [] })),
        ResponseTemplate::new(200).set_body_json(private),
        ResponseTemplate::new(200).set_body_json(symmetric),
        ResponseTemplate::new(404),
        ResponseTemplate::new(204),
        ResponseTemplate::new(503).set_body_json(set_json(&[&key()])),
    ] {
        issuer.answer(bad).await;
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(
            issuer.verifier.verify(&with_random_kid()).await,
            Err(UNKNOWN)
        );
        assert_eq!(issuer.requests().await, 1);
        issuer.verifier.verify(&known).await.unwrap();
        issuer
            .verifier
            .verify(&signing.sign(&claims()).unwrap())
            .await
            .unwrap();
    }
    assert_eq!(issuer.keys.fetch_counts(), (9, 8));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let _frozen = Frozen::new();
    let signing = key();
    let issuer = Issuer::with_keys(&[]).await;
    for status in [301, 302, 303, 307, 308] {
        let there = format!("{}/elsewhere", issuer.server.uri());
        let response = ResponseTemplate::new(status).insert_header("location", there);
        issuer.answer(response).await;
        Mock::given(path("/elsewhere"))
            .respond_with(set_of(&[&signing]))
            .expect(0)
            .mount(&issuer.server)
            .await;
        let client = JwksClient::new(
            format!("{}/jwks.json", issuer.server.uri())
                .parse()
                .unwrap(),
            false,
        );
        let result = client.unwrap().fetch().await;
        assert!(matches!(result, Err(JwksError::Status(s)) if s == status));
        issuer.server.verify().await;
    }
}

#[tokio::test]
async fn a_set_over_64_kib_is_not_read() {
    let _frozen = Frozen::new();
    let signing = key();
    let mut body = set_json(&[&signing]).to_string();
    body += &" ".repeat(MAX_SET_BYTES - body.len());
    let issuer = Issuer::answering(ResponseTemplate::new(200).set_body_string(&body)).await;
    let url = format!("{}/jwks.json", issuer.server.uri())
        .parse()
        .unwrap();
    let client = JwksClient::new(url, false).unwrap();
    assert_eq!(client.fetch().await.unwrap().len(), 1);
    body.push(' ');
    for body in [body, "x".repeat(5_000_000)] {
        issuer
            .answer(ResponseTemplate::new(200).set_body_string(body))
            .await;
        assert!(matches!(
            client.fetch().await,
            Err(JwksError::Set(KeySetError::TooLarge))
        ));
    }
}

#[tokio::test]
async fn a_fetch_ends_after_two_seconds() {
    let slow = set_of(&[&key()]).set_delay(Duration::from_secs(60));
    let issuer = Issuer::answering(slow).await;
    // With the clock stopped, tokio goes to the next timer as soon as it has nothing else to do.
    tokio::time::pause();
    let begun = Instant::now();
    let result = issuer.verifier.verify(&with_random_kid()).await;
    assert_eq!(result, Err(TokenError::KeysUnavailable));
    assert!(
        begun.elapsed() <= Duration::from_millis(2_100),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_fetch_outlives_the_request_that_began_it() {
    let _frozen = Frozen::new();
    let signing = key();
    let issuer = Issuer::answering(set_of(&[&signing]).set_delay(Duration::from_millis(50))).await;
    let token = signing.sign(&claims()).unwrap();
    {
        let mut abandoned = std::pin::pin!(issuer.verifier.verify(&token));
        assert!(futures_util::poll!(abandoned.as_mut()).is_pending());
    }
    issuer.verifier.verify(&token).await.unwrap();
    assert_eq!(issuer.requests().await, 1);
}

#[test]
fn only_https_and_loopback_are_asked() {
    let new = |url: &str, plain| JwksClient::new(url.parse().unwrap(), plain).map(|_| ());
    for good in [
        "https://id.example/jwks",
        "http://127.0.0.1:8001/jwks",
        "http://127.8.9.1/jwks",
        "http://[::1]:8001/jwks",
        "http://localhost:8001/jwks",
    ] {
        new(good, false).unwrap();
    }
    for bad in [
        "http://id.example/jwks",
        "http://10.0.0.1/jwks",
        "http://0.0.0.0/jwks",
        "http://localhost.evil.example/jwks",
        "http://127.0.0.1.evil.example/jwks",
    ] {
        assert!(matches!(new(bad, false), Err(JwksError::Address)), "{bad}");
        new(bad, true).unwrap();
    }
    for never in ["ftp://id.example/", "file:///etc/keys", "ws://localhost/"] {
        assert!(
            matches!(new(never, true), Err(JwksError::Address)),
            "{never}"
        );
    }
}
