//! Both stores: the lost answer and the late repetition (SECURITY rule 17).

use rstest::rstest;
use session_service::models::session::Refusal;
use ud_kernel::{
    Timestamp, UserId,
    models::{RotateSession, SessionGrant, SessionState},
};

use crate::support::{
    ACCESS_TTL,
    Backend::{self, Redis, Sqlite},
    Fixture, START, millis, refusal, rotation, secs, user,
};

/// From another address, and with a newer version of the same agent.
fn elsewhere(mut request: RotateSession) -> RotateSession {
    request.origin.ip = Some("198.51.100.7".to_owned());
    request.origin.user_agent = Some("Agent/2".to_owned());
    request
}

/// A session rotated once at `START + 600 s`: the token before it, and the one after.
async fn rotated(fx: &Fixture, user: UserId) -> (SessionGrant, SessionGrant) {
    let first = fx.log_in(user, START).await;
    let second = fx
        .store
        .rotate(rotation(&first, user, START.plus(secs(600))))
        .await;
    fx.take_events().await;
    (first, second.unwrap())
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn an_answer_that_was_lost_comes_again_at_any_age(#[case] backend: Backend) {
    for after in [millis(10_000), secs(86_400), secs(13 * 86_400)] {
        let fx = backend.open().await;
        let user = user();
        let (first, second) = rotated(&fx, user).await;
        let now = START.plus(secs(600)).plus(after);
        let mut request = elsewhere(rotation(&first, user, now));
        // The ring has moved on; the successor's key is still in it.
        request.key_id = "k3".to_owned();
        let again = fx.store.rotate(request).await.unwrap();
        let refresh = |g: &SessionGrant| (g.counter, g.key_id.clone(), g.refresh_expires_at);
        assert_eq!(
            refresh(&again),
            refresh(&second),
            "the same token, no later end"
        );
        assert_eq!(again.issued_at, now);
        assert_eq!(
            again.access_expires_at,
            now.plus(secs(ACCESS_TTL.into()))
                .min(second.refresh_expires_at)
        );
        let found = fx.store.find(first.session_id, now).await.unwrap().unwrap();
        assert_eq!(found.last_seen_at, START.plus(secs(600)));
        assert_eq!(found.ip.as_deref(), Some("192.0.2.1"));
        // Both sources are told.
        let events = fx.take_events().await;
        assert_eq!(events.len(), 1);
        let event = &events[0];
        assert_eq!(
            (event.kind.as_str(), event.sequence),
            ("refresh_token_repeated_late", 2)
        );
        assert_eq!(event.data.ip, Some("198.51.100.7".parse().unwrap()));
        let before = event.data.before.as_ref().unwrap();
        assert_eq!(before["user_id"], user.to_string());
        assert_eq!(before["rotated_from"]["ip"], "192.0.2.1");
        assert_eq!(before["rotated_from"]["user_agent"], "Agent/1");
        // And the token works.
        let third = fx.store.rotate(rotation(&again, user, now)).await.unwrap();
        assert_eq!(third.counter, 3);
    }
}

/// A close must be told for as long as the access token of a late repetition lives.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_close_after_a_late_repetition_outlives_its_access_token(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (first, _) = rotated(&fx, user).await;
    let now = START.plus(secs(86_400));
    let again = fx.store.rotate(rotation(&first, user, now)).await.unwrap();
    let one = session_service::models::session_store::Closing::One(first.session_id);
    assert_eq!(fx.close(user, one, now).await, 1);
    let list = crate::support::list_of(&*fx.store).await;
    assert_eq!(list.len(), 1);
    assert!(list[0].until >= again.access_expires_at.plus(secs(10)));
    assert_eq!(fx.state(&again, user, now).await, SessionState::Closed);
}

