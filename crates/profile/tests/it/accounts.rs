//! Reading, changing, suspending and deleting users (SECURITY rules 2 to 4).

use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_events::{EventType, Outcome};
use user_profile_service::models::user::UserStatus;

use crate::{
    acting::{delete, patch, post, send},
    world::{PASSWORD, World, expect_problem, id_of},
};

#[rstest]
#[tokio::test]
async fn others_are_read_with_the_permission_only(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let eve = world.register_email("eve@example.org").await;
    let path = format!("/api/v1/users/{ada}");
    let read = |user, permissions: &'static [&'static str]| {
        let request = world.as_user(user, permissions, Method::GET, &path);
        async { request.send().await.unwrap() }
    };
    let own = read(ada, &[]).await;
    assert_eq!(own.headers()["etag"], "\"1\"");
    assert_eq!(id_of(&own.json().await.unwrap()), ada);
    expect_problem(read(eve, &[]).await, 404, "user.not-found").await;
    expect_problem(read(eve, &["users:write"]).await, 404, "user.not-found").await;
    assert_eq!(read(eve, &["users:read"]).await.status(), StatusCode::OK);
    assert_eq!(read(eve, &["*"]).await.status(), StatusCode::OK);
    let anonymous = world.request(Method::GET, &path).send().await.unwrap();
    expect_problem(anonymous, 401, "auth.token-missing").await;
    let nobody = format!("/api/v1/users/{}", world.stranger());
    let answer = send(&world, eve, &["users:read"], Method::GET, &nobody, None).await;
    expect_problem(answer, 404, "user.not-found").await;
}

#[rstest]
#[tokio::test]
async fn a_patch_changes_four_members_and_nothing_else(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD, "given_name": "Ada", "locale": "en"});
    let ada = world.register(&body).await;
    world.clock.advance(std::time::Duration::from_secs(5));
    let change = json!({"given_name": "Augusta", "family_name": "King", "locale": null, "timezone": "Europe/London"});
    let answer = patch(&world, ada, &[], ada, change.clone()).await;
    assert_eq!(
        (answer.status(), &answer.headers()["etag"]),
        (StatusCode::OK, &"\"2\"".parse().unwrap())
    );
    let user: Value = answer.json().await.unwrap();
    assert_eq!(user["given_name"], "Augusta");
    assert_eq!(user["locale"], Value::Null);
    assert_eq!(user["updated_at"], "2026-05-28T20:26:45.000Z");
    let events = world.events_about(ada).await;
    assert_eq!(
        (events[1].kind, events[1].sequence),
        (EventType::USER_UPDATED, 2)
    );
    assert_eq!(
        Value::Object(events[1].data.details.clone()),
        json!({"changed": ["given_name", "family_name", "locale", "timezone"]})
    );
    assert_eq!(events[1].data.actor_id, Some(ada));

    let same = patch(&world, ada, &[], ada, change).await;
    assert_eq!(same.headers()["etag"], "\"2\"", "nothing changed");
    assert_eq!(world.events_about(ada).await.len(), 2);

    for member in [
        "email",
        "username",
        "phone",
        "status",
        "id",
        "email_verified",
        "version",
        "password",
        "x",
    ] {
        let answer = patch(
            &world,
            ada,
            &["*"],
            ada,
            json!({"given_name": "X", member: null}),
        )
        .await;
        let problem = expect_problem(answer, 422, "user.field-read-only").await;
        assert_eq!(problem["errors"][0]["pointer"], format!("/{member}"));
    }
    assert_eq!(
        world.stored(ada).await.unwrap().given_name.as_deref(),
        Some("Augusta")
    );
}

/// One after the other, and nothing beside: whoever holds all others of ours does not act on who holds this one.
#[rstest]
#[tokio::test]
async fn every_permission_of_ours_protects_its_holder_here(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let (target, boss) = (
        world.register_email("t@example.org").await,
        world.stranger(),
    );
    for own in ud_kernel::permissions::own() {
        let others: Vec<&str> = ud_kernel::permissions::own()
            .map(|other| other.name)
            .filter(|name| *name != own.name)
            .collect();
        world.role.grant(target, &[], &[own.name]);
        for act in ["patch", "suspend", "reactivate", "unlock", "delete"] {
            let answer = match act {
                "patch" => patch(&world, boss, &others, target, json!({"locale": "en"})).await,
                "delete" => delete(&world, boss, &others, target).await,
                verb => post(&world, boss, &others, target, verb).await,
            };
            // Where it is the needed permission itself that is lacking, the token is not believed either.
            let code = match (own.name, act) {
                ("users:delete", "delete")
                | ("users:write", "patch" | "suspend" | "reactivate" | "unlock") => {
                    let status = answer.status().as_u16();
                    assert!(
                        status == 403 || status == 404,
                        "{} {act}: {status}",
                        own.name
                    );
                    continue;
                }
                _ => "user.target-holds-more",
            };
            expect_problem(answer, 403, code).await;
        }
    }
    let user = world.stored(target).await.unwrap();
    assert_eq!((user.status, user.version), (UserStatus::Active, 1));
}

