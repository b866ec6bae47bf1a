//! Roles, assignments and the tokens that carry them.

use std::time::{Duration, Instant};

use end_to_end::{Client, Kind, Platform, eventually};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::{Clock, Code, Timestamp};

const STALE: [Code; 1] = [Code::AUTH_TOKEN_STALE];

/// Makes a role as the administrator; its id.
async fn make_role(platform: &Platform, name: &str, permissions: &[&str]) -> String {
    let body = json!({"name": name, "permissions": permissions});
    let call = platform
        .client
        .post("/api/v1/roles")
        .bearer(&platform.admin.access)
        .json(&body);
    call.await.must(201).text("id")
}

/// Assigns a role as the administrator; the assignment's id.
async fn assign(platform: &Platform, user: &str, role: &str) -> String {
    let body = json!({"user_id": user, "role_id": role});
    let call = platform
        .client
        .post("/api/v1/role-assignments")
        .bearer(&platform.admin.access);
    call.json(&body).await.must(201).text("id")
}

async fn check(client: &Client, token: &str, user: &str, permission: &str) -> Value {
    let body = json!({"user_id": user, "permission": permission});
    client
        .post("/api/v1/roles/check")
        .bearer(token)
        .json(&body)
        .await
        .must(200)
        .json()
}

#[rstest]
#[tokio::test]
async fn a_role_comes_with_the_next_token_and_goes_at_once(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let (person, login) = client.newcomer_in().await;

    let body = json!({"name": "clerk", "description": "Reads orders",
        "permissions": ["orders:read", "roles:read"]});
    let made = client
        .post("/api/v1/roles")
        .bearer(admin)
        .json(&body)
        .await
        .must(201);
    let role = made.text("id");
    let path = format!("/api/v1/roles/{role}");
    assert_eq!(made.header("location"), Some(path.clone()));
    let read = client.get(&path).bearer(admin).await.must(200);
    assert_eq!(read.json(), made.json());
    assert_eq!(read.json()["built_in"], false);
    let again = client.post("/api/v1/roles").bearer(admin).json(&body).await;
    again.must_be(Code::ROLE_NAME_TAKEN);
    let names: Vec<Value> = client
        .get("/api/v1/roles?limit=100")
        .bearer(admin)
        .await
        .must(200)
        .items();
    let names: Vec<&str> = names
        .iter()
        .map(|role| role["name"].as_str().unwrap())
        .collect();
    for name in ["admin", "user", "clerk"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }

    // Assigned: at once in checks, in the token with the next refresh.
    let assignment = assign(&platform, &person.id, &role).await;
    let body = json!({"user_id": person.id, "role_id": role});
    let twice = client
        .post("/api/v1/role-assignments")
        .bearer(admin)
        .json(&body)
        .await;
    twice.must_be(Code::ROLE_ALREADY_ASSIGNED);
    let answer = check(client, &login.access, &person.id, "orders:read").await;
    assert_eq!(answer, json!({"allowed": true, "because": ["clerk"]}));
    let answer = check(client, &login.access, &person.id, "orders:write").await;
    assert_eq!(answer, json!({"allowed": false, "because": []}));
    client
        .get(&path)
        .bearer(&login.access)
        .await
        .must_be(Code::AUTH_PERMISSION_DENIED);
    let with = client.refresh(&login).await;
    assert_eq!(with.claims()["roles"], json!(["clerk", "user"]));
    assert_eq!(
        with.claims()["permissions"],
        json!(["orders:read", "roles:read"])
    );
    let _ = client.get(&path).bearer(&with.access).await.must(200);
    let own = client
        .get("/api/v1/role-assignments")
        .bearer(&with.access)
        .await
        .must(200);
    assert_eq!(own.items()[0]["id"], assignment.as_str());
    platform.accepted_everywhere(&with.access).await;

    // A permission is taken from the role.
    let etag = client
        .get(&path)
        .bearer(admin)
        .await
        .must(200)
        .header("etag")
        .unwrap();
    let body = json!({"permissions": ["roles:read", "orders:list"]});
    let patch = || {
        client
            .patch(&path)
            .bearer(admin)
            .header("if-match", &etag)
            .json(&body)
    };
    let patched = patch().await.must(200);
    let since = Instant::now();
    assert!(patched.header("revocation").is_none(), "{patched:?}");
    platform
        .refused_everywhere(&with.access, since, &STALE)
        .await;
    patch().await.must_be(Code::REQUEST_PRECONDITION_FAILED);
    let less = client.refresh(&with).await;
    assert_eq!(
        less.claims()["permissions"],
        json!(["orders:list", "roles:read"])
    );
    platform.accepted_everywhere(&less.access).await;

    // The assignment is removed.
    let removal = format!("/api/v1/role-assignments/{assignment}");
    let _ = client.delete(&removal).bearer(admin).await.must(204);
    platform
        .refused_everywhere(&less.access, Instant::now(), &STALE)
        .await;
    let without = client.refresh(&less).await;
    assert_eq!(without.claims()["roles"], json!(["user"]));
    client
        .get(&path)
        .bearer(&without.access)
        .await
        .must_be(Code::AUTH_PERMISSION_DENIED);

    // The role is deleted under its holder.
    let _ = assign(&platform, &person.id, &role).await;
    let with = client.refresh(&without).await;
    platform.accepted_everywhere(&with.access).await;
    let _ = client.delete(&path).bearer(admin).await.must(204);
    platform
        .refused_everywhere(&with.access, Instant::now(), &STALE)
        .await;
    let last = client.refresh(&with).await;
    assert_eq!(last.claims()["roles"], json!(["user"]));
    client
        .get(&path)
        .bearer(admin)
        .await
        .must_be(Code::ROLE_NOT_FOUND);
    platform.accepted_everywhere(admin).await;
}