/// Where much is at stake a lost answer comes again for a minute: longer than a process is frozen, not long enough for a
/// thief to wait for the owner's next rest. Who takes turns is found at the second one here, too.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn where_much_is_at_stake_a_lost_answer_comes_again_for_a_minute(#[case] backend: Backend) {
    for after in [millis(10_000), secs(31), millis(59_999)] {
        let fx = backend.open().await;
        let user = user();
        let (first, second) = rotated(&fx, user).await;
        let at = START.plus(secs(600)).plus(after);
        let privileged = |grant: &SessionGrant, at| {
            let mut request = rotation(grant, user, at);
            request.privileged = true;
            request
        };
        let again = fx.store.rotate(privileged(&first, at)).await.unwrap();
        assert_eq!(again.counter, second.counter, "{after:?}");
        assert_eq!(again.refresh_expires_at, second.refresh_expires_at);
        assert_eq!(fx.take_kinds().await, ["refresh_token_repeated_late"]);
        let third = fx.store.rotate(privileged(&again, at)).await.unwrap();
        assert_eq!(third.counter, 3);
        let turn = fx
            .store
            .rotate(privileged(&second, at.plus(secs(30))))
            .await;
        assert_eq!(refusal(turn), Refusal::Closed, "{after:?}");
        assert_eq!(fx.take_kinds().await, ["refresh_token_reused"]);
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn the_same_successor_is_free_and_told_once_for_each_source(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (first, _) = rotated(&fx, user).await;
    for n in 0..20 {
        let request = rotation(&first, user, START.plus(secs(700 + 60 * n)));
        assert_eq!(fx.store.rotate(request).await.unwrap().counter, 2);
    }
    assert_eq!(fx.take_kinds().await, ["refresh_token_repeated_late"]);
    let request = elsewhere(rotation(&first, user, START.plus(secs(3000))));
    fx.store.rotate(request).await.unwrap();
    assert_eq!(fx.take_kinds().await, ["refresh_token_repeated_late"]);
}

/// Everything that makes it reuse, and ends the session.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn what_is_no_lost_answer_is_reuse(#[case] backend: Backend) {
    let changes: [fn(&mut RotateSession); 3] = [
        |r| r.privileged = true,
        |r| r.origin.user_agent = Some("Other/1".to_owned()),
        |r| r.origin.user_agent = None,
    ];
    for change in changes {
        let fx = backend.open().await;
        let user = user();
        let (first, second) = rotated(&fx, user).await;
        let mut request = rotation(&first, user, START.plus(secs(700)));
        change(&mut request);
        assert_eq!(refusal(fx.store.rotate(request).await), Refusal::Closed);
        let current = fx
            .store
            .rotate(rotation(&second, user, START.plus(secs(700))))
            .await;
        assert_eq!(refusal(current), Refusal::Closed);
        assert_eq!(fx.take_kinds().await, ["refresh_token_reused"]);
    }
    // Two back, after the window.
    let fx = backend.open().await;
    let user = user();
    let (first, second) = rotated(&fx, user).await;
    fx.store
        .rotate(rotation(&second, user, START.plus(secs(650))))
        .await
        .unwrap();
    let late = fx
        .store
        .rotate(rotation(&first, user, START.plus(secs(700))))
        .await;
    assert_eq!(refusal(late), Refusal::Closed);
    assert_eq!(fx.take_kinds().await, ["refresh_token_reused"]);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_successor_whose_key_has_left_the_ring_is_refused_without_effect(
    #[case] backend: Backend,
) {
    let fx = backend.open().await;
    let user = user();
    let (first, second) = rotated(&fx, user).await;
    for key_ids in [vec![], vec!["k1".to_owned()]] {
        let mut request = rotation(&first, user, START.plus(secs(700)));
        request.key_ids = key_ids;
        assert_eq!(refusal(fx.store.rotate(request).await), Refusal::Closed);
    }
    assert!(fx.take_events().await.is_empty());
    let found = fx.store.find(first.session_id, START.plus(secs(700))).await;
    assert_eq!(found.unwrap().unwrap().late.count, 0);
    let third = fx
        .store
        .rotate(rotation(&second, user, START.plus(secs(700))))
        .await;
    assert_eq!(third.unwrap().counter, 3);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn status_epoch_and_policy_are_asked_as_in_a_rotation(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let (first, _) = rotated(&fx, user).await;
    let late = || rotation(&first, user, START.plus(secs(700)));
    let mut other = late();
    other.epoch = 2;
    assert_eq!(refusal(fx.store.rotate(other).await), Refusal::EpochTooOld);
    let not_before = ud_kernel::models::NotBefore {
        user_id: Some(user),
        role: None,
        min_pv: 2,
    };
    fx.store
        .set_not_before(not_before, START.plus(secs(650)))
        .await
        .unwrap();
    assert_eq!(refusal(fx.store.rotate(late()).await), Refusal::PolicyStale);
    assert!(fx.take_events().await.is_empty());
    let mut again = late();
    again.pv = 2;
    assert_eq!(fx.store.rotate(again).await.unwrap().counter, 2);
    // Longer unused than its rights now allow: it ends.
    let mut again = rotation(&first, user, START.plus(secs(86_400)));
    (again.pv, again.idle) = (2, 3600);
    assert_eq!(refusal(fx.store.rotate(again).await), Refusal::Closed);
    let told = fx.take_kinds().await;
    assert_eq!(told, ["refresh_token_repeated_late", "session_closed"]);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn the_sixth_in_a_sessions_life_is_reuse(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let mut now = START;
    let mut current = fx.log_in(user, now).await;
    for nth in 1..=6 {
        // A rotation whose answer is lost, twice asked for, and two that arrive.
        let lost = current.clone();
        now = now.plus(secs(600));
        fx.store.rotate(rotation(&lost, user, now)).await.unwrap();
        now = now.plus(secs(600));
        let late = fx.store.rotate(rotation(&lost, user, now)).await;
        if nth == 6 {
            assert_eq!(refusal(late), Refusal::Closed);
            break;
        }
        current = late.unwrap();
        for _ in 0..2 {
            now = now.plus(secs(600));
            current = fx
                .store
                .rotate(rotation(&current, user, now))
                .await
                .unwrap();
        }
    }
    let told = fx.take_kinds().await;
    assert_eq!(told[1..6], ["refresh_token_repeated_late"; 5]);
    assert_eq!(told[6..], ["refresh_token_reused"]);
}

/// An owner and a thief who have the same token and take turns, each with the newest token they were given: found at the
/// second turn of whoever comes second, whatever the pause.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn two_parties_taking_turns_are_found_at_their_second_turn(#[case] backend: Backend) {
    for pause in [secs(15 * 60), secs(29_160), secs(24 * 3600)] {
        for starts in [0, 1] {
            let fx = backend.open().await;
            let user = user();
            let stolen = fx.log_in(user, START).await;
            let mut held = [stolen.clone(), stolen];
            let mut now = START;
            let mut turns = [0, 0];
            let found = loop {
                let party = (starts + turns[0] + turns[1]) % 2;
                now = now.plus(pause);
                turns[party] += 1;
                let mut request = rotation(&held[party], user, now);
                if party == 1 {
                    request = elsewhere(request);
                }
                match fx.store.rotate(request).await {
                    Ok(grant) => held[party] = grant,
                    Err(error) => {
                        assert_eq!(refusal::<()>(Err(error)), Refusal::Closed);
                        break turns;
                    }
                }
                assert!(turns[0] + turns[1] < 10, "never found");
            };
            assert_eq!(found, [2, 2], "{pause:?}");
            let told = fx.take_kinds().await;
            let expected = [
                "user_logged_in",
                "refresh_token_repeated_late",
                "refresh_token_reused",
            ];
            assert_eq!(told, expected, "{pause:?}");
            assert!(fx.store.list(user, now).await.unwrap().is_empty());
        }
    }
}

/// `Timestamp` of a request is auth's, and moves neither window nor end.
#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn late_is_late_by_the_stores_clock_alone(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let first = fx.log_in(user, START).await;
    let at = |store: Timestamp, auth: Timestamp| {
        fx.clock.set(store);
        fx.own.rotate(rotation(&first, user, auth))
    };
    let (t, apart) = (START.plus(secs(600)), secs(300));
    at(t, t).await.unwrap();
    fx.take_events().await;
    at(t.plus(millis(9_999)), t.plus(apart)).await.unwrap();
    assert!(fx.take_events().await.is_empty());
    at(t.plus(secs(10)), t.minus(apart)).await.unwrap();
    assert_eq!(fx.take_kinds().await, ["refresh_token_repeated_late"]);
}
