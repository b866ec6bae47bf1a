//! Suspending, reactivating and deleting users.

use std::time::{Duration, Instant};

use end_to_end::{Kind, Person, Platform, eventually};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::Code;

#[rstest]
#[tokio::test]
async fn suspension_bites_and_ends(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let (person, login) = client.newcomer_in().await;
    let path = format!("/api/v1/users/{}", person.id);
    platform.accepted_everywhere(&login.access).await;

    let suspend = client
        .post(&format!("{path}/suspend"))
        .bearer(admin)
        .await
        .must(200);
    let since = Instant::now();
    assert_eq!(suspend.json()["status"], "suspended");
    assert!(suspend.header("revocation").is_none(), "{suspend:?}");
    platform
        .refused_everywhere(&login.access, since, &[Code::AUTH_SESSION_CLOSED])
        .await;
    client
        .try_refresh(&login.refresh)
        .await
        .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    // Only after a right password (SECURITY 12).
    let right = client.try_log_in(&person.email, &person.password).await;
    right.must_be(Code::AUTH_ACCOUNT_SUSPENDED);
    let wrong = client
        .try_log_in(&person.email, "wrong wrong wrong wrong")
        .await;
    wrong.must_be(Code::AUTH_INVALID_CREDENTIALS);

    let back = client
        .post(&format!("{path}/reactivate"))
        .bearer(admin)
        .await
        .must(200);
    assert_eq!(back.json()["status"], "active");
    let again = client.log_in(&person).await;
    platform.accepted_everywhere(&again.access).await;
    // What was closed stays closed.
    let old = client.get("/api/v1/users/me").bearer(&login.access).await;
    old.must_be(Code::AUTH_SESSION_CLOSED);
    client
        .try_refresh(&login.refresh)
        .await
        .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
}

#[rstest]
#[tokio::test]
async fn deletion_bites_and_leaves_nothing(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let (person, _) = client.newcomer_in().await;
    let body = json!({"name": "left-behind", "permissions": ["orders:read"]});
    let role = client
        .post("/api/v1/roles")
        .bearer(admin)
        .json(&body)
        .await
        .must(201)
        .text("id");
    let body = json!({"user_id": person.id, "role_id": role});
    let assign = client
        .post("/api/v1/role-assignments")
        .bearer(admin)
        .json(&body);
    let _ = assign.await.must(201);
    let login = client.log_in(&person).await;
    platform.accepted_everywhere(&login.access).await;

    // By the user themselves.
    let path = format!("/api/v1/users/{}", person.id);
    let _ = client.delete(&path).bearer(&login.access).await.must(204);
    let since = Instant::now();
    // Auth closes the session, and role, which takes the roles away, makes its tokens stale: verifiers hear of either first.
    let codes = [Code::AUTH_SESSION_CLOSED, Code::AUTH_TOKEN_STALE];
    platform
        .refused_everywhere(&login.access, since, &codes)
        .await;
    client
        .try_refresh(&login.refresh)
        .await
        .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    for identifier in [&person.email, &person.username] {
        let gone = client.try_log_in(identifier, &person.password).await;
        gone.must_be(Code::AUTH_INVALID_CREDENTIALS);
    }
    // What an administrator may still see holds nothing personal.
    let seen = client.get(&path).bearer(admin).await;
    assert!(matches!(seen.status, 200 | 404), "{seen:?}");
    let seen = String::from_utf8_lossy(&seen.body).into_owned();
    assert!(
        !seen.contains(&person.email) && !seen.contains(&person.username),
        "{seen}"
    );
    let body = json!({"email": person.email});
    let found = client
        .post("/api/v1/users/search")
        .bearer(admin)
        .json(&body)
        .await
        .must(200);
    assert_eq!(found.items().len(), 0, "{found:?}");
    let list = format!("/api/v1/role-assignments?user_id={}", person.id);
    eventually(
        Duration::from_secs(10),
        "the assignments are gone",
        || async {
            let left = client.get(&list).bearer(admin).await.must(200).items();
            left.is_empty().then_some(())
        },
    )
    .await;
    // The name is kept for 180 days (SECURITY 6).
    let mut namesake = Person::new().registration();
    namesake["username"] = json!(person.username);
    let again = client.post("/api/v1/users").json(&namesake).await;
    again.must_be(Code::USER_USERNAME_TAKEN);
    // Nobody acts on who is gone.
    for path in [format!("{path}/suspend"), format!("{path}/reactivate")] {
        let refused = client.post(&path).bearer(admin).await;
        assert!(matches!(refused.status, 404 | 409), "{refused:?}");
    }
}

#[rstest]
#[tokio::test]
async fn users_are_listed_and_searched(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let mut known = vec![platform.chief.id.clone()];
    let mut people = Vec::new();
    for _ in 0..5 {
        let person = client.newcomer().await;
        known.push(person.id.clone());
        people.push(person);
    }
    let suspend = format!("/api/v1/users/{}/suspend", people[0].id);
    let _ = client.post(&suspend).bearer(admin).await.must(200);

    let mut listed: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/users?limit=2{cursor}");
        let page = client.get(&path).bearer(admin).await.must(200);
        let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
        listed.extend(page.items().iter().map(id));
        match page.json().get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);

    let suspended = client
        .get("/api/v1/users?status=suspended")
        .bearer(admin)
        .await
        .must(200);
    assert_eq!(suspended.items().len(), 1);
    assert_eq!(suspended.items()[0]["id"], people[0].id.as_str());
    let search = |body: Value| {
        client
            .post("/api/v1/users/search")
            .bearer(admin)
            .json(&body)
    };
    for body in [
        json!({"email": people[1].email.to_uppercase()}),
        json!({"username": people[1].username}),
        json!({"text": people[1].username}),
    ] {
        let found = search(body).await.must(200).items();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["id"], people[1].id.as_str());
    }
    let none = search(json!({"email": "nobody@example.com"}))
        .await
        .must(200);
    assert_eq!(none.items().len(), 0);

    // Who may not read users finds themselves alone, whatever they ask (SECURITY 4).
    let login = client.log_in(&people[2]).await;
    let body = json!({"email": people[1].email});
    for answer in [
        client.get("/api/v1/users").bearer(&login.access).await,
        client
            .get("/api/v1/users?status=suspended")
            .bearer(&login.access)
            .await,
        client
            .post("/api/v1/users/search")
            .bearer(&login.access)
            .json(&body)
            .await,
        client
            .post("/api/v1/users/search")
            .bearer(&login.access)
            .json(&json!({}))
            .await,
    ] {
        for item in answer.must(200).items() {
            assert_eq!(item["id"], people[2].id.as_str(), "{item}");
        }
    }
}
