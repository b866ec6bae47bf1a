//! Calls to internal routes of other services (SECURITY rules 24 and 29).

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ud_config::PeersConfig;
use ud_http::Problem;
use ud_jwt::service::{IdentityKey, ServiceSigner};
use ud_kernel::{
    Clock, Code, Service,
    operation::{Method, Operation},
};
use ud_peer::{CALLER, CallError, Peers, ServiceClient};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

#[derive(Serialize, Deserialize)]
struct Things {
    x: u8,
}

/// `GET /internal/v1/things?x=1`
enum ReadThings {}

impl Operation for ReadThings {
    const METHOD: Method = Method::Get;
    const ROUTE: &'static str = "/internal/v1/things";
    type Key = ();
    type Body = Things;
    type Output = Value;
}

async fn read(client: &ServiceClient) -> Result<Value, CallError> {
    client.call::<ReadThings>((), Things { x: 1 }).await
}

enum SendThings {}

impl Operation for SendThings {
    const METHOD: Method = Method::Post;
    const ROUTE: &'static str = "/internal/v1/things";
    type Key = ();
    type Body = Vec<u8>;
    type Output = Value;
}

enum ReadCaller {}

impl Operation for ReadCaller {
    const METHOD: Method = Method::Get;
    const ROUTE: &'static str = CALLER;
    type Key = ();
    type Body = ();
    type Output = Value;
}

/// Profile's client for role at `url`.
fn client(url: &str) -> ServiceClient {
    let key = IdentityKey::generate(Service::Profile).unwrap();
    let signer = ServiceSigner::new(key, Clock::system()).unwrap();
    let mut urls = PeersConfig::default();
    urls.set(Service::Role, url.parse().unwrap());
    Peers::new(signer.into(), urls)
        .unwrap()
        .client(Service::Role)
}

/// A server that answers everything by `template`.
async fn answering(template: ResponseTemplate) -> (MockServer, ServiceClient) {
    let server = MockServer::start().await;
    let mock = Mock::given(any()).respond_with(template);
    mock.mount(&server).await;
    let client = client(&server.uri());
    (server, client)
}

fn is_unavailable(result: &Result<Value, CallError>) -> bool {
    let service = Service::Role;
    matches!(result, Err(CallError::Unavailable { service: s, .. }) if *s == service)
}

#[tokio::test]
async fn a_call_carries_a_service_token_and_nothing_of_the_user() {
    let (server, client) =
        answering(ResponseTemplate::new(200).set_body_json(json!({"a": 1}))).await;
    let answer: Value = read(&client).await.unwrap();
    assert_eq!(answer, json!({"a": 1}));
    let requests = server.received_requests().await.unwrap();
    let [request] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert_eq!(
        (request.url.path(), request.url.query()),
        ("/internal/v1/things", Some("x=1"))
    );
    let token = request.headers["authorization"].to_str().unwrap();
    assert_eq!(token.strip_prefix("Bearer ").unwrap().split('.').count(), 3);
    assert!(!request.headers.contains_key("cookie"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = MockServer::start().await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/stolen", elsewhere.uri());
        let template = ResponseTemplate::new(status).insert_header("location", to.as_str());
        let (_server, client) = answering(template).await;
        let answer: Result<Value, _> = read(&client).await;
        assert!(is_unavailable(&answer), "{status}: {answer:?}");
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_call_ends_after_two_seconds() {
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(30));
    let (server, client) = answering(slow).await;
    let started = Instant::now();
    let answer: Result<Value, _> = read(&client).await;
    assert!(is_unavailable(&answer), "{answer:?}");
    let took = started.elapsed();
    assert!((2..4).contains(&took.as_secs()), "{took:?}");
    // What may have been done is not asked for again by itself.
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let big = ResponseTemplate::new(200).set_body_bytes(vec![b' '; 2 * 1024 * 1024]);
    let (_server, client) = answering(big).await;
    let answer: Result<Value, _> = read(&client).await;
    assert!(is_unavailable(&answer), "{answer:?}");
}

#[tokio::test]
async fn what_is_no_answer_of_ours_is_unavailability() {
    for template in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(502).set_body_string("<html>"),
        ResponseTemplate::new(429),
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(404).set_body_string("<html>"),
    ] {
        let (_server, client) = answering(template).await;
        let answer: Result<Value, _> = read(&client).await;
        assert!(is_unavailable(&answer), "{answer:?}");
    }
    // Nobody is there at all, or nobody is configured.
    let nobody = client("http://127.0.0.1:1");
    assert!(is_unavailable(&read(&nobody).await));
    let key = IdentityKey::generate(Service::Profile).unwrap();
    let signer = ServiceSigner::new(key, Clock::system()).unwrap();
    let peers = Peers::new(signer.into(), PeersConfig::default()).unwrap();
    let unknown = peers.client(Service::Role);
    assert!(is_unavailable(&read(&unknown).await));
}

#[tokio::test]
async fn a_refusal_is_told_as_it_was() {
    let problem = json!({"status": 409, "code": "session.policy-stale", "title": "x"});
    let (_server, client) = answering(ResponseTemplate::new(409).set_body_json(problem)).await;
    let refused = read(&client).await.unwrap_err();
    assert!(refused.is(Code::SESSION_POLICY_STALE), "{refused}");
}

/// A service of the release before, met in the wrong order, does not know the route, or another method of it only.
#[tokio::test]
async fn an_operation_that_the_other_does_not_know_is_unavailability() {
    for (status, code) in [
        (404, "request.not-found"),
        (405, "request.method-not-allowed"),
    ] {
        let problem = json!({"status": status, "code": code, "title": "x"});
        let (_server, client) =
            answering(ResponseTemplate::new(status).set_body_json(problem)).await;
        let refused = read(&client).await;
        assert!(is_unavailable(&refused), "{refused:?}");
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("upgrade it first"), "{error}");
        let problem = Problem::from(error);
        assert_eq!(problem.code(), Code::SERVER_DEPENDENCY_UNAVAILABLE);
    }
}

