//! The Redis outbox keeps what [`ud_events::Outbox`] promises. (The SQL one has its tests in `ud-events`.)

use std::{collections::HashSet, time::Duration};

use session_service::models::{redis::outbox::RedisOutbox, session_store::Closing};
use ud_events::{Claimed, Event, EventType, LEASE, NewEvent, Outbox, Postponed};
use ud_kernel::Service::{Audit, Session};

use crate::support::{AnyOutbox, Backend, Fixture, START, origin, secs, user};

async fn open() -> (Fixture, RedisOutbox) {
    let fx = Backend::Redis.open().await;
    let AnyOutbox::Redis(outbox) = fx.outbox.clone() else {
        unreachable!()
    };
    (fx, outbox)
}

fn kinds(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|c| c.kind.as_str()).collect()
}

#[tokio::test]
async fn each_session_s_events_go_one_after_the_other() {
    let (fx, outbox) = open().await;
    assert!(outbox.claim(Audit.into(), 10).await.unwrap().is_empty());
    assert_eq!(outbox.oldest(Audit.into()).await.unwrap(), None);
    let user = user();
    let first = fx.log_in(user, START).await;
    fx.log_in(user, START.plus(secs(1))).await;
    fx.close(user, Closing::One(first.session_id), START.plus(secs(2)))
        .await;

    assert_eq!(outbox.oldest(Audit.into()).await.unwrap(), Some(START));
    let claimed = outbox.claim(Audit.into(), 10).await.unwrap();
    assert_eq!(kinds(&claimed), ["user_logged_in", "user_logged_in"]);
    assert!(
        outbox.claim(Audit.into(), 10).await.unwrap().is_empty(),
        "leased, or behind a leased one"
    );
    outbox.delivered(Audit.into(), &claimed[1..]).await.unwrap();
    assert!(outbox.claim(Audit.into(), 10).await.unwrap().is_empty());
    assert_eq!(outbox.oldest(Audit.into()).await.unwrap(), Some(START));
    outbox.delivered(Audit.into(), &claimed[..1]).await.unwrap();
    let claimed = outbox.claim(Audit.into(), 10).await.unwrap();
    assert_eq!(kinds(&claimed), ["session_closed"]);
    outbox.delivered(Audit.into(), &claimed).await.unwrap();
    outbox.delivered(Audit.into(), &claimed).await.unwrap();
    assert_eq!(outbox.oldest(Audit.into()).await.unwrap(), None);
    assert!(outbox.claim(Audit.into(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lease_that_ran_out_is_given_to_another() {
    let (fx, outbox) = open().await;
    fx.log_in(user(), START).await;
    let lost = outbox.claim(Audit.into(), 10).await.unwrap();
    fx.clock.advance(LEASE - Duration::from_millis(1));
    assert!(outbox.claim(Audit.into(), 10).await.unwrap().is_empty());
    fx.clock.advance(Duration::from_millis(1));
    let found = outbox.claim(Audit.into(), 10).await.unwrap();
    assert_eq!(found[0].body, lost[0].body);
    assert_eq!((lost[0].attempts, found[0].attempts), (1, 2));
    // Who lost it cannot give it back; who delivered it has delivered it.
    let now = fx.clock.now();
    outbox
        .postpone(Audit.into(), &lost, now, Postponed::Unreachable)
        .await
        .unwrap();
    assert!(outbox.claim(Audit.into(), 10).await.unwrap().is_empty());
    outbox.delivered(Audit.into(), &lost).await.unwrap();
    outbox
        .postpone(Audit.into(), &found, now, Postponed::Unreachable)
        .await
        .unwrap();
    fx.clock.advance(LEASE * 2);
    assert!(outbox.claim(Audit.into(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_parked_event_holds_back_its_session_only() {
    let (fx, outbox) = open().await;
    let user = user();
    let bad = fx.log_in(user, START).await;
    fx.close(user, Closing::One(bad.session_id), START).await;
    let claimed = outbox.claim(Audit.into(), 1).await.unwrap();
    let until = START.plus(secs(60));
    outbox
        .postpone(Audit.into(), &claimed, until, Postponed::Parked)
        .await
        .unwrap();
    fx.log_in(user, START).await;
    let others = outbox.claim(Audit.into(), 10).await.unwrap();
    assert_eq!(kinds(&others), ["user_logged_in"]);
    assert_ne!(others[0].id, claimed[0].id);
    outbox.delivered(Audit.into(), &others).await.unwrap();
    fx.clock.set(until);
    let again = outbox.claim(Audit.into(), 10).await.unwrap();
    assert_eq!(
        (again.len(), again[0].id, again[0].attempts),
        (1, claimed[0].id, 2)
    );
    outbox.delivered(Audit.into(), &again).await.unwrap();
    assert_eq!(
        kinds(&outbox.claim(Audit.into(), 10).await.unwrap()),
        ["session_closed"]
    );
}

#[tokio::test]
async fn replicas_share_the_work_and_lose_nothing() {
    let (fx, outbox) = open().await;
    let mut written = HashSet::new();
    for _ in 0..150 {
        written.insert(fx.log_in(user(), START).await.session_id.to_string());
    }
    let mut taken = Vec::new();
    loop {
        let claims =
            futures_util::future::join_all((0..4).map(|_| outbox.claim(Audit.into(), 20))).await;
        let claims: Vec<_> = claims.into_iter().flat_map(Result::unwrap).collect();
        if claims.is_empty() {
            break;
        }
        // Every third goes astray once.
        let (astray, arrived): (Vec<_>, Vec<_>) = claims
            .into_iter()
            .partition(|c| c.attempts == 1 && c.id.as_uuid().as_bytes()[15] % 3 == 0);
        outbox
            .postpone(
                Audit.into(),
                &astray,
                fx.clock.now(),
                Postponed::Unreachable,
            )
            .await
            .unwrap();
        outbox.delivered(Audit.into(), &arrived).await.unwrap();
        taken.extend(
            arrived
                .iter()
                .map(|c| Event::from_json(c.body.as_bytes()).unwrap()),
        );
    }
    assert_eq!(taken.len(), written.len(), "each once");
    let ids: HashSet<_> = taken.into_iter().map(|e| e.data.target_id).collect();
    assert_eq!(ids, written);
}

#[tokio::test]
async fn events_of_one_order_have_different_ids() {
    let (fx, outbox) = open().await;
    let user = user();
    for _ in 0..20 {
        fx.log_in(user, START).await;
    }
    fx.take_events().await;
    fx.close(user, Closing::All { except: None }, START).await;
    let claimed = outbox.claim(Audit.into(), 100).await.unwrap();
    let ids: HashSet<_> = claimed.iter().map(|c| c.id).collect();
    assert_eq!((claimed.len(), ids.len()), (20, 20));
}

#[tokio::test]
async fn a_refusal_goes_out_as_written() {
    let (fx, outbox) = open().await;
    let event = NewEvent::alone(Session, EventType::PERMISSION_DENIED, START, &origin())
        .target_named("operation", "DELETE /api/v1/sessions")
        .failed();
    fx.store.note(vec![event.clone()]).await.unwrap();
    let claimed = outbox.claim(Audit.into(), 10).await.unwrap();
    assert_eq!(
        Event::from_json(claimed[0].body.as_bytes()).unwrap(),
        event.finish().unwrap()
    );
}

#[tokio::test]
async fn a_wait_further_ahead_than_any_may_be_is_due() {
    for ahead in [secs(30 * 86_400), secs(310)] {
        let (fx, outbox) = open().await;
        fx.log_in(user(), START).await;
        fx.clock.set(START.plus(ahead));
        assert_eq!(outbox.claim(Audit.into(), 10).await.unwrap().len(), 1);
        fx.clock.set(START);
        let claimed = outbox.claim(Audit.into(), 10).await.unwrap();
        assert_eq!(claimed.len(), 1, "the lease");
        assert!(outbox.claim(Audit.into(), 10).await.unwrap().is_empty());
        let until = START.plus(ahead);
        let postpone = outbox.postpone(Audit.into(), &claimed, until, Postponed::Parked);
        postpone.await.unwrap();
        let claimed = outbox.claim(Audit.into(), 10).await.unwrap();
        assert_eq!(claimed.len(), 1, "the wait");
        // The longest that is legal holds to its end.
        let until = START.plus(secs(300));
        let postpone = outbox.postpone(Audit.into(), &claimed, until, Postponed::Parked);
        postpone.await.unwrap();
        for at in [START, until.minus(Duration::from_millis(1))] {
            fx.clock.set(at);
            assert!(
                outbox.claim(Audit.into(), 10).await.unwrap().is_empty(),
                "{at}"
            );
        }
        fx.clock.set(until);
        assert_eq!(outbox.claim(Audit.into(), 10).await.unwrap().len(), 1);
    }
}

/// One event that is not taken keeps its own place, and nothing behind it.
#[tokio::test]
async fn the_stream_does_not_grow_beside_one_pending_entry() {
    let (fx, outbox) = open().await;
    fx.log_in(user(), START).await;
    let waiting = outbox.claim(Audit.into(), 10).await.unwrap();
    let until = START.plus(secs(300));
    outbox
        .postpone(Audit.into(), &waiting, until, Postponed::Parked)
        .await
        .unwrap();
    for _ in 0..50 {
        fx.log_in(user(), START).await;
        let claimed = outbox.claim(Audit.into(), 10).await.unwrap();
        assert_eq!(kinds(&claimed), ["user_logged_in"]);
        outbox.delivered(Audit.into(), &claimed).await.unwrap();
        assert_eq!(fx.outbox_length().await, 1);
    }
    fx.clock.set(until);
    let claimed = outbox.claim(Audit.into(), 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].id, waiting[0].id);
    outbox.delivered(Audit.into(), &claimed).await.unwrap();
    assert_eq!(fx.outbox_length().await, 0);
}

/// Written by the version before, which trimmed below the lowest pending entry only: nothing is deleted that some
/// destination does not have.
#[tokio::test]
async fn nothing_is_deleted_that_was_not_delivered() {
    let (fx, outbox) = open().await;
    for _ in 0..5 {
        fx.log_in(user(), START).await;
    }
    let claimed = outbox.claim(Audit.into(), 3).await.unwrap();
    outbox
        .delivered(Audit.into(), &claimed[1..2])
        .await
        .unwrap();
    assert_eq!(fx.outbox_length().await, 4);
    // Settled again, by whoever held it before.
    outbox
        .delivered(Audit.into(), &claimed[1..2])
        .await
        .unwrap();
    assert_eq!(fx.outbox_length().await, 4);
    let rest = outbox.claim(Audit.into(), 10).await.unwrap();
    assert_eq!(rest.len(), 2);
}