#[rstest]
#[tokio::test]
async fn a_patch_of_an_older_version_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let path = format!("/api/v1/users/{ada}");
    let patch = |etag: &'static str, name: &str| {
        let request = world.as_user(ada, &[], Method::PATCH, &path);
        let request = request
            .header("if-match", etag)
            .json(&json!({"given_name": name}));
        async { request.send().await.unwrap() }
    };
    assert_eq!(patch("\"1\"", "One").await.status(), StatusCode::OK);
    expect_problem(
        patch("\"1\"", "Two").await,
        412,
        "request.precondition-failed",
    )
    .await;
    assert_eq!(
        patch("\"1\", \"2\"", "Three").await.status(),
        StatusCode::OK
    );
    assert_eq!(patch("*", "Four").await.status(), StatusCode::OK);
    assert_eq!(
        world.stored(ada).await.unwrap().given_name.as_deref(),
        Some("Four")
    );
}

#[rstest]
#[tokio::test]
async fn patches_at_the_same_moment_are_all_kept(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let (one, two) = tokio::join!(
        patch(&world, ada, &[], ada, json!({"given_name": "Ada"})),
        patch(&world, ada, &[], ada, json!({"family_name": "King"})),
    );
    assert_eq!(
        (one.status(), two.status()),
        (StatusCode::OK, StatusCode::OK)
    );
    let user = world.stored(ada).await.unwrap();
    assert_eq!(
        (user.given_name.as_deref(), user.family_name.as_deref()),
        (Some("Ada"), Some("King"))
    );
    assert_eq!(user.version, 3);
}

#[rstest]
#[tokio::test]
async fn nobody_acts_on_someone_who_holds_more(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let mut world = World::on(backend).await;
    let target = world.register_email("target@example.org").await;
    let actor = world.stranger();
    let all = ["users:write", "users:delete"];
    let acts = async |permissions: &[&str]| {
        [
            patch(
                &world,
                actor,
                permissions,
                target,
                json!({"given_name": "X"}),
            )
            .await,
            post(&world, actor, permissions, target, "suspend").await,
            post(&world, actor, permissions, target, "reactivate").await,
            post(&world, actor, permissions, target, "unlock").await,
        ]
    };
    for held in [
        "users:read",
        "roles:read",
        "sessions:write",
        "audits:read",
        "*",
    ] {
        world.role.grant(target, &["helpdesk"], &[held]);
        for answer in acts(&all).await {
            expect_problem(answer, 403, "user.target-holds-more").await;
        }
        expect_problem(
            delete(&world, actor, &all, target).await,
            403,
            "user.target-holds-more",
        )
        .await;
    }
    world
        .role
        .grant(target, &["shop"], &["orders:write", "users:write"]);
    for answer in acts(&all).await {
        assert!(answer.status().is_success(), "{answer:?}");
    }
    // The token says more than role does by now.
    let request = world.as_user(
        actor,
        &all,
        Method::POST,
        &format!("/api/v1/users/{target}/suspend"),
    );
    world.role.grant(actor, &[], &["users:read"]);
    expect_problem(request.send().await.unwrap(), 403, "auth.permission-denied").await;
    assert_eq!(
        world.stored(target).await.unwrap().status,
        UserStatus::Active
    );
    // Each refusal is told: twenty singly, the last as a count, which a stop does not lose.
    world.stop();
    let mut told = world.events().await;
    told.retain(|event| event.kind == EventType::PERMISSION_DENIED);
    assert_eq!(told.len(), 21);
    for event in told {
        assert_eq!(event.data.outcome, Outcome::Failure);
        assert_eq!(event.data.actor_id, Some(actor));
        assert_eq!(
            (event.data.target_type.as_str(), event.data.target_id),
            ("user", target.to_string())
        );
    }
}

#[rstest]
#[tokio::test]
async fn without_the_permission_others_are_out_of_reach(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    let eve = world.register_email("eve@example.org").await;
    for (permissions, status, code) in [
        (&[][..], 404, "user.not-found"),
        (&["users:read"][..], 403, "auth.permission-denied"),
    ] {
        let name = json!({"given_name": "X"});
        expect_problem(
            patch(&world, eve, permissions, ada, name).await,
            status,
            code,
        )
        .await;
        expect_problem(delete(&world, eve, permissions, ada).await, status, code).await;
    }
    for verb in ["suspend", "reactivate", "unlock"] {
        for id in [ada, eve] {
            let answer = post(&world, eve, &["users:read", "users:delete"], id, verb).await;
            expect_problem(answer, 403, "auth.permission-denied").await;
        }
    }
    assert_eq!(world.events_about(ada).await.len(), 1);
}
