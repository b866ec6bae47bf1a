//! Both stores: what was just now is told by the store's clock (SECURITY rules 5 and 17).

use futures_util::future::join_all;
use rstest::rstest;

use crate::support::{
    Backend::{self, Redis, Sqlite},
    START, millis, rotation, secs, user,
};

/// Two auth replicas whose clocks are half a second, or five minutes, apart; a rotation two ago and one from the future.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn sixty_four_rotations_at_once_give_one_successor_whatever_auths_clocks_say(
    #[case] backend: Backend,
    #[values(500, 300_000)] apart: u64,
) {
    let fx = backend.open().await;
    let user = user();
    let first = fx.log_in(user, START).await;
    fx.clock.set(START.plus(secs(600)));
    let rotations = (0..64).map(|i| {
        let now = START.plus(secs(600)).plus(millis(apart * (i % 2)));
        fx.own.rotate(rotation(&first, user, now))
    });
    let granted: Vec<_> = join_all(rotations)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(
        granted.iter().all(|g| g == &granted[0]),
        "one grant for all"
    );
    assert_eq!(granted[0].counter, 2);
    let found = fx.store.find(first.session_id, START.plus(secs(601))).await;
    assert_eq!(found.unwrap().unwrap().counter, 2);
    assert_eq!(fx.take_kinds().await, ["user_logged_in"]);
}

/// What queued while the store stood still is done at one moment of its clock, however long ago it was asked for.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn repetitions_that_waited_for_a_frozen_store_are_of_one_moment(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let first = fx.log_in(user, START).await;
    fx.take_events().await;
    // Asked once a second for thirty seconds, and all of it done at the thaw.
    fx.clock.set(START.plus(secs(630)));
    let mut granted = Vec::new();
    for second in 0..30 {
        let now = START.plus(secs(600 + second));
        let mut request = rotation(&first, user, now);
        request.privileged = true;
        granted.push(fx.own.rotate(request).await.unwrap());
    }
    assert!(granted.iter().all(|g| g == &granted[0]));
    assert!(fx.take_events().await.is_empty());
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_login_never_lies_ahead_of_the_stores_clock(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let ahead = START.plus(secs(3600));
    let id = ud_kernel::SessionId::new(START);
    let made = fx.own.create(id, crate::support::create(user, ahead)).await;
    let first = made.unwrap().grant;
    assert_eq!((first.authenticated_at, first.issued_at), (START, ahead));
    fx.clock.set(START.plus(secs(60)));
    let mut proved = rotation(&first, user, ahead);
    proved.reauthenticated = true;
    let second = fx.own.rotate(proved.clone()).await.unwrap();
    assert_eq!(second.authenticated_at, START.plus(secs(60)));
    // Neither in a repeated rotation.
    fx.clock.set(START.plus(secs(65)));
    let again = fx.own.rotate(proved).await.unwrap();
    assert_eq!(
        (again.counter, again.authenticated_at),
        (2, START.plus(secs(65)))
    );
    let found = fx.store.find(id, ahead).await.unwrap().unwrap();
    assert_eq!(found.authenticated_at, again.authenticated_at);
}
