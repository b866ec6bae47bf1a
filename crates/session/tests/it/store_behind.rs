//! A store that has gone back (SECURITY rule 19): found out once, refused when it happens again at once, and never served.

use rstest::rstest;
use session_service::models::{
    error::SessionError,
    seen::Seen,
    session_store::{CloseOrder, Closing},
};
use ud_kernel::{
    SessionId, Timestamp, UserId,
    models::{FeedPosition, NotBefore, SessionGrant, SessionState},
};

use crate::support::{
    Backend::{self, Redis, Sqlite},
    Fixture, START, create, millis, origin, rotation, secs, token, user,
};

fn is_behind<T: std::fmt::Debug>(result: Result<T, SessionError>) {
    assert!(
        matches!(result, Err(SessionError::StoreBehind)),
        "{result:?}"
    );
}

/// Somebody saw of this store's incarnation an entry that it does not have.
async fn further(fx: &Fixture) -> Seen {
    let read = fx.own.feed(None, fx.clock.now()).await.unwrap();
    Seen {
        incarnation: read.incarnation,
        position: FeedPosition(u64::from(u32::MAX) * 1_000, 0),
    }
}

async fn log_in(fx: &Fixture, user: UserId) -> SessionGrant {
    let now = fx.clock.now();
    let made = fx.own.create(SessionId::new(now), create(user, now)).await;
    made.unwrap().grant
}

/// Whatever is asked of it, by whoever.
async fn refuses_everything(fx: &Fixture, user: UserId, grant: &SessionGrant, now: Timestamp) {
    let store = &fx.own;
    let id = SessionId::new(now);
    is_behind(store.create(id, create(user, now)).await);
    is_behind(store.rotate(rotation(grant, user, now)).await);
    is_behind(store.state(grant.session_id, token(grant, user), now).await);
    is_behind(store.find(grant.session_id, now).await);
    is_behind(store.list(user, now).await);
    is_behind(store.feed(None, now).await);
    let order = CloseOrder {
        user_id: user,
        closing: Closing::All { except: None },
        origin: origin(),
        now,
    };
    is_behind(store.close(order).await);
    let not_before = NotBefore {
        user_id: Some(user),
        role: None,
        min_pv: 9,
    };
    is_behind(store.set_not_before(not_before, now).await);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_second_time_within_five_minutes_is_refused_and_passes_by_itself(
    #[case] backend: Backend,
) {
    let fx = backend.open().await;
    let user = user();
    let old = log_in(&fx, user).await;
    let claim = further(&fx).await;
    fx.own.learn(claim).await.unwrap();
    let new = log_in(&fx, user).await;
    assert_ne!(new.incarnation, old.incarnation);
    assert_eq!(fx.state(&old, user, START).await, SessionState::Closed);
    assert_eq!(fx.state(&new, user, START).await, SessionState::Good);
    // Once more, up to the last millisecond of the five minutes.
    let claim = further(&fx).await;
    for at in [START, START.plus(secs(60)), START.plus(millis(299_999))] {
        fx.clock.set(at);
        let learned = fx.own.learn(claim.clone()).await;
        assert!(matches!(learned, Ok(()) | Err(SessionError::StoreBehind)));
        refuses_everything(&fx, user, &new, at).await;
        // Audit hears of what happens meanwhile.
        fx.own.note(Vec::new()).await.unwrap();
    }
    // Then nobody need do anything.
    let now = START.plus(secs(300));
    fx.clock.set(now);
    assert_eq!(fx.state(&new, user, now).await, SessionState::Closed);
    let third = log_in(&fx, user).await;
    assert_ne!(third.incarnation, new.incarnation);
    assert_eq!(fx.state(&third, user, now).await, SessionState::Good);
}

/// What is claimed counts once: nothing else ends, however often it is claimed again.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_claim_of_an_earlier_incarnation_ends_nothing(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    log_in(&fx, user).await;
    let claim = further(&fx).await;
    fx.own.learn(claim.clone()).await.unwrap();
    let new = log_in(&fx, user).await;
    for day in 0..3 {
        let now = START.plus(secs(day * 86_400));
        fx.clock.set(now);
        fx.own.learn(claim.clone()).await.unwrap();
        assert_eq!(fx.state(&new, user, now).await, SessionState::Good);
    }
}

/// A backup of before the last incarnation began is older, whatever its list says.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_store_of_an_earlier_incarnation_than_was_seen_is_behind(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let old = log_in(&fx, user).await;
    let later = Seen {
        incarnation: ud_kernel::EventId::new(START.plus(secs(1))).to_string(),
        position: FeedPosition::default(),
    };
    fx.own.learn(later.clone()).await.unwrap();
    assert_eq!(fx.state(&old, user, START).await, SessionState::Closed);
    let read = fx.own.feed(None, START).await.unwrap();
    // The new one is later than all that was seen, though the clock is behind.
    let here = Seen {
        incarnation: read.incarnation,
        position: FeedPosition::default(),
    };
    assert!(here.is_beyond(&later));
}

/// A clock that was a month ahead when the store last began anew holds nothing up.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_renewal_of_the_future_is_not_waited_for(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    fx.clock.set(START.plus(secs(30 * 86_400)));
    log_in(&fx, user).await;
    let claim = further(&fx).await;
    fx.own.learn(claim).await.unwrap();
    let ahead = log_in(&fx, user).await;
    fx.clock.set(START);
    let claim = further(&fx).await;
    fx.own.learn(claim).await.unwrap();
    let new = log_in(&fx, user).await;
    assert_ne!(new.incarnation, ahead.incarnation);
    assert_eq!(fx.state(&new, user, START).await, SessionState::Good);
}
