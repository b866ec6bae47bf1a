//! Both stores: the refresh (docs/ARCHITECTURE.md).

use rstest::rstest;
use session_service::models::session::Refusal;
use ud_kernel::models::{SessionGrant, SessionState};

use crate::support::{
    ACCESS_TTL,
    Backend::{self, Redis, Sqlite},
    Fixture, START, millis, refusal, rotation, secs, user,
};

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn the_current_token_gets_one_successor(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let first = fx.log_in(user, START).await;
    fx.take_events().await;
    let now = START.plus(secs(600));
    let mut request = rotation(&first, user, now);
    request.origin.ip = Some("192.0.2.9".to_owned());
    let second = fx.store.rotate(request).await.unwrap();
    assert_eq!((second.counter, second.key_id.as_str()), (2, "k2"));
    assert_eq!((second.issued_at, second.authenticated_at), (now, START));
    assert_eq!(second.access_expires_at, now.plus(secs(ACCESS_TTL.into())));
    assert_eq!(second.refresh_expires_at, now.plus(secs(14 * 86_400)));
    assert_eq!(
        (second.amr, second.incarnation),
        (first.amr, first.incarnation)
    );

    let session = fx.store.find(first.session_id, now).await.unwrap().unwrap();
    assert_eq!((session.last_seen_at, session.created_at), (now, START));
    assert_eq!(session.ip.as_deref(), Some("192.0.2.9"));
    assert!(
        fx.take_events().await.is_empty(),
        "a successful refresh writes no event"
    );
}

