//! Suspension, reactivation and deletion (SECURITY rules 2, 3 and 18).

use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_events::EventType;
use user_profile_service::models::user::UserStatus;

use crate::{
    acting::{delete, post, send},
    world::{PASSWORD, World, expect_problem, id_of},
};

#[rstest]
#[tokio::test]
async fn suspension_and_reactivation_go_to_auth_and_come_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let boss = world.stranger();
    let all = ["users:write", "users:read"];
    for (verb, status) in [
        ("suspend", "suspended"),
        ("suspend", "suspended"),
        ("reactivate", "active"),
        ("reactivate", "active"),
    ] {
        let answer = post(&world, boss, &all, ada, verb).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.headers().contains_key("revocation"));
        assert_eq!(answer.json::<Value>().await.unwrap()["status"], status);
    }
    let events = world.events_about(ada).await;
    let kinds: Vec<_> = events.iter().map(|e| e.kind).collect();
    assert_eq!(
        kinds,
        [
            EventType::USER_CREATED,
            EventType::USER_SUSPENDED,
            EventType::USER_REACTIVATED
        ]
    );
    assert_eq!(events[1].data.actor_id, Some(boss));
    let told: Vec<_> = world
        .auth
        .state()
        .status_changes
        .iter()
        .map(|c| {
            (
                c["status"].as_str().unwrap().to_owned(),
                c["sequence"].as_i64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("suspended", 2),
        ("suspended", 2),
        ("active", 3),
        ("active", 3),
    ];
    assert_eq!(
        told,
        expected.map(|(status, sequence)| (status.to_owned(), sequence))
    );

    for verb in ["suspend", "reactivate"] {
        expect_problem(
            post(&world, ada, &all, ada, verb).await,
            409,
            "user.is-self",
        )
        .await;
        expect_problem(
            post(&world, boss, &all, world.stranger(), verb).await,
            404,
            "user.not-found",
        )
        .await;
    }
}

#[rstest]
#[tokio::test]
async fn what_is_not_confirmed_is_said_to_be_pending(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let boss = world.stranger();
    world.auth.state().sessions_stay = true;
    let answer = post(&world, boss, &["*"], ada, "suspend").await;
    assert_eq!(
        (answer.status(), &answer.headers()["revocation"]),
        (StatusCode::OK, &"pending".parse().unwrap())
    );
    world.auth.state().is_down = true;
    let answer = post(&world, boss, &["*"], ada, "reactivate").await;
    assert_eq!(answer.headers()["revocation"], "pending");
    let answer = delete(&world, boss, &["*"], ada).await;
    assert_eq!(
        (answer.status(), &answer.headers()["revocation"]),
        (StatusCode::NO_CONTENT, &"pending".parse().unwrap())
    );
    assert_eq!(world.stored(ada).await.unwrap().status, UserStatus::Deleted);
    assert_eq!(
        world.events_about(ada).await.len(),
        4,
        "the events complete it"
    );
}

#[rstest]
#[tokio::test]
async fn a_deleted_user_leaves_status_and_times(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD, "given_name": "Ada", "username": "ada"});
    let key = "a-key-that-is-long-enough";
    let register = || {
        let request = world
            .request(Method::POST, "/api/v1/users")
            .header("idempotency-key", key);
        let request = request.json(&body);
        async { request.send().await.unwrap() }
    };
    let ada = id_of(&register().await.json().await.unwrap());
    assert_eq!(
        delete(&world, ada, &[], ada).await.status(),
        StatusCode::NO_CONTENT
    );
    let stored = world.stored(ada).await.unwrap();
    assert_eq!(
        (stored.status, stored.email, stored.given_name),
        (UserStatus::Deleted, None, None)
    );
    let events = world.events_about(ada).await;
    assert_eq!(
        (events[1].kind, events[1].sequence),
        (EventType::USER_DELETED, 2)
    );
    assert_eq!(world.auth.state().status_changes[0]["status"], "deleted");

    let boss = world.stranger();
    for method in [Method::GET, Method::DELETE] {
        let path = format!("/api/v1/users/{ada}");
        let answer = send(&world, boss, &["*"], method, &path, None).await;
        expect_problem(answer, 404, "user.not-found").await;
    }
    let answer = send(&world, ada, &[], Method::GET, "/api/v1/users/me", None).await;
    expect_problem(answer, 404, "user.not-found").await;
    expect_problem(
        post(&world, boss, &["*"], ada, "reactivate").await,
        404,
        "user.not-found",
    )
    .await;
    expect_problem(register().await, 409, "user.status-conflict").await;
}

#[rstest]
#[tokio::test]
async fn an_administrator_is_neither_suspended_nor_deleted(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let admin = world.register_email("admin@example.org").await;
    let boss = world.stranger();
    world.role.grant(admin, &["admin"], &["*"]);
    expect_problem(
        post(&world, boss, &["*"], admin, "suspend").await,
        409,
        "user.is-administrator",
    )
    .await;
    expect_problem(
        delete(&world, boss, &["*"], admin).await,
        409,
        "user.is-administrator",
    )
    .await;
    expect_problem(
        delete(&world, admin, &[], admin).await,
        409,
        "user.is-administrator",
    )
    .await;
    let some = ["users:write", "users:delete"];
    expect_problem(
        post(&world, boss, &some, admin, "suspend").await,
        403,
        "user.target-holds-more",
    )
    .await;
    assert_eq!(
        world.stored(admin).await.unwrap().status,
        UserStatus::Active
    );

    world.role.state().is_down = true;
    let answer = delete(&world, boss, &["*"], admin).await;
    expect_problem(answer, 503, "server.dependency-unavailable").await;
    assert_eq!(
        world.stored(admin).await.unwrap().status,
        UserStatus::Active
    );
}

#[rstest]
#[tokio::test]
async fn unlocking_is_auths_and_not_for_oneself(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let (boss, all) = (world.stranger(), ["users:write", "users:read"]);
    for _ in 0..2 {
        let answer = post(&world, boss, &all, ada, "unlock").await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body: Value = answer.json().await.unwrap();
        let code = json!({"unlock_code": "ABCDEFGH", "expires_in": 600});
        assert_eq!(body, code);
    }
    let ids = [ada.to_string(), ada.to_string()];
    assert_eq!(world.auth.state().unlocked, ids);
    let own = post(&world, ada, &all, ada, "unlock").await;
    expect_problem(own, 409, "user.is-self").await;
    let nobody = post(&world, boss, &all, world.stranger(), "unlock").await;
    expect_problem(nobody, 404, "user.not-found").await;
    // Locked or not, an administrator is let in by somebody who holds as much.
    world.role.grant(ada, &["admin"], &["*"]);
    let refused = post(&world, boss, &all, ada, "unlock").await;
    expect_problem(refused, 403, "user.target-holds-more").await;
    let answer = post(&world, boss, &["*"], ada, "unlock").await;
    assert_eq!(answer.status(), StatusCode::OK);
    world.auth.state().is_down = true;
    let away = post(&world, boss, &["*"], ada, "unlock").await;
    expect_problem(away, 503, "server.dependency-unavailable").await;
    assert_eq!(world.auth.state().unlocked.len(), 3);
    assert_eq!(
        world.events_about(ada).await.len(),
        1,
        "the event is auth's"
    );
}
