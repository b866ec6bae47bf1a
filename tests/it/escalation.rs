//! Nobody grants what they do not hold, and writes take the members they list alone (SECURITY rules 1 and 4).

use std::collections::BTreeMap;

use end_to_end::{Kind, Login, Person, Platform};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::Code;

/// The platform's own permissions, by which somebody could have gained something.
const OURS: [&str; 12] = [
    "users:read",
    "users:write",
    "users:delete",
    "roles:read",
    "roles:write",
    "roles:grant",
    "role-assignments:read",
    "role-assignments:write",
    "sessions:read",
    "sessions:write",
    "audits:read",
    "audits:write",
];

/// Somebody with one role of these permissions, named `name`.
pub async fn holder(
    platform: &Platform,
    name: &str,
    permissions: &[&str],
) -> (Person, Login, String) {
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let body = json!({"name": name, "permissions": permissions});
    let role = client
        .post("/api/v1/roles")
        .bearer(admin)
        .json(&body)
        .await
        .must(201)
        .text("id");
    let person = client.newcomer().await;
    let body = json!({"user_id": person.id, "role_id": role});
    let assigned = client
        .post("/api/v1/role-assignments")
        .bearer(admin)
        .json(&body)
        .await;
    let assignment = assigned.must(201).text("id");
    let login = client.log_in(&person).await;
    (person, login, assignment)
}

/// What of ours `user` may do.
async fn allowed(platform: &Platform, user: &str) -> Vec<&'static str> {
    let mut allowed = Vec::new();
    for permission in OURS {
        let body = json!({"user_id": user, "permission": permission});
        let call = platform
            .client
            .post("/api/v1/roles/check")
            .bearer(&platform.admin.access);
        if call.json(&body).await.must(200).json()["allowed"] == true {
            allowed.push(permission);
        }
    }
    allowed
}

#[rstest]
#[tokio::test]
async fn nobody_grants_what_they_do_not_hold(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let (victim, _, victims) = holder(&platform, "strong", &["users:read", "users:delete"]).await;
    let mut callers: Vec<(Person, Login)> = Vec::new();
    let none = client.newcomer_in().await;
    callers.push(none);
    for (name, permissions) in [
        ("writer", ["roles:read", "roles:write"].as_slice()),
        ("assigner", &["roles:read", "role-assignments:write"]),
        (
            "both",
            &["roles:read", "roles:write", "role-assignments:write"],
        ),
    ] {
        let (person, login, _) = holder(&platform, name, permissions).await;
        callers.push((person, login));
    }
    let body = json!({"name": "bystander", "permissions": ["orders:read"]});
    let _ = client
        .post("/api/v1/roles")
        .bearer(admin)
        .json(&body)
        .await
        .must(201);
    let roles = client
        .get("/api/v1/roles?limit=100")
        .bearer(admin)
        .await
        .must(200)
        .items();
    let ids: BTreeMap<String, String> = roles
        .iter()
        .map(|role| {
            (
                role["name"].as_str().unwrap().into(),
                role["id"].as_str().unwrap().into(),
            )
        })
        .collect();

    for (person, login) in &callers {
        let before = allowed(&platform, &person.id).await;
        let role_path = |name: &str| format!("/api/v1/roles/{}", ids[name]);
        let give = |user: &str, role: &str| json!({"user_id": user, "role_id": ids[role]});
        let assignments = "/api/v1/role-assignments";
        let take = format!("{assignments}/{victims}");
        let mut attempts: Vec<(&str, String, Value)> = vec![
            (
                "POST",
                "/api/v1/roles".into(),
                json!({"name": "mine-a", "permissions": ["users:delete"]}),
            ),
            (
                "POST",
                "/api/v1/roles".into(),
                json!({"name": "mine-b", "permissions": ["*"]}),
            ),
            (
                "POST",
                "/api/v1/roles".into(),
                json!({"name": "mine-c", "permissions": ["roles:read", "sessions:write"]}),
            ),
            (
                "POST",
                "/api/v1/roles".into(),
                json!({"name": "mine-d", "permissions": ["orders:read"]}),
            ),
            (
                "PATCH",
                role_path("user"),
                json!({"permissions": ["users:read"]}),
            ),
            ("PATCH", role_path("user"), json!({"permissions": []})),
            ("PATCH", role_path("admin"), json!({"permissions": []})),
            ("PATCH", role_path("strong"), json!({"permissions": []})),
            (
                "PATCH",
                role_path("strong"),
                json!({"description": "renamed"}),
            ),
            ("PATCH", role_path("bystander"), json!({"permissions": []})),
            ("DELETE", role_path("strong"), Value::Null),
            ("DELETE", role_path("admin"), Value::Null),
            ("DELETE", role_path("user"), Value::Null),
            ("DELETE", take, Value::Null),
        ];
        for target in [&person.id, &victim.id] {
            for role in ["strong", "admin", "bystander"] {
                attempts.push(("POST", assignments.into(), give(target, role)));
            }
        }
        for own in ["writer", "assigner", "both"] {
            for more in ["users:write", "*", "audits:read"] {
                let body = json!({"permissions": ["roles:read", "roles:write", "role-assignments:write", more]});
                attempts.push(("PATCH", role_path(own), body));
            }
        }
        for (method, path, body) in attempts {
            let call = client.call(method, &path).bearer(&login.access);
            let call = if body.is_null() {
                call
            } else {
                call.json(&body)
            };
            let answer = call.await;
            let is_refused = matches!(answer.status, 403 | 409 | 422);
            assert!(
                is_refused,
                "{} with {before:?} sent {body}: {answer:?}",
                person.id
            );
        }
        assert_eq!(allowed(&platform, &person.id).await, before);
        let again = client.log_in(person).await;
        assert_eq!(again.claims()["permissions"], login.claims()["permissions"]);
    }
    assert_eq!(
        allowed(&platform, &victim.id).await,
        ["users:read", "users:delete"]
    );

    // Not even an administrator puts `*` elsewhere, or touches the built-in roles' nature.
    for (method, path, body) in [
        (
            "POST",
            "/api/v1/roles".to_owned(),
            json!({"name": "star", "permissions": ["*"]}),
        ),
        (
            "PATCH",
            format!("/api/v1/roles/{}", ids["strong"]),
            json!({"permissions": ["*"]}),
        ),
        (
            "PATCH",
            format!("/api/v1/roles/{}", ids["user"]),
            json!({"permissions": ["*"]}),
        ),
        (
            "PATCH",
            format!("/api/v1/roles/{}", ids["admin"]),
            json!({"permissions": []}),
        ),
        (
            "PATCH",
            format!("/api/v1/roles/{}", ids["admin"]),
            json!({"description": "x"}),
        ),
        (
            "DELETE",
            format!("/api/v1/roles/{}", ids["admin"]),
            Value::Null,
        ),
        (
            "DELETE",
            format!("/api/v1/roles/{}", ids["user"]),
            Value::Null,
        ),
    ] {
        let call = client.call(method, &path).bearer(admin);
        let call = if body.is_null() {
            call
        } else {
            call.json(&body)
        };
        let answer = call.await;
        assert!(
            matches!(answer.status, 403 | 409 | 422),
            "{body}: {answer:?}"
        );
    }
    // What one holds, one may grant: of permissions a role, and the roles one has; a new role is nobody's, and who
    // holds more is left alone.
    let (_, both) = &callers[3];
    let body = json!({"name": "reader", "permissions": ["roles:read"]});
    let role = client
        .post("/api/v1/roles")
        .bearer(&both.access)
        .json(&body)
        .await
        .must(201)
        .text("id");
    let friend = client.newcomer().await;
    let give = |user: &str, role: &str| {
        let body = json!({"user_id": user, "role_id": role});
        let call = client.post("/api/v1/role-assignments");
        call.bearer(&both.access).json(&body)
    };
    give(&friend.id, &role).await.must_be(Code::ROLE_ESCALATION);
    give(&victim.id, &ids["both"])
        .await
        .must_be(Code::USER_TARGET_HOLDS_MORE);
    let made = give(&friend.id, &ids["both"]).await;
    let path = format!("/api/v1/role-assignments/{}", made.must(201).text("id"));
    let _ = client.delete(&path).bearer(&both.access).await.must(204);
    let path = format!("/api/v1/roles/{role}");
    let _ = client.delete(&path).bearer(&both.access).await.must(204);
}

