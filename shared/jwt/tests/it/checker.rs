//! Whether a session lives: asked once for many, kept shortly, and never guessed (SECURITY rule 18).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::join_all};
use serde_json::json;
use tokio::{sync::Semaphore, time::Instant};
use ud_jwt::{
    AccessClaims, JwkSet, VerifiedToken,
    revocation::{RevocationError, SessionChecker, StateSource, StateUnavailable, http_source},
    service::{IdentityKey, Peers, ServiceSigner, ServiceVerifier},
};
use ud_kernel::{Clock, Service, SessionId, Timestamp, models::SessionState};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

use crate::support::{Frozen, NOW, World, claims, url_of_nobody, verified};

struct Store {
    server: MockServer,
    checker: SessionChecker,
    /// What the session service would verify the caller with.
    verifier: ServiceVerifier,
}

impl Store {
    async fn answering(response: ResponseTemplate) -> Self {
        let server = MockServer::start().await;
        let clock = Clock::manual(Timestamp::from_secs(NOW));
        let identity = IdentityKey::generate(Service::Role).unwrap();
        let peers: JwkSet = [identity.public_jwk()].into_iter().collect();
        let peers = Peers::from_jwks(&serde_json::to_vec(&peers).unwrap()).unwrap();
        let signer = Arc::new(ServiceSigner::new(identity, clock.clone()).unwrap());
        let url = format!("{}/session/", server.uri()).parse().unwrap();
        let store = Self {
            checker: SessionChecker::cached(http_source(&url, signer).unwrap()),
            verifier: ServiceVerifier::new(Service::Session, peers, clock),
            server,
        };
        store.answer(response).await;
        store
    }

    async fn answer(&self, response: ResponseTemplate) {
        self.server.reset().await;
        Mock::given(method("GET"))
            .respond_with(response)
            .mount(&self.server)
            .await;
    }

    async fn requests(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }
}

fn state(state: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "state": state }))
}

fn token() -> Arc<VerifiedToken> {
    verified(&claims())
}

#[tokio::test]
async fn the_question_names_session_user_version_incarnation_roles_and_key() {
    let _frozen = Frozen::new();
    let store = Store::answering(state("good")).await;
    let token = token();
    store.checker.check(&token).await.unwrap();
    let requests = store.server.received_requests().await.unwrap();
    let request = &requests[0];
    let claims = token.claims();
    assert_eq!(
        request.url.path(),
        format!("/session/internal/v1/sessions/{}/state", claims.sid)
    );
    let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        query,
        [
            pair("user_id", &claims.sub.to_string()),
            pair("pv", "7"),
            pair("inc", "i1"),
            pair("roles", "support,user"),
            pair("kid", token.kid()),
        ]
    );
    let bearer = request.headers["authorization"].to_str().unwrap();
    let caller = store
        .verifier
        .verify(bearer.strip_prefix("Bearer ").unwrap())
        .unwrap();
    assert_eq!((caller.service, caller.on_behalf_of), (Service::Role, None));
}

#[tokio::test]
async fn a_hundred_who_ask_the_same_ask_once() {
    let _frozen = Frozen::new();
    let store = Store::answering(state("good")).await;
    let token = token();
    let results = join_all((0..100).map(|_| store.checker.check(&token))).await;
    assert!(results.into_iter().all(|result| result.is_ok()));
    assert_eq!(store.requests().await, 1);
    assert_eq!(store.checker.counts().asked, 1);
}

