//! Both stores: how long sessions, and what is known of them, last.

use rstest::rstest;
use session_service::models::session::Refusal;
use ud_kernel::models::{Revoked, SessionState};

use crate::support::{
    ACCESS_TTL,
    Backend::{self, Redis, Sqlite},
    START, list_of, refusal, rotation, secs, user,
};

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn sessions_end_idle_and_absolutely(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let day = 86_400;
    // Idle: 14 days without a refresh.
    let grant = fx.log_in(user, START).await;
    let late = START.plus(secs(14 * day));
    assert_eq!(
        refusal(fx.store.rotate(rotation(&grant, user, late)).await),
        Refusal::Closed
    );
    assert_eq!(
        fx.take_kinds().await,
        ["user_logged_in"],
        "nobody closed it"
    );

    // Absolutely: 30 days, however often it is refreshed.
    let mut grant = fx.log_in(user, START).await;
    for days in [13, 26] {
        grant = fx
            .store
            .rotate(rotation(&grant, user, START.plus(secs(days * day))))
            .await
            .unwrap();
    }
    assert_eq!(grant.refresh_expires_at, START.plus(secs(30 * day)));
    let last = START.plus(secs(30 * day)).minus(secs(60));
    let grant = fx.store.rotate(rotation(&grant, user, last)).await.unwrap();
    assert_eq!(grant.access_expires_at, START.plus(secs(30 * day)));
    let end = START.plus(secs(30 * day));
    assert_eq!(
        refusal(fx.store.rotate(rotation(&grant, user, end)).await),
        Refusal::Closed
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn the_smaller_lifetime_holds(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let grant = fx.log_in(user, START).await;
    let now = START.plus(secs(600));
    let mut privileged = rotation(&grant, user, now);
    (privileged.idle, privileged.absolute) = (3600, 43_200);
    let grant = fx.store.rotate(privileged).await.unwrap();
    assert_eq!(grant.refresh_expires_at, now.plus(secs(3600)));
    // Longer ones given later do not lengthen it again.
    let now = now.plus(secs(1800));
    let grant = fx.store.rotate(rotation(&grant, user, now)).await.unwrap();
    assert_eq!(grant.refresh_expires_at, now.plus(secs(3600)));
    let session = fx.store.find(grant.session_id, now).await.unwrap().unwrap();
    assert_eq!((session.idle, session.absolute), (3600, 43_200));
    fx.take_events().await;

    // Two hours unused, then its user became privileged: the refresh ends it, and its token at once.
    let old = fx.log_in(user, START).await;
    fx.take_events().await;
    let now = START.plus(secs(7200));
    let mut privileged = rotation(&old, user, now);
    (privileged.idle, privileged.absolute) = (3600, 43_200);
    assert_eq!(refusal(fx.store.rotate(privileged).await), Refusal::Closed);
    assert_eq!(fx.state(&old, user, now).await, SessionState::Closed);
    let events = fx.take_events().await;
    assert_eq!(events[0].data.after.as_ref().unwrap()["closed"], "expired");
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_revocation_lives_as_long_as_the_longest_token(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let grant = fx.log_in(user, START).await;
    // The second access token ends before the first.
    let now = START.plus(secs(60));
    let mut short = rotation(&grant, user, now);
    short.access_ttl = 60;
    let second = fx.store.rotate(short).await.unwrap();
    assert_eq!(second.access_expires_at, START.plus(secs(120)));
    let mut ahead = rotation(&second, user, now);
    ahead.counter = 9;
    refusal(fx.store.rotate(ahead).await);
    let revocations = list_of(&*fx.store).await;
    assert_eq!(revocations.len(), 1);
    assert_eq!(
        revocations[0].revoked,
        Revoked::Session {
            id: grant.session_id
        }
    );
    assert_eq!(
        revocations[0].until,
        START.plus(secs(u64::from(ACCESS_TTL) + 10))
    );
}
