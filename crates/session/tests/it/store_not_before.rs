//! Both stores: not-befores of users and roles.

use rstest::rstest;
use session_service::models::session::Refusal;
use ud_kernel::{
    SessionId, UserId,
    models::{NotBefore, Revoked, SessionState},
};

use crate::support::{
    ACCESS_TTL,
    Backend::{self, Redis, Sqlite},
    START, create, list_of, refusal, rotation, secs, token, user,
};

fn of_user(user_id: UserId, min_pv: i64) -> NotBefore {
    NotBefore {
        user_id: Some(user_id),
        role: None,
        min_pv,
    }
}

fn of_role(role: &str, min_pv: i64) -> NotBefore {
    NotBefore {
        user_id: None,
        role: Some(role.to_owned()),
        min_pv,
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_not_before_makes_older_tokens_stale_and_refuses_older_rights(#[case] backend: Backend) {
    let fx = backend.open().await;
    let (affected, other) = (user(), user());
    let grant = fx.log_in(affected, START).await;
    let foreign = fx.log_in(other, START).await;
    fx.store
        .set_not_before(of_user(affected, 5), START)
        .await
        .unwrap();
    assert_eq!(fx.state(&grant, affected, START).await, SessionState::Stale);
    assert_eq!(fx.state(&foreign, other, START).await, SessionState::Good);

    let stale = fx
        .store
        .rotate(rotation(&grant, affected, START.plus(secs(1))))
        .await;
    assert_eq!(refusal(stale), Refusal::PolicyStale);
    let stale = fx
        .store
        .create(SessionId::new(START), create(affected, START))
        .await;
    assert_eq!(refusal(stale), Refusal::PolicyStale);

    // Nothing was rotated: with the rights read again the same token works.
    let mut fresh = rotation(&grant, affected, START.plus(secs(2)));
    fresh.pv = 5;
    assert_eq!(fx.store.rotate(fresh).await.unwrap().counter, 2);
    let mut query = token(&grant, affected);
    query.pv = 5;
    let state = fx
        .store
        .state(grant.session_id, query, START)
        .await
        .unwrap();
    assert_eq!(state, SessionState::Good);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_not_before_of_a_role_concerns_those_who_carry_it(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let grant = fx.log_in(user, START).await;
    fx.store
        .set_not_before(of_role("editor", 3), START)
        .await
        .unwrap();
    assert_eq!(fx.state(&grant, user, START).await, SessionState::Good);
    let mut editor = token(&grant, user);
    for (roles, expected) in [
        ("editor,user", SessionState::Stale),
        ("admin,editor,user", SessionState::Stale),
        ("edito,user", SessionState::Good),
        ("", SessionState::Good),
    ] {
        editor.roles = roles.to_owned();
        let state = fx
            .store
            .state(grant.session_id, editor.clone(), START)
            .await
            .unwrap();
        assert_eq!(state, expected, "{roles}");
    }
    let mut rotated = rotation(&grant, user, START.plus(secs(1)));
    rotated.roles = vec!["editor".to_owned(), "user".to_owned()];
    assert_eq!(
        refusal(fx.store.rotate(rotated.clone()).await),
        Refusal::PolicyStale
    );
    rotated.pv = 3;
    fx.store.rotate(rotated).await.unwrap();
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn not_befores_only_grow_and_are_listed_once(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    let grant = fx.log_in(user, START).await;
    for min_pv in [5, 3, 5, 4] {
        fx.store
            .set_not_before(of_user(user, min_pv), START)
            .await
            .unwrap();
    }
    let mut query = token(&grant, user);
    query.pv = 4;
    let state = fx
        .store
        .state(grant.session_id, query, START)
        .await
        .unwrap();
    assert_eq!(state, SessionState::Stale);
    fx.store
        .set_not_before(of_user(user, 6), START)
        .await
        .unwrap();
    fx.store
        .set_not_before(of_role("editor", 7), START)
        .await
        .unwrap();
    // Neither, or both: nothing.
    fx.store
        .set_not_before(
            NotBefore {
                user_id: None,
                role: None,
                min_pv: 9,
            },
            START,
        )
        .await
        .unwrap();

    let list = list_of(&*fx.store).await;
    let revoked: Vec<_> = list.iter().map(|entry| entry.revoked.clone()).collect();
    let expected = [
        Revoked::User {
            id: user,
            min_pv: 5,
        },
        Revoked::User {
            id: user,
            min_pv: 6,
        },
        Revoked::Role {
            name: "editor".to_owned(),
            min_pv: 7,
        },
    ];
    assert_eq!(revoked, expected);
    let last = START.plus(secs(u64::from(ACCESS_TTL) + 10));
    assert!(
        list.iter()
            .all(|entry| entry.until >= last && entry.until < last.plus(secs(61)))
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test]
async fn a_not_before_is_kept_even_when_no_token_lives(#[case] backend: Backend) {
    let fx = backend.open().await;
    let user = user();
    // Before any login, or long after the last: no token needs an entry in the list, but a login that has
    // read the old rights may be on its way.
    fx.store
        .set_not_before(of_user(user, 5), START)
        .await
        .unwrap();
    assert!(list_of(&*fx.store).await.is_empty());
    let late = fx
        .store
        .create(SessionId::new(START), create(user, START.plus(secs(60))))
        .await;
    assert_eq!(refusal(late), Refusal::PolicyStale);
}
