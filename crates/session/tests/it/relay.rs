//! Both stores: who sends events is woken (docs/EVENTS.md).

use rstest::rstest;

use crate::support::{
    Backend::{self, Redis, Sqlite},
    START, rotation, secs, user,
};

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn the_relay_is_woken_when_there_is_something_to_send(#[case] backend: Backend) {
    let fx = backend.open().await;
    let (user, mut woken) = (user(), fx.woken.clone());
    let mut has_told = async |what: &str| {
        let is_woken = woken.has_changed().unwrap();
        woken.mark_unchanged();
        let events = fx.take_kinds().await;
        assert!(is_woken || events.is_empty(), "{what}: {events:?}");
        // Rotations are many; the relay would look for nothing each time. (SQLite wakes it at each commit.)
        let idle = is_woken && events.is_empty();
        assert!(!idle || backend == Sqlite, "{what}: woken for nothing");
        !events.is_empty()
    };
    let first = fx.log_in(user, START).await;
    assert!(has_told("login").await);
    let now = START.plus(secs(600));
    let second = fx.store.rotate(rotation(&first, user, now)).await.unwrap();
    assert!(!has_told("rotate").await);
    let repeat = fx.store.rotate(rotation(&first, user, now)).await;
    assert!(repeat.is_ok() && !has_told("repeat").await);
    let mut elsewhere = rotation(&first, user, now);
    elsewhere.origin.ip = Some("198.51.100.7".to_owned());
    let repeat = fx.store.rotate(elsewhere).await;
    assert!(repeat.is_ok() && has_told("repeat from elsewhere").await);
    let mut renewal = rotation(&second, user, now);
    renewal.reauthenticated = true;
    let renewal = fx.store.rotate(renewal).await;
    assert!(renewal.is_ok() && has_told("reauthentication").await);
    let late = fx
        .store
        .rotate(rotation(&second, user, now.plus(secs(60))))
        .await;
    assert!(late.is_ok() && has_told("late repetition").await);
    let reuse = fx
        .store
        .rotate(rotation(&first, user, now.plus(secs(60))))
        .await;
    assert!(reuse.is_err() && has_told("reuse").await);
}
