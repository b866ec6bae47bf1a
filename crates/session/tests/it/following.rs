//! Verifiers that follow the revocation feed of a real session service (SECURITY rule 19).

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode, header};
use rstest::rstest;
use serde_json::json;
use testkit::{AUDIENCE, ISSUER, Proxy, RedisServer};
use ud_config::Durability;
use ud_jwt::{
    KeySet, KeySource, VerifiedToken, Verifier,
    revocation::{FRESH, Fallback, RevocationError, Sensitivity, SessionChecker},
};
use ud_kernel::{Service, UserId, models::SessionGrant};

use crate::{
    app::{App, SECRET, outcome},
    support::{
        Backend::{self, Redis, Sqlite},
        redis_settings, user,
    },
};

/// Longest a machine that is busy with other tests may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns when `is_so`, and how long that took.
pub async fn soon<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) -> Duration {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    start.elapsed()
}

/// A verifier as role has one, which reaches the session service at `url`.
pub fn follower(app: &App, url: &str, fallback: Fallback) -> SessionChecker {
    let signer = app.identities.signer(Service::Role);
    let url = url.parse().unwrap();
    let (checker, follower) =
        SessionChecker::following(&url, signer, app.clock.clone(), fallback).unwrap();
    tokio::spawn(follower.run());
    checker
}

/// The ways to the feed.
#[derive(Debug, Clone, Copy)]
enum Way {
    WebSocket,
    Local,
}
use Way::{Local, WebSocket};

/// A verifier that follows the feed that way.
fn following(app: &App, way: Way) -> SessionChecker {
    match way {
        WebSocket => follower(app, &app.internal, Fallback::Closed),
        Local => {
            let clock = app.clock.clone();
            let (checker, follower) = app.operations.session_checker(Service::Auth, clock);
            tokio::spawn(follower.run());
            checker
        }
    }
}

pub async fn fresh(checker: &SessionChecker) {
    soon("the feed is followed", || async {
        checker.is_fresh() == Some(true)
    })
    .await;
}

async fn verified(app: &App, user: UserId, grant: &SessionGrant) -> Arc<VerifiedToken> {
    let keys = KeySet::from_secret(SECRET.as_bytes()).unwrap();
    let keys = KeySource::fixed(keys);
    let verifier = Verifier::new(ISSUER, AUDIENCE, keys, app.clock.clone());
    let token = app.token(user, grant, &[]);
    verifier.verify(&token).await.unwrap()
}