/// A session rotated once at `START + 600 s`: the token before it, and the one after.
async fn rotated(fx: &Fixture, user: ud_kernel::UserId) -> (SessionGrant, SessionGrant) {
    let first = fx.log_in(user, START).await;
    let second = fx
        .store
        .rotate(rotation(&first, user, START.plus(secs(600))))
        .await
        .unwrap();
    fx.take_events().await;
    (first, second)
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn inside_the_window_the_same_successor_comes_again(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (first, second) = rotated(&fx, user).await;
    for now in [
        // After a failover to a slower clock, the last rotation is just now.
        START.plus(secs(1)),
        START.plus(secs(600)),
        START.plus(millis(609_999)),
    ] {
        let mut request = rotation(&first, user, now);
        // The key changed meanwhile: the successor's bytes do not.
        request.key_id = "k3".to_owned();
        assert_eq!(fx.store.rotate(request).await.unwrap(), second, "{now}");
    }
    assert!(fx.take_events().await.is_empty());
    // And the successor still works.
    let third = fx
        .store
        .rotate(rotation(&second, user, START.plus(secs(700))))
        .await
        .unwrap();
    assert_eq!(third.counter, 3);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_repetition_can_only_shorten_the_access_token(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (first, second) = rotated(&fx, user).await;
    let mut request = rotation(&first, user, START.plus(secs(601)));
    request.access_until = Some(START.plus(secs(700)));
    let again = fx.store.rotate(request).await.unwrap();
    assert_eq!(again.access_expires_at, START.plus(secs(700)));
    assert_eq!(again.counter, second.counter);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_repetition_from_elsewhere_is_told(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (first, second) = rotated(&fx, user).await;
    let mut request = rotation(&first, user, START.plus(secs(601)));
    request.origin.ip = Some("198.51.100.7".to_owned());
    assert_eq!(fx.store.rotate(request.clone()).await.unwrap(), second);
    request.origin = crate::support::origin();
    request.origin.user_agent = None;
    assert_eq!(fx.store.rotate(request).await.unwrap(), second);
    let events = fx.take_events().await;
    let told: Vec<_> = events
        .iter()
        .map(|e| (e.kind.as_str(), e.sequence))
        .collect();
    assert_eq!(
        told,
        [("refresh_token_replayed", 2), ("refresh_token_replayed", 3)]
    );
    assert_eq!(events[0].data.ip, Some("198.51.100.7".parse().unwrap()));
    // What the user sees is where the session was last rotated.
    let session = fx
        .store
        .find(first.session_id, START.plus(secs(602)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(session.ip.as_deref(), Some("192.0.2.1"));
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_new_proof_counts_in_a_rotation_and_in_a_repeated_one(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (first, second) = rotated(&fx, user).await;
    assert_eq!(second.authenticated_at, START);
    // The last token again, with the password: the same successor, and a new time.
    let at = START.plus(secs(601));
    let mut proved = rotation(&first, user, at);
    proved.reauthenticated = true;
    let again = fx.store.rotate(proved).await.unwrap();
    assert_eq!(
        (again.counter, again.authenticated_at),
        (second.counter, at)
    );
    // It stays for those who prove nothing, and never goes back.
    let third = fx
        .store
        .rotate(rotation(&second, user, START.plus(secs(602))))
        .await;
    assert_eq!(third.as_ref().unwrap().authenticated_at, at);
    let mut earlier = rotation(&third.unwrap(), user, START.plus(secs(600)));
    earlier.reauthenticated = true;
    let fourth = fx.own.rotate(earlier).await.unwrap();
    assert_eq!(fourth.authenticated_at, at);
    let mut late = rotation(&fourth, user, START.plus(secs(700)));
    late.reauthenticated = true;
    let fifth = fx.store.rotate(late).await.unwrap();
    assert_eq!(fifth.authenticated_at, START.plus(secs(700)));
    let found = fx.store.find(first.session_id, START.plus(secs(701))).await;
    let found = found.unwrap().unwrap();
    assert_eq!(found.authenticated_at, fifth.authenticated_at);
    assert_eq!(found.created_at, START, "the login's own time stays");
    let events = fx.take_events().await;
    let told: Vec<_> = events
        .iter()
        .map(|e| (e.kind.as_str(), e.sequence, e.data.actor_id))
        .collect();
    let expected = [2, 3, 4].map(|n| ("user_reauthenticated", n, Some(user)));
    assert_eq!(told, expected);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_proof_from_elsewhere_is_told_as_both(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (first, _) = rotated(&fx, user).await;
    let mut request = rotation(&first, user, START.plus(secs(601)));
    request.reauthenticated = true;
    request.origin.ip = Some("198.51.100.7".to_owned());
    fx.store.rotate(request).await.unwrap();
    let kinds = fx.take_kinds().await;
    assert_eq!(kinds, ["user_reauthenticated", "refresh_token_replayed"]);
    let session = fx.store.find(first.session_id, START.plus(secs(602))).await;
    assert_eq!(session.unwrap().unwrap().event_seq, 3);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn outside_the_window_a_privileged_session_closes(#[case] backend: Backend) {
    for now in [START.plus(millis(660_000)), START.plus(secs(86_400))] {
        let fx = backend.open().await;
        let user = user();
        let (first, second) = rotated(&fx, user).await;
        let mut late = rotation(&first, user, now);
        late.privileged = true;
        assert_eq!(refusal(fx.store.rotate(late).await), Refusal::Closed);
        assert_eq!(
            refusal(fx.store.rotate(rotation(&second, user, now)).await),
            Refusal::Closed
        );
        assert_eq!(fx.state(&second, user, now).await, SessionState::Closed);
        assert!(fx.store.list(user, now).await.unwrap().is_empty());
        let events = fx.take_events().await;
        assert_eq!(events.len(), 1, "{now}");
        assert_eq!(events[0].kind.as_str(), "refresh_token_reused");
        assert_eq!(events[0].data.outcome.as_str(), "failure");
        assert_eq!(
            events[0].data.before.as_ref().unwrap()["user_id"],
            user.to_string()
        );
    }
}

/// Three tabs of one browser, and what they lost.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn whatever_was_rotated_within_ten_seconds_gets_the_newest(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let mut tokens = vec![fx.log_in(user, START).await];
    for n in 1..=10 {
        let now = START.plus(secs(60)).plus(millis(100 * n));
        let last = tokens.last().unwrap();
        tokens.push(fx.store.rotate(rotation(last, user, now)).await.unwrap());
    }
    fx.take_events().await;
    let newest = tokens.last().unwrap().clone();
    // The last eight rotations are kept.
    for old in &tokens[2..10] {
        let again = fx
            .store
            .rotate(rotation(old, user, START.plus(secs(68))))
            .await;
        assert_eq!(again.unwrap(), newest);
    }
    assert!(fx.take_events().await.is_empty(), "and nothing was rotated");
    // Each by its own rotation: that of the fourth was ten seconds ago, that of the fifth was not.
    let now = START.plus(millis(70_450));
    let again = fx.store.rotate(rotation(&tokens[4], user, now)).await;
    assert_eq!(again.unwrap(), newest);
    let late = fx.store.rotate(rotation(&tokens[3], user, now)).await;
    assert_eq!(refusal(late), Refusal::Closed);
    assert_eq!(fx.take_kinds().await, ["refresh_token_reused"]);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn nine_rotations_back_is_reuse_even_at_once(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let first = fx.log_in(user, START).await;
    let mut last = first.clone();
    for _ in 0..9 {
        last = fx.store.rotate(rotation(&last, user, START)).await.unwrap();
    }
    fx.take_events().await;
    let old = fx.store.rotate(rotation(&first, user, START)).await;
    assert_eq!(refusal(old), Refusal::Closed);
    assert_eq!(fx.take_kinds().await, ["refresh_token_reused"]);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_counter_the_store_has_not_reached_closes(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (_, mut second) = rotated(&fx, user).await;
    second.counter += 1;
    let now = START.plus(secs(601));
    assert_eq!(
        refusal(fx.store.rotate(rotation(&second, user, now)).await),
        Refusal::Closed
    );
    assert_eq!(fx.state(&second, user, now).await, SessionState::Closed);
    let events = fx.take_events().await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0].data.after.as_ref().unwrap()["closed"],
        "counter_ahead"
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn another_user_or_chain_closes_nothing(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (first, second) = rotated(&fx, user).await;
    let later = START.plus(secs(3600));
    for counter in [first.counter, second.counter, 99] {
        let mut foreign = rotation(&second, crate::support::user(), later);
        foreign.counter = counter;
        assert_eq!(refusal(fx.store.rotate(foreign).await), Refusal::Closed);
        let mut other_chain = rotation(&second, user, later);
        (other_chain.counter, other_chain.nonce_hash) = (counter, "m".repeat(43));
        assert_eq!(refusal(fx.store.rotate(other_chain).await), Refusal::Closed);
    }
    assert!(fx.take_events().await.is_empty());
    assert_eq!(
        fx.store
            .rotate(rotation(&second, user, later))
            .await
            .unwrap()
            .counter,
        3
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn another_epoch_rotates_nothing_and_closes_nothing(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (_, second) = rotated(&fx, user).await;
    let later = START.plus(secs(3600));
    for (epoch, counter) in [(2, second.counter), (0, second.counter), (2, 1)] {
        let mut request = rotation(&second, user, later);
        (request.epoch, request.counter) = (epoch, counter);
        assert_eq!(
            refusal(fx.store.rotate(request).await),
            Refusal::EpochTooOld
        );
    }
    assert_eq!(
        fx.store
            .rotate(rotation(&second, user, later))
            .await
            .unwrap()
            .counter,
        3
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn the_time_of_the_last_rotation_never_decreases(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (_, second) = rotated(&fx, user).await;
    // The replica whose clock is behind rotates: counted from the clock ahead.
    let behind = START.plus(secs(300));
    let third = fx
        .store
        .rotate(rotation(&second, user, behind))
        .await
        .unwrap();
    assert_eq!(third.issued_at, behind);
    let session = fx
        .store
        .find(second.session_id, behind)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(session.last_seen_at, START.plus(secs(600)));
    assert_eq!(third.refresh_expires_at, second.refresh_expires_at);
}