#[tokio::test]
async fn it_recovers_by_itself() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({}));
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let proxy = testkit::Proxy::start(*server.address());
    let client = client(&proxy.instead_of(&server.uri()));
    let _: Value = read(&client).await.unwrap();
    proxy.cut();
    assert!(is_unavailable(&read(&client).await));
    proxy.resume();
    let _: Value = read(&client).await.unwrap();
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_called_service_is_told_how_long_its_caller_waits() {
    let told = async |client: &ServiceClient, server: &MockServer| {
        let _ = read(client).await;
        let requests = server.received_requests().await.unwrap();
        let header = &requests.last().unwrap().headers["x-request-timeout-ms"];
        header.to_str().unwrap().parse::<u64>().unwrap()
    };
    let (server, client) = answering(ResponseTemplate::new(200).set_body_json(json!(1))).await;
    let ordinary = told(&client, &server).await;
    assert!((1_000..=1_800).contains(&ordinary), "{ordinary}");
    let long = told(&client.within(Duration::from_secs(5)), &server).await;
    assert!((4_000..=4_800).contains(&long), "{long}");
    // Never longer than the caller's own caller waits.
    let context = ud_telemetry::RequestContext::new("r-1");
    let context = context.until(Instant::now() + Duration::from_millis(900));
    let own = ud_telemetry::scope(context, told(&client, &server)).await;
    assert!((100..=700).contains(&own), "{own}");
    // What is sent until it is accepted is finished whether anybody waits or not.
    let sent = client.deliver::<SendThings>("text/plain", Vec::new());
    let _ = sent.await;
    let requests = server.received_requests().await.unwrap();
    assert!(
        !requests
            .last()
            .unwrap()
            .headers
            .contains_key("x-request-timeout-ms")
    );
}

#[tokio::test]
async fn two_tries_have_one_deadline() {
    // A listener that closes every connection without an answer, the second after a while.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        let first = listener.accept().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(first);
        let _second = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    let began = Instant::now();
    let outcome: Result<Value, _> = read(&client.within(Duration::from_millis(600))).await;
    assert!(is_unavailable(&outcome), "{outcome:?}");
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
}

/// A real service refuses the tokens of one whose clock is five minutes away, or whose key it does not know: the caller's
/// client is told to come again, and not that this is a defect.
#[tokio::test]
async fn a_refused_service_token_is_unavailability() {
    let role = crate::service::start(|_| {}).await;
    let now = Clock::system().now();
    let apart = Duration::from_secs(300);
    let own =
        || IdentityKey::from_private_jwk(Service::Profile, role.profile_key.as_bytes()).unwrap();
    let call = async |key: IdentityKey, clock: Clock| {
        let signer = ServiceSigner::new(key, clock).unwrap();
        let mut urls = PeersConfig::default();
        let url = format!("http://{}", role.internal);
        urls.set(Service::Role, url.parse().unwrap());
        let client = Peers::new(signer.into(), urls)
            .unwrap()
            .client(Service::Role);
        let answer: Result<Value, _> = client.call::<ReadCaller>((), ()).await;
        answer
    };
    for (key, clock) in [
        (own(), Clock::manual(now.plus(apart))),
        (own(), Clock::manual(now.minus(apart))),
        (
            IdentityKey::generate(Service::Profile).unwrap(),
            Clock::system(),
        ),
    ] {
        let refused = call(key, clock).await;
        assert!(is_unavailable(&refused), "{refused:?}");
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("clocks"), "{error}");
        let problem = Problem::from(error);
        assert_eq!(problem.code(), Code::SERVER_DEPENDENCY_UNAVAILABLE);
    }
    let known = call(own(), Clock::system()).await.unwrap();
    assert_eq!(known, json!({"service": "profile"}));
}