async fn log_out(app: &App, user: UserId, grant: &SessionGrant) {
    let body =
        json!({"user_id": user, "session_id": grant.session_id, "origin": {"request_id": "r"}});
    let request = app.call(Service::Auth, Method::POST, "/internal/v1/sessions/close");
    let answer = request.json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

async fn is_closed(checker: &SessionChecker, token: &VerifiedToken) -> bool {
    checker.check(token).await == Err(RevocationError::Closed)
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_session_is_refused_at_once_and_nobody_is_asked(
    #[case] backend: Backend,
    #[values(WebSocket, Local)] way: Way,
) {
    let app = App::start(backend).await;
    let checker = following(&app, way);
    fresh(&checker).await;
    let user = user();
    let (here, elsewhere) = (app.log_in(user).await, app.log_in(user).await);
    let tokens = [
        verified(&app, user, &here).await,
        verified(&app, user, &elsewhere).await,
    ];
    for token in &tokens {
        assert_eq!(checker.check(token).await, Ok(()));
    }
    log_out(&app, user, &here).await;
    soon("it is refused", || is_closed(&checker, &tokens[0])).await;
    assert_eq!(checker.check(&tokens[1]).await, Ok(()));
    let counts = checker.counts();
    assert_eq!((counts.asked, counts.entries), (0, 1), "{counts:?}");
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn lost_rights_make_tokens_stale_and_new_tokens_are_good(
    #[case] backend: Backend,
    #[values(WebSocket, Local)] way: Way,
) {
    let app = App::start(backend).await;
    let checker = following(&app, way);
    fresh(&checker).await;
    let (ann, bob) = (user(), user());
    let (anns, bobs) = (app.log_in(ann).await, app.log_in(bob).await);
    let (anns, bobs) = (
        verified(&app, ann, &anns).await,
        verified(&app, bob, &bobs).await,
    );
    let not_before = async |body: serde_json::Value| {
        let request = app.call(Service::Role, Method::POST, "/internal/v1/not-before");
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    };
    // Tokens of these tests carry `pv` 1 and the role `user`.
    not_before(json!({"user_id": ann, "min_pv": 1})).await;
    not_before(json!({"user_id": ann, "min_pv": 2})).await;
    soon("her token is stale", || async {
        checker.check(&anns).await == Err(RevocationError::Stale)
    })
    .await;
    assert_eq!(checker.check(&bobs).await, Ok(()));
    not_before(json!({"role": "editor", "min_pv": 9})).await;
    not_before(json!({"role": "user", "min_pv": 3})).await;
    soon("everybody's token is stale", || async {
        checker.check(&bobs).await == Err(RevocationError::Stale)
    })
    .await;
    assert_eq!(checker.counts().asked, 0);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_cut_or_hangs_is_not_believed_for_long(#[case] backend: Backend) {
    let app = App::start(backend).await;
    let proxy = Proxy::start(
        app.internal
            .strip_prefix("http://")
            .unwrap()
            .parse()
            .unwrap(),
    );
    let url = proxy.instead_of(&app.internal);
    let closed = follower(&app, &url, Fallback::Closed);
    let open = follower(&app, &url, Fallback::Open);
    let user = user();
    for cut in [Proxy::cut, Proxy::hang] {
        fresh(&closed).await;
        fresh(&open).await;
        let (here, elsewhere) = (app.log_in(user).await, app.log_in(user).await);
        let here_token = verified(&app, user, &here).await;
        let elsewhere_token = verified(&app, user, &elsewhere).await;
        cut(&proxy);
        let cut_at = Instant::now();
        log_out(&app, user, &here).await;
        soon("nothing is known any more", || async {
            closed.check(&here_token).await == Err(RevocationError::Unavailable)
        })
        .await;
        // The copy counts for two seconds, and asking takes a quarter of one.
        let bound = FRESH + Duration::from_millis(1300);
        assert!(cut_at.elapsed() < bound, "{:?}", cut_at.elapsed());
        // Never a 401 for what is not known; open by choice, but not where it matters.
        let stays = closed.check(&elsewhere_token).await;
        assert_eq!(stays, Err(RevocationError::Unavailable));
        soon("accepted without an answer", || async {
            open.check_for(&elsewhere_token, Sensitivity::Ordinary)
                .await
                == Ok(())
                && open.counts().unchecked > 0
        })
        .await;
        let high = open.check_for(&elsewhere_token, Sensitivity::High).await;
        assert_eq!(high, Err(RevocationError::Unavailable));
        proxy.resume();
        // What was missed is made good.
        for checker in [&closed, &open] {
            fresh(checker).await;
            assert!(is_closed(checker, &here_token).await);
            assert_eq!(checker.check(&elsewhere_token).await, Ok(()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_serve_one_feed() {
    let settings = redis_settings(&testkit::redis_url(), Durability::Lossy);
    let first = App::start_on(settings.clone()).await;
    let second = App::start_with_identities(settings, &first).await;
    // The first outlives it and sends what is left.
    second.leaves_events();
    let checker = follower(&first, &second.internal, Fallback::Closed);
    fresh(&checker).await;
    let user = user();
    let grant = first.log_in(user).await;
    let token = verified(&first, user, &grant).await;
    assert_eq!(checker.check(&token).await, Ok(()));
    log_out(&first, user, &grant).await;
    soon("closed at one, refused by who follows the other", || {
        is_closed(&checker, &token)
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_silences_the_feed_and_an_emptied_one_ends_everything(
    #[values(WebSocket, Local)] way: Way,
) {
    let mut server = RedisServer::start();
    let app = App::start_on(redis_settings(&server.url(), Durability::Fsync)).await;
    // The outbox goes with its store.
    app.leaves_events();
    let checker = following(&app, way);
    fresh(&checker).await;
    let user = user();
    let grant = app.log_in(user).await;
    let token = verified(&app, user, &grant).await;
    assert_eq!(checker.check(&token).await, Ok(()));
    // The WebSocket stays up.
    server.stop();
    soon("nothing is known", || async {
        checker.check(&token).await == Err(RevocationError::Unavailable)
    })
    .await;
    server.restart();
    soon("it is good again", || async {
        checker.check(&token).await == Ok(())
    })
    .await;
    fresh(&checker).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    redis::cmd("FLUSHALL").exec(&mut connection).unwrap();
    soon("every session has ended", || is_closed(&checker, &token)).await;
    // New logins are good, and judged by the new feed.
    let grant = app.log_in(user).await;
    let token = verified(&app, user, &grant).await;
    assert_eq!(checker.check(&token).await, Ok(()));
    fresh(&checker).await;
    let asked = checker.counts().asked;
    assert_eq!(checker.check(&token).await, Ok(()));
    assert_eq!(checker.counts().asked, asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_services_follow_and_no_browser() {
    let app = App::start(Sqlite).await;
    let path = "/internal/v1/revocations";
    let user = user();
    let grant = app.log_in(user).await;
    for token in ["", "x", &app.token(user, &grant, &["*"])] {
        let answer = app
            .call_with(Method::GET, path, token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{token}");
    }
    let upgrade = || {
        app.call(Service::Audit, Method::GET, path)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let browser = upgrade().header(header::ORIGIN, "https://app.example.com");
    let refused = outcome(browser.send().await.unwrap()).await;
    assert_eq!(refused, (403, "auth.permission-denied".to_owned()));
    let plain = app.call(Service::Audit, Method::GET, path).send().await;
    assert_eq!(plain.unwrap().status(), 400);
    let bad = app.call(Service::Audit, Method::GET, &format!("{path}?position=x"));
    assert_eq!(bad.send().await.unwrap().status(), 400);
    assert_eq!(upgrade().send().await.unwrap().status(), 101);
    // On the public listener there is no such thing.
    let public = app.request(Method::GET, path).send().await.unwrap();
    assert_eq!(public.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_told_before_it_stopped_counts_as_long_as_after_a_cut() {
    // Whoever is not fast enough here has nothing to assert.
    loop {
        let mut app = App::start(Sqlite).await;
        let checker = follower(&app, &app.internal, Fallback::Closed);
        fresh(&checker).await;
        let user = user();
        let grant = app.log_in(user).await;
        let token = verified(&app, user, &grant).await;
        let since = Instant::now();
        app.end().await;
        let verdict = checker.check(&token).await;
        let counts = checker.counts();
        if since.elapsed() < FRESH / 2 {
            assert_eq!(verdict, Ok(()));
            assert_eq!(counts.asked, 0, "{counts:?}");
            soon("nothing is known any more", || async {
                checker.check(&token).await == Err(RevocationError::Unavailable)
            })
            .await;
            let bound = FRESH + Duration::from_millis(1300);
            assert!(since.elapsed() < bound, "{:?}", since.elapsed());
            return;
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_feed_and_is_not_held_up(#[values(WebSocket, Local)] way: Way) {
    let mut app = App::start(Sqlite).await;
    let checker = following(&app, way);
    fresh(&checker).await;
    let stopped = app.end();
    tokio::time::timeout(Duration::from_secs(10), stopped)
        .await
        .expect("the stop waits for nobody who follows");
    soon("the feed is over", || async {
        checker.is_fresh() == Some(false)
    })
    .await;
}
