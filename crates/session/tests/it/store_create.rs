//! Both stores: making sessions, and reading them.

use rstest::rstest;
use session_service::models::{
    session::{MAX_LIVE, Refusal},
    session_store::Closing,
};
use ud_kernel::{SessionId, models::SessionState};

use crate::support::{
    ACCESS_TTL,
    Backend::{self, Redis, Sqlite},
    START, create, refusal, rotation, secs, user,
};

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_login_makes_a_session_and_one_event(#[case] backend: Backend) {
    let fx = backend.open().await;
    let (user, id) = (user(), SessionId::new(START));
    let created = fx.store.create(id, create(user, START)).await.unwrap();
    let grant = &created.grant;
    assert!(created.is_new && !grant.incarnation.is_empty());
    assert_eq!(
        (grant.session_id, grant.counter, grant.key_id.as_str()),
        (id, 1, "k1")
    );
    assert_eq!((grant.issued_at, grant.authenticated_at), (START, START));
    assert_eq!(grant.access_expires_at, START.plus(secs(ACCESS_TTL.into())));
    assert_eq!(grant.refresh_expires_at, START.plus(secs(14 * 86_400)));
    assert_eq!(grant.amr, ["pwd"]);

    let session = fx.store.find(id, START).await.unwrap().unwrap();
    assert_eq!(session.ip.as_deref(), Some("192.0.2.1"));
    assert_eq!(fx.store.list(user, START).await.unwrap(), [session]);

    let events = fx.take_events().await;
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!((event.kind.as_str(), event.sequence), ("user_logged_in", 1));
    assert_eq!(&event.subject, id.as_uuid());
    assert_eq!(event.data.actor_id, Some(user));
    assert_eq!(
        (event.data.target_type.as_str(), &event.data.target_id),
        ("session", &id.to_string())
    );
    assert_eq!((event.time, event.data.request_id.as_str()), (START, "r-1"));
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn the_same_login_again_changes_nothing(#[case] backend: Backend) {
    let fx = backend.open().await;
    let (user, id) = (user(), SessionId::new(START));
    let first = fx.store.create(id, create(user, START)).await.unwrap();
    let again = fx
        .store
        .create(id, create(user, START.plus(secs(2))))
        .await
        .unwrap();
    assert!(!again.is_new);
    assert_eq!(again.grant, first.grant);
    assert_eq!(fx.take_kinds().await, ["user_logged_in"]);

    let mut sooner = create(user, START.plus(secs(2)));
    sooner.access_until = Some(START.plus(secs(60)));
    let again = fx.store.create(id, sooner).await.unwrap();
    assert_eq!(again.grant.access_expires_at, START.plus(secs(60)));
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn an_id_is_used_once(#[case] backend: Backend) {
    let fx = backend.open().await;
    let owner = user();
    let grant = fx.log_in(owner, START).await;
    let id = grant.session_id;

    let foreign = fx.store.create(id, create(user(), START)).await;
    assert_eq!(refusal(foreign), Refusal::Closed);
    let mut other_chain = create(owner, START);
    other_chain.nonce_hash = "m".repeat(43);
    assert_eq!(
        refusal(fx.store.create(id, other_chain).await),
        Refusal::Closed
    );

    // Rotated: nobody repeats the login any more.
    fx.store
        .rotate(rotation(&grant, owner, START.plus(secs(60))))
        .await
        .unwrap();
    assert_eq!(
        refusal(fx.store.create(id, create(owner, START)).await),
        Refusal::Closed
    );

    // Closed: a late repetition must not bring it back.
    fx.close(owner, Closing::One(id), START.plus(secs(61)))
        .await;
    assert_eq!(
        refusal(fx.store.create(id, create(owner, START)).await),
        Refusal::Closed
    );
    assert_eq!(
        fx.state(&grant, owner, START.plus(secs(61))).await,
        SessionState::Closed
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn an_access_token_ends_with_what_it_reflects_and_with_its_session(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let mut new = create(user, START);
    new.access_until = Some(START.plus(secs(30)));
    let grant = fx
        .store
        .create(SessionId::new(START), new)
        .await
        .unwrap()
        .grant;
    assert_eq!(grant.access_expires_at, START.plus(secs(30)));

    let mut new = create(user, START);
    (new.idle, new.absolute) = (600, 500);
    let grant = fx
        .store
        .create(SessionId::new(START), new)
        .await
        .unwrap()
        .grant;
    assert_eq!(grant.refresh_expires_at, START.plus(secs(500)));
    assert_eq!(grant.access_expires_at, START.plus(secs(500)));
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn the_hundred_and_first_login_closes_the_oldest(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let at = |i: usize| START.plus(secs(i as u64));
    let mut grants = Vec::new();
    for i in 0..MAX_LIVE {
        grants.push(fx.log_in(user, at(i)).await);
    }
    let now = at(MAX_LIVE);
    assert_eq!(fx.store.list(user, now).await.unwrap().len(), MAX_LIVE);
    fx.take_events().await;

    let newest = fx.log_in(user, now).await;
    assert_eq!(fx.state(&grants[0], user, now).await, SessionState::Closed);
    assert_eq!(fx.state(&grants[1], user, now).await, SessionState::Good);
    let listed = fx.store.list(user, now).await.unwrap();
    assert_eq!(listed.len(), MAX_LIVE);
    assert_eq!(listed[0].id, newest.session_id);
    assert!(listed.is_sorted_by(|a, b| a.created_at > b.created_at));

    let events = fx.take_events().await;
    let closed = events
        .iter()
        .find(|e| e.kind.as_str() == "session_closed")
        .unwrap();
    assert_eq!(closed.data.target_id, grants[0].session_id.to_string());
    assert_eq!(closed.data.after.as_ref().unwrap()["closed"], "too_many");
    assert_eq!(events.len(), 2);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn expired_sessions_make_room_without_an_event(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    for _ in 0..MAX_LIVE {
        let mut new = create(user, START);
        new.idle = 60;
        fx.store.create(SessionId::new(START), new).await.unwrap();
    }
    fx.take_events().await;
    let later = START.plus(secs(61));
    assert!(fx.store.list(user, later).await.unwrap().is_empty());
    fx.log_in(user, later).await;
    assert_eq!(fx.take_kinds().await, ["user_logged_in"]);
    assert_eq!(fx.store.list(user, later).await.unwrap().len(), 1);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_missing_session_is_a_closed_session(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let mut grant = fx.log_in(user, START).await;
    assert_eq!(fx.state(&grant, user, START).await, SessionState::Good);
    assert_eq!(
        fx.state(&grant, crate::support::user(), START).await,
        SessionState::Closed
    );
    let expired = START.plus(secs(14 * 86_400));
    assert_eq!(fx.state(&grant, user, expired).await, SessionState::Closed);
    assert_eq!(
        fx.store.find(grant.session_id, expired).await.unwrap(),
        None
    );

    let id = grant.session_id;
    grant.session_id = SessionId::new(START);
    assert_eq!(fx.state(&grant, user, START).await, SessionState::Closed);
    assert_eq!(
        refusal(fx.store.rotate(rotation(&grant, user, START)).await),
        Refusal::Closed
    );
    assert_eq!(fx.store.find(grant.session_id, START).await.unwrap(), None);

    grant.session_id = id;
    grant.incarnation = "another".to_owned();
    assert_eq!(fx.state(&grant, user, START).await, SessionState::Closed);
}