#[rstest]
#[tokio::test]
async fn rights_are_those_of_now_and_not_of_the_token(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let permissions = ["roles:read", "roles:write", "orders:read"];
    let (_, login, assignment) = holder(&platform, "maker", &permissions).await;
    let body = json!({"name": "granted", "permissions": ["orders:read"]});
    let path = format!("/api/v1/role-assignments/{assignment}");
    let _ = client.delete(&path).bearer(admin).await.must(204);
    // At once, not only when every service has heard: the right is read in the change's own transaction.
    let late = client
        .post("/api/v1/roles")
        .bearer(&login.access)
        .json(&body)
        .await;
    assert!(matches!(late.status, 401 | 403), "{late:?}");
}

#[rstest]
#[tokio::test]
async fn writes_take_the_listed_members_alone(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let (person, login) = client.newcomer_in().await;
    let path = format!("/api/v1/users/{}", person.id);
    let before = client.get(&path).bearer(&login.access).await.must(200);
    for (member, value) in [
        ("email", json!("other@example.com")),
        ("email_verified", json!(true)),
        ("username", json!("other")),
        ("phone", json!("+41791234567")),
        ("status", json!("suspended")),
        ("id", json!(platform.chief.id)),
        ("created_at", json!("2020-01-01T00:00:00.000Z")),
        ("password", json!("Quittenbaum am Fluss")),
        ("roles", json!(["admin"])),
        ("permissions", json!(["*"])),
    ] {
        for token in [&login.access, &platform.admin.access] {
            let body = json!({member: value, "given_name": "Changed"});
            let refused = client.patch(&path).bearer(token).json(&body).await;
            refused.must_be(Code::USER_FIELD_READ_ONLY);
            assert_eq!(refused.pointers(), [format!("/{member}")]);
        }
        let mut body = Person::new().registration();
        if ["email", "username", "password", "phone"].contains(&member) {
            continue;
        }
        body[member] = value;
        let refused = client.post("/api/v1/users").json(&body).await;
        refused.must_be(Code::REQUEST_VALIDATION_FAILED);
        assert_eq!(refused.pointers(), [format!("/{member}")]);
    }
    let after = client.get(&path).bearer(&login.access).await.must(200);
    assert_eq!(
        (after.json(), after.header("etag")),
        (before.json(), before.header("etag"))
    );
}
