//! Every state change appears in the audit log, and only those see it who may.

use end_to_end::{Kind, Person, Platform};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::Code;

use crate::audit_log::AuditLog as _;

#[rstest]
#[tokio::test]
async fn every_change_is_recorded(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = platform.client_at(7, 7);
    let (admin, chief) = (platform.admin.access.as_str(), platform.chief.id.as_str());

    // The user's own doings.
    let person = Person::new();
    let created = client
        .post("/api/v1/users")
        .json(&person.registration())
        .await
        .must(201);
    let id = created.text("id");
    let id = id.as_str();
    let user_created = platform.audited("user_created", id).await;
    assert_eq!(
        user_created["request_id"].as_str(),
        created.header("x-request-id").as_deref()
    );
    assert_eq!(user_created["ip"], "127.0.7.7", "{user_created}");
    platform.audited("credentials_created", id).await;
    let in_answer = client
        .try_log_in(&person.email, &person.password)
        .await
        .must(200);
    let login = end_to_end::Login::from_answer(in_answer.clone());
    platform
        .audited_as("user_logged_in", &login.session, Some(id), &in_answer)
        .await;
    let body = json!({"family_name": "Zumthor"});
    let path = format!("/api/v1/users/{id}");
    let patched = client
        .patch(&path)
        .bearer(&login.access)
        .json(&body)
        .await
        .must(200);
    platform
        .audited_as("user_updated", id, Some(id), &patched)
        .await;
    let new = Person::password();
    let changed = client.change_password(&login, &person.password, &new);
    let changed = changed.await.must(200);
    platform
        .audited_as("password_changed", id, Some(id), &changed)
        .await;
    let denied = client
        .get("/api/v1/roles")
        .bearer(&login.access)
        .await
        .must(403);
    let denials = platform.records_by("permission_denied", id).await;
    assert_eq!(
        denials[0]["request_id"].as_str(),
        denied.header("x-request-id").as_deref()
    );
    assert_eq!(denials[0]["outcome"], "failure");
    let out = client
        .post("/api/v1/auth/logout")
        .bearer(&login.access)
        .await
        .must(204);
    platform
        .audited_as("session_closed", &login.session, Some(id), &out)
        .await;
    let wrong = client
        .try_log_in(&person.email, "wrong wrong wrong wrong")
        .await
        .must(401);
    let failed = platform.record_of_request("login_failed", &wrong).await;
    assert_eq!(
        (&failed["outcome"], &failed["ip"]),
        (&json!("failure"), &json!("127.0.7.7"))
    );

    // The administrator's.
    let body = json!({"name": "recorded", "permissions": ["orders:read", "orders:write"]});
    let made = client
        .post("/api/v1/roles")
        .bearer(admin)
        .json(&body)
        .await
        .must(201);
    let role = made.text("id");
    platform
        .audited_as("role_created", &role, Some(chief), &made)
        .await;
    let role_path = format!("/api/v1/roles/{role}");
    let body = json!({"permissions": ["orders:read"]});
    let changed = client
        .patch(&role_path)
        .bearer(admin)
        .json(&body)
        .await
        .must(200);
    platform
        .audited_as("role_updated", &role, Some(chief), &changed)
        .await;
    let body = json!({"user_id": id, "role_id": role});
    let assigned = client
        .post("/api/v1/role-assignments")
        .bearer(admin)
        .json(&body)
        .await
        .must(201);
    platform
        .audited_as("role_assigned", id, Some(chief), &assigned)
        .await;
    let assignment = format!("/api/v1/role-assignments/{}", assigned.text("id"));
    let removed = client.delete(&assignment).bearer(admin).await.must(204);
    platform
        .audited_as("role_unassigned", id, Some(chief), &removed)
        .await;
    let gone = client.delete(&role_path).bearer(admin).await.must(204);
    platform
        .audited_as("role_deleted", &role, Some(chief), &gone)
        .await;
    let suspended = client
        .post(&format!("{path}/suspend"))
        .bearer(admin)
        .await
        .must(200);
    platform
        .audited_as("user_suspended", id, Some(chief), &suspended)
        .await;
    let back = client
        .post(&format!("{path}/reactivate"))
        .bearer(admin)
        .await
        .must(200);
    platform
        .audited_as("user_reactivated", id, Some(chief), &back)
        .await;
    let read = client.get(&path).bearer(admin).await.must(200);
    let reading = platform.record_of_request("admin_read", &read).await;
    assert_eq!(reading["actor_id"], chief, "{reading}");
    let deleted = client.delete(&path).bearer(admin).await.must(204);
    platform
        .audited_as("user_deleted", id, Some(chief), &deleted)
        .await;

    // Nothing twice, and no personal data in it.
    for (action, target) in [
        ("user_created", id),
        ("user_deleted", id),
        ("role_created", &role),
    ] {
        assert_eq!(platform.records(action, target).await.len(), 1, "{action}");
    }
    let everything = platform.records_by("", id).await;
    let text = serde_json::to_string(&everything).unwrap();
    for secret in [&person.email, &person.username, &person.password, "Zumthor"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[rstest]
#[tokio::test]
async fn others_write_records_and_nobody_changes_one(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let (person, login) = client.newcomer_in().await;
    let post = |token: &str, body: &Value| client.post("/api/v1/audits").bearer(token).json(body);
    let body = json!({"action": "order_placed", "actor_id": person.id, "target_type": "order",
        "target_id": "order-17", "outcome": "success", "metadata": {"total": 12.5, "lines": [1, 2]}});
    post(&login.access, &body)
        .await
        .must_be(Code::AUTH_PERMISSION_DENIED);
    let made = post(admin, &body).await.must(201);
    let id = made.text("id");
    assert_eq!(
        made.header("location"),
        Some(format!("/api/v1/audits/{id}"))
    );
    let path = format!("/api/v1/audits/{id}");
    let read = client.get(&path).bearer(admin).await.must(200);
    assert_eq!(read.json(), made.json());
    assert_eq!(read.json()["metadata"], body["metadata"]);
    assert_eq!(read.json()["action"], "order_placed");

    // Names of the platform's own events are not to be had.
    for name in [
        "user_deleted",
        "role_assigned",
        "login_failed",
        "admin_read",
    ] {
        let mut forged = body.clone();
        forged["action"] = json!(name);
        post(admin, &forged)
            .await
            .must_be(Code::AUDIT_ACTION_RESERVED);
    }
    // With a key, once.
    let key = end_to_end::unique();
    let keyed = || post(admin, &body).header("idempotency-key", &key);
    let (first, second) = (keyed().await.must(201), keyed().await.must(201));
    assert_eq!(first.text("id"), second.text("id"));

    // The log only grows.
    for method in ["PUT", "PATCH", "DELETE"] {
        for path in [path.as_str(), "/api/v1/audits"] {
            client
                .call(method, path)
                .bearer(admin)
                .await
                .must_be(Code::REQUEST_METHOD_NOT_ALLOWED);
        }
    }
}

#[rstest]
#[tokio::test]
async fn one_sees_ones_own_records_and_no_others(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let (person, login) = client.newcomer_in().await;
    let (other, other_login) = client.newcomer_in().await;
    platform.audited("user_logged_in", &login.session).await;
    let theirs = platform
        .audited("user_logged_in", &other_login.session)
        .await;

    let list = |query: &str| {
        client
            .get(&format!("/api/v1/audits{query}"))
            .bearer(&login.access)
    };
    for query in [
        String::new(),
        format!("?actor_id={}", other.id),
        format!("?target_id={}", other.id),
        "?action=user_logged_in&limit=100".to_owned(),
    ] {
        for item in list(&query).await.must(200).items() {
            assert_eq!(item["actor_id"], person.id.as_str(), "{query}: {item}");
        }
    }
    let own = list("?action=user_logged_in").await.must(200).items();
    assert_eq!(own.len(), 1);
    let path = |record: &Value| format!("/api/v1/audits/{}", record["id"].as_str().unwrap());
    let _ = client
        .get(&path(&own[0]))
        .bearer(&login.access)
        .await
        .must(200);
    let foreign = client.get(&path(&theirs)).bearer(&login.access).await;
    foreign.must_be(Code::AUDIT_RECORD_NOT_FOUND);

    // A cursor holds a position, not a right (SECURITY 4).
    let page = client
        .get("/api/v1/audits?limit=1")
        .bearer(&platform.admin.access)
        .await
        .must(200);
    let cursor = page.text("next_cursor");
    for item in list(&format!("?limit=100&cursor={cursor}"))
        .await
        .must(200)
        .items()
    {
        assert_eq!(item["actor_id"], person.id.as_str(), "{item}");
    }
}

#[rstest]
#[tokio::test]
async fn pages_hold_every_record_once_while_the_log_grows(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let write = async |number: usize| {
        let body = json!({"action": "counted", "target_type": "thing", "outcome": "success",
            "target_id": number.to_string()});
        let _ = client
            .post("/api/v1/audits")
            .bearer(admin)
            .json(&body)
            .await
            .must(201);
    };
    for number in 0..20 {
        write(number).await;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/audits?action=counted&limit=3{cursor}");
        let page = client.get(&path).bearer(admin).await.must(200);
        assert!(page.items().len() <= 3);
        seen.extend(
            page.items()
                .iter()
                .map(|item| item["target_id"].as_str().unwrap().to_owned()),
        );
        if seen.len() < 30 {
            write(100 + seen.len()).await;
        }
        match page.json().get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for number in 0..20 {
        let count = seen.iter().filter(|id| **id == number.to_string()).count();
        assert_eq!(count, 1, "record {number} in {seen:?}");
    }
}
