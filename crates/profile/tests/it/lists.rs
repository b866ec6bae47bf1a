//! Lists and search (SECURITY rules 4, 33 and 34).

use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_kernel::UserId;

use crate::world::{PASSWORD, World, expect_problem, id_of};

async fn list(world: &World, user: UserId, permissions: &[&str], query: &str) -> Value {
    let path = format!("/api/v1/users{query}");
    let answer = world
        .as_user(user, permissions, Method::GET, &path)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

async fn search(world: &World, user: UserId, permissions: &[&str], body: Value) -> Value {
    let request = world.as_user(user, permissions, Method::POST, "/api/v1/users/search");
    let answer = request.json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{body}");
    answer.json().await.unwrap()
}

fn ids(page: &Value) -> Vec<UserId> {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(id_of)
        .collect()
}

#[rstest]
#[tokio::test]
async fn without_the_permission_only_oneself_whatever_is_asked(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let ada = world.register_email("ada@example.org").await;
    world.register_email("bob@example.org").await;
    for query in ["", "?limit=100", "?status=active", "?status=suspended"] {
        assert_eq!(
            ids(&list(&world, ada, &["orders:read"], query).await),
            [ada],
            "{query}"
        );
    }
    for body in [
        json!({}),
        json!({"email": "bob@example.org"}),
        json!({"text": "bob"}),
        json!({"username": "bob"}),
    ] {
        let page = search(&world, ada, &[], body).await;
        assert_eq!(
            (ids(&page), &page["next_cursor"]),
            (vec![ada], &Value::Null)
        );
    }
    let all = list(&world, world.stranger(), &["users:read"], "?limit=1").await;
    let cursor = all["next_cursor"].as_str().unwrap();
    assert_eq!(
        ids(&list(&world, ada, &[], &format!("?cursor={cursor}")).await),
        [ada]
    );
}

#[rstest]
#[tokio::test]
async fn pages_go_through_everybody_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let reader = world.stranger();
    let mut expected = Vec::new();
    for i in 0..5 {
        world.clock.advance(std::time::Duration::from_millis(1));
        expected.push(world.register_email(&format!("u{i}@example.org")).await);
    }
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = list(&world, reader, &["users:read"], &query).await;
        seen.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, expected);
    let boss = world.as_user(
        reader,
        &["*"],
        Method::POST,
        &format!("/api/v1/users/{}/suspend", expected[1]),
    );
    assert_eq!(boss.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(
        ids(&list(&world, reader, &["*"], "?status=suspended").await),
        [expected[1]]
    );
    assert_eq!(
        ids(&list(&world, reader, &["*"], "?status=active").await).len(),
        4
    );
}

#[rstest]
#[tokio::test]
async fn a_search_fits_every_member(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    let reader = world.stranger();
    let ada = json!({"email": "Ada@Example.org", "password": PASSWORD, "username": "countess", "given_name": "Ada", "family_name": "Lovelace"});
    let ada = world.register(&ada).await;
    world.clock.advance(std::time::Duration::from_millis(1));
    let bob = world.register(&json!({"email": "bob@example.org", "password": PASSWORD, "given_name": "Bob", "family_name": "Love"})).await;
    for (body, expected) in [
        (json!({}), vec![ada, bob]),
        (json!({"email": "ADA@example.ORG"}), vec![ada]),
        (json!({"username": "COUNTESS"}), vec![ada]),
        (json!({"text": "LOVE"}), vec![ada, bob]),
        (json!({"text": "love ad"}), vec![ada]),
        (json!({"text": "bob@example"}), vec![bob]),
        (
            json!({"text": "love", "email": "bob@example.org"}),
            vec![bob],
        ),
        (
            json!({"text": "countess", "email": "bob@example.org"}),
            vec![],
        ),
        (json!({"status": "suspended"}), vec![]),
        (json!({"text": "' OR 1=1 --"}), vec![]),
        (json!({"text": "%%"}), vec![]),
    ] {
        let body_text = body.to_string();
        if body["text"].as_str().is_some_and(|t| t.contains("' OR")) {
            let request = world.as_user(
                reader,
                &["users:read"],
                Method::POST,
                "/api/v1/users/search",
            );
            let answer = request.json(&body).send().await.unwrap();
            expect_problem(answer, 422, "request.validation-failed").await;
            continue;
        }
        assert_eq!(
            ids(&search(&world, reader, &["users:read"], body).await),
            expected,
            "{body_text}"
        );
    }
    let first = search(
        &world,
        reader,
        &["users:read"],
        json!({"text": "love", "limit": 1}),
    )
    .await;
    let rest = search(
        &world,
        reader,
        &["users:read"],
        json!({"text": "love", "limit": 1, "cursor": first["next_cursor"]}),
    )
    .await;
    assert_eq!((ids(&first), ids(&rest)), (vec![ada], vec![bob]));

    let renamed = world.as_user(bob, &[], Method::PATCH, &format!("/api/v1/users/{bob}"));
    renamed
        .json(&json!({"family_name": "Hate"}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        ids(&search(&world, reader, &["users:read"], json!({"text": "love"})).await),
        [ada]
    );
    assert_eq!(
        ids(&search(&world, reader, &["users:read"], json!({"text": "hate"})).await),
        [bob]
    );
}