#[tokio::test]
async fn good_is_kept_for_one_second() {
    let _frozen = Frozen::new();
    let store = Store::answering(state("good")).await;
    let token = token();
    store.checker.check(&token).await.unwrap();
    store.answer(state("closed")).await;
    store.checker.check(&token).await.unwrap();
    assert_eq!(store.requests().await, 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(
        store.checker.check(&token).await,
        Err(RevocationError::Closed)
    );
    assert_eq!(store.requests().await, 1);
}

#[tokio::test]
async fn closed_and_stale_are_kept() {
    let _frozen = Frozen::new();
    for (name, expected) in [
        ("closed", RevocationError::Closed),
        ("stale", RevocationError::Stale),
    ] {
        let store = Store::answering(state(name)).await;
        let token = token();
        assert_eq!(store.checker.check(&token).await, Err(expected));
        store.answer(state("good")).await;
        tokio::time::advance(Duration::from_secs(900)).await;
        assert_eq!(store.checker.check(&token).await, Err(expected));
        assert_eq!(store.requests().await, 0);
    }
}

#[tokio::test]
async fn what_is_known_of_one_token_is_not_taken_for_another() {
    let _frozen = Frozen::new();
    let (base, world) = (claims(), World::new());
    let differing = |change: fn(&mut AccessClaims)| {
        let mut claims = base.clone();
        change(&mut claims);
        world.verify(&world.key.sign(&claims).unwrap()).unwrap()
    };
    let store = Store::answering(state("stale")).await;
    store.checker.check(&differing(|_| {})).await.unwrap_err();
    store.answer(state("good")).await;
    let others = [
        differing(|c| c.pv += 1),
        differing(|c| c.inc = "i2".to_owned()),
        differing(|c| c.sid = SessionId::new(Timestamp::from_secs(NOW + 1))),
        differing(|c| c.sub = ud_kernel::UserId::new(Timestamp::from_secs(NOW + 1))),
        differing(|c| c.roles = vec!["user".to_owned()]),
        differing(|c| c.roles = vec!["supportuser".to_owned()]),
        // By another key.
        verified(&base),
    ];
    for (asked, token) in others.iter().enumerate() {
        store.checker.check(token).await.unwrap();
        assert_eq!(store.requests().await, asked + 1);
    }
    // The same session and rights in a refreshed token.
    let refreshed = differing(|c| c.jti = "another".to_owned());
    assert_eq!(
        store.checker.check(&refreshed).await,
        Err(RevocationError::Stale)
    );
}

#[tokio::test]
async fn no_answer_is_unavailable_and_not_kept() {
    let _frozen = Frozen::new();
    let store = Store::answering(state("good")).await;
    let token = token();
    for bad in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(401),
        ResponseTemplate::new(404),
        ResponseTemplate::new(302).insert_header("location", "/elsewhere"),
        ResponseTemplate::new(200).set_body_string("good"),
        ResponseTemplate::new(200).set_body_json(json!({ "state": "fine" })),
        ResponseTemplate::new(200)
            .set_body_string(format!(r#"{{"state":"good"{}}}"#, " ".repeat(5_000))),
    ] {
        store.answer(bad).await;
        assert_eq!(
            store.checker.check(&token).await,
            Err(RevocationError::Unavailable)
        );
        assert_eq!(store.requests().await, 1);
    }
    assert_eq!(store.checker.counts().unavailable, 7);
    store.answer(state("good")).await;
    store.checker.check(&token).await.unwrap();
}

#[tokio::test]
async fn a_session_service_that_is_gone_is_unavailable() {
    let identity = IdentityKey::generate(Service::Role).unwrap();
    let signer = Arc::new(ServiceSigner::new(identity, Clock::system()).unwrap());
    let source = http_source(&url_of_nobody(), signer).unwrap();
    let checker = SessionChecker::cached(source);
    assert_eq!(
        checker.check(&token()).await,
        Err(RevocationError::Unavailable)
    );
}

#[tokio::test]
async fn a_slow_answer_is_no_answer_after_250_ms() {
    let store = Store::answering(state("good").set_delay(Duration::from_secs(60))).await;
    let token = token();
    tokio::time::pause();
    let begun = Instant::now();
    let results = join_all((0..20).map(|_| store.checker.check(&token))).await;
    assert!(
        results
            .into_iter()
            .all(|result| result == Err(RevocationError::Unavailable))
    );
    assert!(
        begun.elapsed() <= Duration::from_millis(251),
        "{:?}",
        begun.elapsed()
    );
}

/// A source whose questions wait for a permit each, and which tells how many there were at once.
struct Gated {
    gate: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gated {
    fn new() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            asked: Arc::default(),
            most: Arc::default(),
        }
    }

    fn source(&self) -> StateSource {
        let (gate, asked) = (Arc::clone(&self.gate), Arc::clone(&self.asked));
        let most = Arc::clone(&self.most);
        let at_once = Arc::new(());
        Arc::new(move |_, _| {
            let (gate, present) = (Arc::clone(&gate), Arc::clone(&at_once));
            asked.fetch_add(1, Ordering::SeqCst);
            // Beside the one that the source keeps.
            most.fetch_max(Arc::strong_count(&present) - 1, Ordering::SeqCst);
            async move {
                gate.acquire().await.unwrap().forget();
                drop(present);
                Ok(SessionState::Good)
            }
            .boxed()
        })
    }
}

#[tokio::test(start_paused = true)]
async fn at_most_eight_questions_at_once() {
    let gated = Gated::new();
    let checker = SessionChecker::cached(gated.source());
    let tokens: Vec<_> = (0..30)
        .map(|i| {
            let mut claims = claims();
            claims.pv = i;
            verified(&claims)
        })
        .collect();
    let checks =
        tokio::spawn(
            async move { join_all(tokens.iter().map(|token| checker.check(token))).await },
        );
    tokio::task::yield_now().await;
    assert_eq!(gated.asked.load(Ordering::SeqCst), 8);
    gated.gate.add_permits(20);
    let results = checks.await.unwrap();
    assert_eq!(gated.most.load(Ordering::SeqCst), 8);
    let good = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(good, 20, "the others waited 250 ms in all");
    assert!(
        results
            .iter()
            .all(|r| matches!(r, Ok(()) | Err(RevocationError::Unavailable)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_waits_for_is_dropped() {
    let gated = Gated::new();
    let checker = SessionChecker::cached(gated.source());
    let token = token();
    for asked in 1..=20 {
        {
            let mut abandoned = std::pin::pin!(checker.check(&token));
            assert!(futures_util::poll!(abandoned.as_mut()).is_pending());
        }
        assert_eq!(gated.asked.load(Ordering::SeqCst), asked, "asked anew");
    }
    // And no permit was lost: more questions than there may be at once were dropped.
    gated.gate.add_permits(1);
    checker.check(&token).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_stays_gets_the_answer_when_the_first_to_ask_leaves() {
    let gated = Gated::new();
    let checker = SessionChecker::cached(gated.source());
    let token = token();
    let mut second = std::pin::pin!(checker.check(&token));
    {
        let mut first = std::pin::pin!(checker.check(&token));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
    }
    gated.gate.add_permits(1);
    second.await.unwrap();
    assert_eq!(gated.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_second_counts_from_the_question() {
    let gated = Gated::new();
    let checker = SessionChecker::cached(gated.source());
    let token = token();
    let mut check = std::pin::pin!(checker.check(&token));
    assert!(futures_util::poll!(check.as_mut()).is_pending());
    tokio::time::advance(Duration::from_millis(200)).await;
    gated.gate.add_permits(2);
    check.await.unwrap();
    tokio::time::advance(Duration::from_millis(799)).await;
    checker.check(&token).await.unwrap();
    assert_eq!(gated.asked.load(Ordering::SeqCst), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    checker.check(&token).await.unwrap();
    assert_eq!(gated.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn the_session_service_looks_every_time() {
    let answers = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&answers);
    let checker = SessionChecker::local(Arc::new(move |_, _| {
        let look = counter.fetch_add(1, Ordering::SeqCst);
        async move {
            match look {
                0 => Ok(SessionState::Good),
                1 => Ok(SessionState::Stale),
                2 => Ok(SessionState::Closed),
                3 => Err(StateUnavailable),
                _ => std::future::pending().await,
            }
        }
        .boxed()
    }));
    let token = token();
    assert_eq!(checker.check(&token).await, Ok(()));
    assert_eq!(checker.check(&token).await, Err(RevocationError::Stale));
    assert_eq!(checker.check(&token).await, Err(RevocationError::Closed));
    assert_eq!(
        checker.check(&token).await,
        Err(RevocationError::Unavailable)
    );
    let begun = Instant::now();
    assert_eq!(
        checker.check(&token).await,
        Err(RevocationError::Unavailable)
    );
    assert!(begun.elapsed() <= Duration::from_millis(2_001));
    assert!(checker.is_checking());
}

#[tokio::test]
async fn unchecked_accepts() {
    let checker = SessionChecker::unchecked();
    checker.check(&token()).await.unwrap();
    assert!(!checker.is_checking());
}