#[rstest]
#[tokio::test]
async fn an_assignment_ends_by_itself(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let (person, login) = client.newcomer_in().await;
    let role = make_role(&platform, "guest", &["roles:read"]).await;
    // Whole seconds: tokens count no others.
    let end = Timestamp::from_secs(Clock::system().now().as_secs() + 9);
    let body = json!({"user_id": person.id, "role_id": role, "expires_at": end.to_string()});
    let made = client
        .post("/api/v1/role-assignments")
        .bearer(admin)
        .json(&body)
        .await
        .must(201);
    assert_eq!(made.json()["expires_at"], end.to_string());

    let with = client.refresh(&login).await;
    assert!(
        with.claims()["exp"].as_i64().unwrap() <= end.as_secs(),
        "{}",
        with.claims()
    );
    let _ = client
        .get("/api/v1/roles")
        .bearer(&with.access)
        .await
        .must(200);
    let answer = check(client, admin, &person.id, "roles:read").await;
    assert_eq!(answer["allowed"], true);

    // From that second on it gives nothing: in checks, in new tokens, in tokens already out (SECURITY 4).
    eventually(Duration::from_secs(15), "the assignment ends", || async {
        let allowed = check(client, admin, &person.id, "roles:read").await["allowed"].clone();
        let is_over = Clock::system().now() >= end;
        assert!(is_over || allowed == true, "too early");
        (allowed == false).then_some(())
    })
    .await;
    let late = Clock::system().now().since(end);
    assert!(
        late < Duration::from_secs(1),
        "checks still allowed it {late:?} after its end"
    );
    let used = client.get("/api/v1/roles").bearer(&with.access).await;
    assert_ne!(
        used.status, 200,
        "a token outlives the assignment it reflects"
    );
    let next = client.refresh(&with).await;
    assert_eq!(next.claims()["roles"], json!(["user"]));

    // The role of administrators never ends by itself.
    let admins = client
        .get("/api/v1/roles?limit=100")
        .bearer(admin)
        .await
        .must(200)
        .items();
    let admins = admins.iter().find(|role| role["name"] == "admin").unwrap()["id"].clone();
    let later = Clock::system()
        .now()
        .plus(Duration::from_secs(3600))
        .to_string();
    let body = json!({"user_id": person.id, "role_id": admins, "expires_at": later});
    let refused = client
        .post("/api/v1/role-assignments")
        .bearer(admin)
        .json(&body)
        .await;
    assert!(matches!(refused.status, 409 | 422), "{refused:?}");
}

#[rstest]
#[tokio::test]
async fn roles_have_bounds(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let person = client.newcomer().await;
    let post = |body: Value| client.post("/api/v1/roles").bearer(admin).json(&body);

    let many = |count: usize| (0..count).map(|n| format!("p:a{n}")).collect::<Vec<_>>();
    let _ = post(json!({"name": "hundred", "permissions": many(100)}))
        .await
        .must(201);
    let over = post(json!({"name": "more", "permissions": many(101)})).await;
    assert_eq!(over.status, 422, "{over:?}");
    for bad in [
        "Admin",
        "1st",
        "with space",
        "comma,name",
        "",
        "x\u{e9}",
        &"r".repeat(64),
    ] {
        let refused = post(json!({"name": bad, "permissions": []})).await;
        refused.must_be(Code::REQUEST_VALIDATION_FAILED);
    }
    for bad in [
        "orders",
        "orders:",
        ":read",
        "Orders:read",
        "orders:read:all",
        "*:*",
        "orders:*",
        "",
    ] {
        let refused = post(json!({"name": "other", "permissions": [bad]})).await;
        refused.must_be(Code::REQUEST_VALIDATION_FAILED);
    }
    // Twenty roles a user.
    for number in 0..20 {
        let role = make_role(&platform, &format!("r{number}"), &[]).await;
        let _ = assign(&platform, &person.id, &role).await;
    }
    let role = make_role(&platform, "one-too-many", &[]).await;
    let body = json!({"user_id": person.id, "role_id": role});
    let over = client
        .post("/api/v1/role-assignments")
        .bearer(admin)
        .json(&body)
        .await;
    over.must_be(Code::ROLE_TOO_MANY_PERMISSIONS);
    // And 2,500 bytes of names in effect: a token stays small.
    let long = |from: usize| (from..from + 90).map(|n| format!("{}:{n:0>20}", "w".repeat(8)));
    let long = |from: usize| {
        long(from)
            .map(|p| p.replacen(":0", ":v", 1))
            .collect::<Vec<_>>()
    };
    let other = client.newcomer().await;
    let body = json!({"name": "wide", "permissions": long(0)});
    let wide = post(body).await;
    if wide.status == 201 {
        let body = json!({"user_id": other.id, "role_id": wide.text("id")});
        let over = client
            .post("/api/v1/role-assignments")
            .bearer(admin)
            .json(&body)
            .await;
        over.must_be(Code::ROLE_TOO_MANY_PERMISSIONS);
    } else {
        wide.must_be(Code::ROLE_TOO_MANY_PERMISSIONS);
    }
    let login = client.log_in(&other).await;
    assert!(login.access.len() <= 4096);
    // Nobody who does not live gets a role.
    let unknown = ud_kernel::UserId::new(Clock::system().now()).to_string();
    let body = json!({"user_id": unknown, "role_id": role});
    let refused = client
        .post("/api/v1/role-assignments")
        .bearer(admin)
        .json(&body)
        .await;
    refused.must_be(Code::ROLE_UNKNOWN_USER);
}
