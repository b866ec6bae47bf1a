//! Both stores: revoked signing keys.

use rstest::rstest;
use session_service::models::session_store::Closing;
use ud_kernel::models::{Revoked, RevokedKey, RevokedUntil, SessionState};

use crate::support::{
    ACCESS_TTL,
    Backend::{self, Redis, Sqlite},
    START, list_of, secs, token, user,
};

fn revoked(kid: &str) -> RevokedKey {
    RevokedKey {
        kid: kid.to_owned(),
        until: START.plus(secs(30 * 86_400)),
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn tokens_of_a_revoked_key_are_stale_and_no_others(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let grant = fx.log_in(user, START).await;
    let mut leaked = token(&grant, user);
    leaked.kid = "leaked".to_owned();
    let state = async |query, now| {
        let state = fx.store.state(grant.session_id, query, now).await;
        state.unwrap()
    };
    assert_eq!(state(leaked.clone(), START).await, SessionState::Good);
    for _ in 0..2 {
        fx.store.revoke_key(revoked("leaked"), START).await.unwrap();
    }
    assert_eq!(state(leaked.clone(), START).await, SessionState::Stale);
    assert_eq!(state(token(&grant, user), START).await, SessionState::Good);
    // Whoever has the key writes what they like beside it.
    let mut forged = leaked.clone();
    forged.inc = "another".to_owned();
    assert_eq!(state(forged, START).await, SessionState::Stale);
    let day_later = START.plus(secs(86_400));
    assert_eq!(state(leaked, day_later).await, SessionState::Stale);
    let expected = RevokedUntil {
        revoked: Revoked::Key {
            kid: "leaked".to_owned(),
        },
        until: revoked("leaked").until,
    };
    assert_eq!(list_of(&*fx.store).await, [expected], "told once");
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_key_can_be_revoked_before_anybody_has_logged_in(#[case] backend: Backend) {
    let fx = backend.open().await;
    fx.store.revoke_key(revoked("leaked"), START).await.unwrap();
    assert_eq!(list_of(&*fx.store).await.len(), 1);
    // One whose time is over long ago, told late.
    let late = RevokedKey {
        until: START.minus(secs(3600)),
        ..revoked("older")
    };
    fx.store.revoke_key(late, START).await.unwrap();
    assert_eq!(list_of(&*fx.store).await.len(), 1);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn what_stays_long_does_not_keep_what_has_passed(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    for kid in ["a", "b", "c"] {
        fx.store.revoke_key(revoked(kid), START).await.unwrap();
    }
    let mut now = START;
    for _ in 0..20 {
        let grant = fx.log_in(user, now).await;
        let closing = Closing::One(grant.session_id);
        assert_eq!(fx.close(user, closing, now).await, 1);
        now = now.plus(secs(u64::from(ACCESS_TTL) + 60));
    }
    let left = list_of(&*fx.store).await.len();
    assert!(left <= 5, "three keys, and the last session or two: {left}");
}
