//! Both stores: ending sessions, and the epoch.

use futures_util::future::{join, join_all};
use rstest::rstest;
use session_service::models::{
    session::Refusal,
    session_store::{CloseOrder, Closing},
};
use ud_kernel::{
    SessionId,
    models::{Revoked, SessionState},
};

use crate::support::{
    Backend::{self, Redis, Sqlite},
    START, create, list_of, origin, refusal, rotation, secs, user,
};

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn one_is_closed_once_and_only_for_its_user(#[case] backend: Backend) {
    let fx = backend.open().await;
    let (owner, stranger) = (user(), user());
    let grant = fx.log_in(owner, START).await;
    let other = fx.log_in(owner, START).await;
    fx.take_events().await;
    let (one, now) = (Closing::One(grant.session_id), START.plus(secs(1)));

    assert_eq!(fx.close(stranger, one, now).await, 0);
    assert_eq!(fx.state(&grant, owner, now).await, SessionState::Good);

    let mut actor = origin();
    actor.actor_id = Some(owner);
    let order = CloseOrder {
        user_id: owner,
        closing: one,
        origin: actor,
        now,
    };
    assert_eq!(fx.store.close(order.clone()).await.unwrap(), 1);
    assert_eq!(fx.store.close(order).await.unwrap(), 0);
    assert_eq!(fx.state(&grant, owner, now).await, SessionState::Closed);
    assert_eq!(fx.state(&other, owner, now).await, SessionState::Good);
    assert_eq!(
        refusal(fx.store.rotate(rotation(&grant, owner, now)).await),
        Refusal::Closed
    );
    assert_eq!(fx.store.find(grant.session_id, now).await.unwrap(), None);

    let events = fx.take_events().await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].kind.as_str(), events[0].sequence),
        ("session_closed", 2)
    );
    assert_eq!(events[0].data.actor_id, Some(owner));
    assert_eq!(
        events[0].data.after.as_ref().unwrap()["closed"],
        "requested"
    );
    let revocations = list_of(&*fx.store).await;
    assert_eq!(revocations.len(), 1);
    assert_eq!(
        revocations[0].revoked,
        Revoked::Session {
            id: grant.session_id
        }
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn all_or_all_others(#[case] backend: Backend) {
    let fx = backend.open().await;
    let (owner, stranger) = (user(), user());
    let foreign = fx.log_in(stranger, START).await;
    let mut grants = Vec::new();
    for _ in 0..3 {
        grants.push(fx.log_in(owner, START).await);
    }
    let except = Some(grants[1].session_id);
    assert_eq!(fx.close(owner, Closing::All { except }, START).await, 2);
    let left = fx.store.list(owner, START).await.unwrap();
    assert_eq!(
        left.iter().map(|s| s.id).collect::<Vec<_>>(),
        [grants[1].session_id]
    );
    assert_eq!(
        fx.close(owner, Closing::All { except: None }, START).await,
        1
    );
    assert_eq!(
        fx.close(owner, Closing::All { except: None }, START).await,
        0
    );
    assert_eq!(
        fx.state(&foreign, stranger, START).await,
        SessionState::Good
    );
    let closed = fx
        .take_kinds()
        .await
        .into_iter()
        .filter(|k| *k == "session_closed")
        .count();
    assert_eq!(closed, 3);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn an_epoch_ends_what_is_below_and_keeps_the_exception(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let old = fx.log_in(user, START).await;
    let mine = fx.log_in(user, START).await;
    fx.take_events().await;
    let raise = Closing::Below {
        min_epoch: 2,
        except: Some(mine.session_id),
    };
    assert_eq!(fx.close(user, raise, START).await, 1);
    assert_eq!(fx.close(user, raise, START).await, 0, "idempotent");
    assert_eq!(fx.state(&old, user, START).await, SessionState::Closed);
    assert_eq!(fx.state(&mine, user, START).await, SessionState::Good);

    // The exception goes on under the new epoch, and under no other.
    let mut rotated = rotation(&mine, user, START.plus(secs(60)));
    assert_eq!(
        refusal(fx.store.rotate(rotated.clone()).await),
        Refusal::EpochTooOld
    );
    rotated.epoch = 2;
    assert_eq!(fx.store.rotate(rotated).await.unwrap().counter, 2);

    // A login that checked the old password is too late.
    let late = fx
        .store
        .create(SessionId::new(START), create(user, START))
        .await;
    assert_eq!(refusal(late), Refusal::EpochTooOld);
    let mut new = create(user, START);
    new.epoch = 2;
    fx.store.create(SessionId::new(START), new).await.unwrap();

    // An older order that arrives late ends nothing.
    assert_eq!(
        fx.close(
            user,
            Closing::Below {
                min_epoch: 1,
                except: None
            },
            START
        )
        .await,
        0
    );
    assert_eq!(fx.store.list(user, START).await.unwrap().len(), 2);
    // The next one ends both.
    assert_eq!(
        fx.close(
            user,
            Closing::Below {
                min_epoch: 3,
                except: None
            },
            START
        )
        .await,
        2
    );
    let events = fx.take_events().await;
    let reasons: Vec<_> = events
        .iter()
        .filter(|e| e.kind.as_str() == "session_closed")
        .map(|e| {
            e.data.after.as_ref().unwrap()["closed"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(reasons, ["credentials_changed"; 3]);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn logins_racing_with_an_epoch_leave_none_of_the_old(#[case] backend: Backend) {
    let fx = backend.open().await;
    for round in 0..8 {
        let user = user();
        let logins = (0..16).map(|i| {
            let mut new = create(user, START);
            new.epoch = if i % 4 == 0 { 2 } else { 1 };
            fx.store.create(SessionId::new(START), new)
        });
        let raise = fx.close(
            user,
            Closing::Below {
                min_epoch: 2,
                except: None,
            },
            START,
        );
        // Each round begins the order at another place among the logins.
        let mut before: Vec<_> = logins.collect();
        let after = before.split_off(2 * round);
        let (first, (_, second)) = join(join_all(before), join(raise, join_all(after))).await;
        for outcome in first.into_iter().chain(second) {
            if let Err(error) = outcome {
                assert_eq!(refusal::<()>(Err(error)), Refusal::EpochTooOld);
            }
        }
        let left = fx.store.list(user, START).await.unwrap();
        assert_eq!(left.len(), 4);
        assert!(left.iter().all(|s| s.epoch == 2));
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn refreshes_racing_with_a_close_bring_nothing_back(#[case] backend: Backend) {
    let fx = backend.open().await;
    for _ in 0..8 {
        let user = user();
        let grant = fx.log_in(user, START).await;
        let now = START.plus(secs(1));
        let rotations = join_all((0..8).map(|_| fx.store.rotate(rotation(&grant, user, now))));
        let (_, closed) = join(
            rotations,
            fx.close(user, Closing::One(grant.session_id), now),
        )
        .await;
        assert_eq!(closed, 1);
        assert_eq!(fx.state(&grant, user, now).await, SessionState::Closed);
        assert!(fx.store.list(user, now).await.unwrap().is_empty());
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn revocations_that_no_token_needs_are_dropped(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let first = fx.log_in(user, START).await;
    let second = fx.log_in(user, START).await;
    fx.close(user, Closing::One(first.session_id), START).await;
    assert_eq!(list_of(&*fx.store).await.len(), 1);
    // All access tokens of the second have expired: closing it needs no entry.
    let later = START.plus(secs(3600));
    assert_eq!(
        fx.close(user, Closing::One(second.session_id), later).await,
        1
    );
    let third = fx.log_in(user, later).await;
    fx.close(user, Closing::One(third.session_id), later).await;
    let left = list_of(&*fx.store).await;
    assert_eq!(left.len(), 1);
    assert_eq!(
        left[0].revoked,
        Revoked::Session {
            id: third.session_id
        }
    );
}
