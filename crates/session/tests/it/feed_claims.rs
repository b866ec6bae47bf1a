//! What verifiers claim to have seen of the feed (SECURITY rule 19), told by every service's token: no forged claim ends a
//! session, and a store that went back is found out by true ones.

use futures_util::StreamExt as _;
use reqwest::{Method, StatusCode};
use reqwest_websocket::{Message, Upgrade as _};
use rstest::rstest;
use session_service::models::feed_tags::FeedTags;
use testkit::RedisServer;
use ud_config::{Durability, KeyRing};
use ud_kernel::{
    Service, SessionId, Timestamp, UserId,
    models::{FeedKnown, FeedMessage, FeedPosition, SessionGrant},
};

use crate::{
    app::{App, feed_ring, outcome},
    feed::Backup,
    support::{
        Backend::{self, Redis, Sqlite},
        redis_settings, secs, user,
    },
};

/// The first messages of the feed to somebody who claims that: the greeting, and the entries that follow at once.
async fn follow(
    app: &App,
    caller: Service,
    claim: Option<&FeedKnown>,
) -> (FeedMessage, FeedMessage) {
    let mut request = app.call(caller, Method::GET, "/internal/v1/revocations");
    if let Some(claim) = claim {
        request = request.query(claim);
    }
    let response = request.upgrade().send().await.unwrap();
    let mut websocket = response.into_websocket().await.unwrap();
    let ping = Message::Text(r#"{"ping":1}"#.to_owned());
    futures_util::SinkExt::send(&mut websocket, ping)
        .await
        .unwrap();
    let mut messages = Vec::new();
    while messages.len() < 2 {
        if let Message::Text(text) = websocket.next().await.unwrap().unwrap() {
            messages.push(serde_json::from_str(&text).unwrap());
        }
    }
    let [hello, next] = <[FeedMessage; 2]>::try_from(messages).unwrap();
    (hello, next)
}

/// What the feed hands out to who reads all of it: the last place, with its tag.
async fn handed_out(app: &App) -> FeedKnown {
    let (hello, next) = follow(app, Service::Role, None).await;
    let FeedMessage::Hello {
        incarnation, tag, ..
    } = hello
    else {
        panic!("{hello:?}");
    };
    match next {
        FeedMessage::Entries { entries, tag } => FeedKnown {
            incarnation,
            position: entries.last().unwrap().position,
            tag,
        },
        _ => FeedKnown {
            incarnation,
            position: FeedPosition::default(),
            tag,
        },
    }
}

/// What session says of a session to `caller`, who claims that.
async fn state(
    app: &App,
    caller: Service,
    (user, grant): (UserId, &SessionGrant),
    claim: &FeedKnown,
) -> (u16, String) {
    let path = format!("/internal/v1/sessions/{}/state", grant.session_id);
    let query = [
        ("user_id", user.to_string()),
        ("pv", "1".to_owned()),
        ("inc", grant.incarnation.clone()),
        ("roles", "user".to_owned()),
        ("kid", "k".to_owned()),
        ("feed_incarnation", claim.incarnation.clone()),
        ("feed_position", claim.position.to_string()),
    ];
    let mut request = app.call(caller, Method::GET, &path).query(&query);
    if let Some(tag) = &claim.tag {
        request = request.query(&[("feed_tag", tag)]);
    }
    let answer = request.send().await.unwrap();
    if answer.status() != StatusCode::OK {
        return outcome(answer).await;
    }
    let body: serde_json::Value = answer.json().await.unwrap();
    (200, body["state"].as_str().unwrap().to_owned())
}

async fn log_out(app: &App, user: UserId, grant: &SessionGrant) -> StatusCode {
    let body = serde_json::json!({
        "user_id": user, "session_id": grant.session_id, "origin": {"request_id": "r"},
    });
    let request = app.call(Service::Auth, Method::POST, "/internal/v1/sessions/close");
    request.json(&body).send().await.unwrap().status()
}

/// Everything that somebody with a service's identity could make up out of what was handed out.
fn forged(handed: &FeedKnown) -> Vec<FeedKnown> {
    let tag = handed.tag.clone().unwrap();
    let far = FeedPosition(u64::MAX, u64::MAX);
    let next = FeedPosition(handed.position.0 + 1, 0);
    let later = ud_kernel::EventId::new(Timestamp::from_secs(4_000_000_000)).to_string();
    let left: KeyRing = testkit::new_key_ring("left").parse().unwrap();
    let same_id: KeyRing = testkit::new_key_ring("f1").parse().unwrap();
    let of = |incarnation: &str, position, tag: Option<String>| FeedKnown {
        incarnation: incarnation.to_owned(),
        position,
        tag,
    };
    let here = &handed.incarnation;
    let by = |ring: KeyRing| Some(FeedTags::new(ring).of(here, far));
    vec![
        // Untagged, as the version before claims.
        of(here, far, None),
        of(here, next, None),
        of(&later, FeedPosition::default(), None),
        // The tag of another place, and of another incarnation.
        of(here, far, Some(tag.clone())),
        of(here, next, Some(tag.clone())),
        of(&later, handed.position, Some(tag.clone())),
        // Truncated, empty, and of keys that session does not have.
        of(here, far, Some(tag[..tag.len() - 5].to_owned())),
        of(here, handed.position, Some(tag[..tag.len() - 5].to_owned())),
        of(here, far, Some("f1.".to_owned())),
        of(here, far, Some(String::new())),
        of(here, far, by(left)),
        of(here, far, by(same_id)),
    ]
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn no_service_ends_a_session_by_what_it_claims(#[case] backend: Backend) {
    let mut app = App::start(backend).await;
    let user = user();
    let (kept, closed) = (app.log_in(user).await, app.log_in(user).await);
    assert_eq!(log_out(&app, user, &closed).await, StatusCode::OK);
    let handed = handed_out(&app).await;
    assert!(handed.position > FeedPosition::default());
    for caller in Service::ALL {
        for claim in forged(&handed) {
            let good = (200, "good".to_owned());
            assert_eq!(
                state(&app, caller, (user, &kept), &claim).await,
                good,
                "{claim:?}"
            );
            // Answered by all there is.
            let (hello, next) = follow(&app, caller, Some(&claim)).await;
            assert!(
                matches!(&hello, FeedMessage::Hello { resumed: false, incarnation, .. } if *incarnation == handed.incarnation),
                "{caller} {claim:?}: {hello:?}"
            );
            assert!(matches!(&next, FeedMessage::Entries { entries, .. } if entries.len() == 1));
            assert_eq!(
                state(&app, caller, (user, &kept), &claim).await,
                good,
                "{claim:?}"
            );
        }
    }
    let event = app.audited("feed_claim_refused").await;
    assert_eq!(event["data"]["outcome"], "failure");
    assert_eq!(event["data"]["target_type"], "service");
    let named = event["data"]["target_id"].as_str().unwrap();
    assert!(Service::ALL.iter().any(|s| s.as_str() == named), "{event}");
    // What was handed out is believed: it goes on from there.
    for caller in Service::ALL {
        let (hello, next) = follow(&app, caller, Some(&handed)).await;
        assert!(
            matches!(&hello, FeedMessage::Hello { resumed: true, .. }),
            "{hello:?}"
        );
        assert!(matches!(next, FeedMessage::Pong { .. }), "{next:?}");
        let good = (200, "good".to_owned());
        assert_eq!(state(&app, caller, (user, &kept), &handed).await, good);
    }
}

/// Redis restored from ten minutes ago, under services that were all restarted meanwhile: a verifier's tagged claim tells.
/// Restored a second time within five minutes: refused, with an alarm, until it passes by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_redis_is_found_out_and_a_second_one_is_refused() {
    let server = RedisServer::start();
    let settings = redis_settings(&server.url(), Durability::Lossy);
    let first = App::start_on(settings.clone()).await;
    let user = user();
    let (kept, closed) = (first.log_in(user).await, first.log_in(user).await);
    let backup = Backup::of(&server);
    first.clock.advance(secs(600));
    assert_eq!(log_out(&first, user, &closed).await, StatusCode::OK);
    let handed = handed_out(&first).await;
    backup.restore(&server);
    // Another process, which remembers nothing; and its first question comes from somebody who does.
    let app = App::start_with_identities(settings, &first).await;
    drop(first);
    let over = (200, "closed".to_owned());
    for grant in [&closed, &kept] {
        assert_eq!(
            state(&app, Service::Audit, (user, grant), &handed).await,
            over
        );
    }
    let renewed = handed_out(&app).await;
    assert_ne!(renewed.incarnation, handed.incarnation);
    let second = app.log_in(user).await;

    app.clock.advance(secs(240));
    backup.restore(&server);
    let refused = (503, "auth.revocation-unavailable".to_owned());
    for grant in [&closed, &kept, &second] {
        for claim in [&renewed, &handed] {
            let answer = state(&app, Service::Audit, (user, grant), claim).await;
            assert_eq!(answer, refused);
        }
    }
    let body = serde_json::to_value(crate::support::create(user, app.clock.now())).unwrap();
    let id = SessionId::new(app.clock.now());
    let path = format!("/internal/v1/sessions/{id}");
    let request = app.call(Service::Auth, Method::PUT, &path).json(&body);
    assert_eq!(outcome(request.send().await.unwrap()).await, refused);
    let body = crate::support::rotation(&second, user, app.clock.now());
    let request = app.call(Service::Auth, Method::POST, "/internal/v1/sessions/rotate");
    assert_eq!(
        outcome(request.json(&body).send().await.unwrap()).await,
        refused
    );
    assert_eq!(
        log_out(&app, user, &kept).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    crate::following::soon("the alarm rings", || async {
        app.metrics()
            .await
            .contains("session_store_behind{service=\"session\"} 1")
    })
    .await;

    app.clock.advance(secs(61));
    for grant in [&closed, &kept, &second] {
        assert_eq!(
            state(&app, Service::Audit, (user, grant), &renewed).await,
            over
        );
    }
    app.log_in(user).await;
    crate::following::soon("the alarm is over", || async {
        app.metrics()
            .await
            .contains("session_store_behind{service=\"session\"} 0")
    })
    .await;
}

/// The ring changes from one start to the next: a tag under a key that is still in it goes on, and is renewed.
#[tokio::test(flavor = "multi_thread")]
async fn tags_go_on_across_a_change_of_keys() {
    let settings = redis_settings(&testkit::redis_url(), Durability::Lossy);
    let first = App::start_on(settings.clone()).await;
    let handed = handed_out(&first).await;
    let new: KeyRing = testkit::new_key_ring("f2").parse().unwrap();
    let keys = [&new, &feed_ring()].map(|r| (r.current().0.to_owned(), *r.current().1));
    let both = KeyRing::new(keys).unwrap();
    let second = App::start_with_ring(settings.clone(), &first, both).await;
    // The first outlives them and sends what is left.
    second.leaves_events();
    let (hello, _) = follow(&second, Service::Role, Some(&handed)).await;
    let FeedMessage::Hello {
        resumed: true,
        tag: Some(tag),
        ..
    } = hello
    else {
        panic!("{hello:?}");
    };
    assert!(tag.starts_with("f2."), "{tag}");
    let third = App::start_with_ring(settings, &first, new).await;
    third.leaves_events();
    let renewed = FeedKnown {
        tag: Some(tag),
        ..handed.clone()
    };
    for (claim, is_believed) in [(&renewed, true), (&handed, false)] {
        let (hello, _) = follow(&third, Service::Role, Some(claim)).await;
        assert!(matches!(hello, FeedMessage::Hello { resumed, .. } if resumed == is_believed));
    }
}
