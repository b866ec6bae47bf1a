//! The requests of docs/PRICES.md about one's own roles, sessions, records and data, and refusals.

use end_to_end::unique;
use serde_json::json;

use crate::{
    audit_log::AuditLog as _,
    openapi::{NOBODY, operations},
    prices::Meter,
    prices_asked::LITTLE,
};

const USER: &str = "GET /api/v1/users/{id}";
const ME: &str = "GET /api/v1/users/me";

/// Asks all of it.
pub async fn everything(meter: &mut Meter) {
    roles(meter).await;
    sessions(meter).await;
    audits(meter).await;
    users(meter).await;
    others(meter).await;
    refusals(meter).await;
}

async fn roles(meter: &mut Meter) {
    let person = meter.client().newcomer().await;
    let admin = meter.platform.admin.access.clone();
    let role = json!({"name": format!("r{}", unique()), "permissions": ["orders:read"]});
    let call = meter.client().post("/api/v1/roles").bearer(&admin);
    let role = call.json(&role).await.must(201).text("id");
    let body = json!({"user_id": person.id, "role_id": role});
    let call = meter
        .client()
        .post("/api/v1/role-assignments")
        .bearer(&admin);
    let assignment = call.json(&body).await.must(201).text("id");
    let login = meter.client().log_in(&person).await;
    let get = |meter: &Meter, path: &str| meter.client().get(path).bearer(&login.access);

    let call = get(meter, "/api/v1/role-assignments");
    let _ = meter
        .ask("GET /api/v1/role-assignments", "", LITTLE, call)
        .await
        .must(200);
    let operation = "GET /api/v1/role-assignments/{id}";
    let call = get(meter, &format!("/api/v1/role-assignments/{assignment}"));
    let _ = meter.ask(operation, "", LITTLE, call).await.must(200);
    let call = get(meter, &format!("/api/v1/role-assignments/{NOBODY}"));
    let _ = meter
        .ask(operation, "unknown", LITTLE, call)
        .await
        .must(404);
    let body = json!({"user_id": person.id, "permission": "orders:read"});
    let call = meter
        .client()
        .post("/api/v1/roles/check")
        .bearer(&login.access);
    let operation = "POST /api/v1/roles/check";
    let _ = meter
        .ask(operation, "", LITTLE, call.json(&body))
        .await
        .must(200);
    let body = json!({"user_id": meter.platform.chief.id, "permission": "orders:read"});
    let call = meter
        .client()
        .post("/api/v1/roles/check")
        .bearer(&login.access);
    let answer = meter
        .ask(operation, "about somebody else", LITTLE, call.json(&body))
        .await;
    let _ = answer.must(403);
}

async fn sessions(meter: &mut Meter) {
    let (person, login) = meter.client().newcomer_in().await;
    let other = meter.client().log_in(&person).await;
    let call = |meter: &Meter, method: &str, path: &str| {
        meter.client().call(method, path).bearer(&login.access)
    };
    let sent = call(meter, "GET", "/api/v1/sessions");
    let _ = meter
        .ask("GET /api/v1/sessions", "", LITTLE, sent)
        .await
        .must(200);
    let path = format!("/api/v1/sessions/{}", other.session);
    let sent = call(meter, "GET", &path);
    let _ = meter
        .ask("GET /api/v1/sessions/{id}", "", LITTLE, sent)
        .await
        .must(200);
    let sent = call(meter, "GET", &format!("/api/v1/sessions/{NOBODY}"));
    let answer = meter
        .ask("GET /api/v1/sessions/{id}", "unknown", LITTLE, sent)
        .await;
    let _ = answer.must(404);
    let sent = call(meter, "DELETE", &path);
    let operation = "DELETE /api/v1/sessions/{id}";
    let _ = meter.ask(operation, "", LITTLE, sent).await.must(204);
    let sent = call(meter, "DELETE", &path);
    let _ = meter
        .ask(operation, "unknown", LITTLE, sent)
        .await
        .must(404);
    let sent = call(meter, "DELETE", "/api/v1/sessions?scope=all");
    let operation = "DELETE /api/v1/sessions";
    let _ = meter.ask(operation, "", LITTLE, sent).await.must(204);
}

async fn audits(meter: &mut Meter) {
    let (_, login) = meter.client().newcomer_in().await;
    meter
        .platform
        .audited("user_logged_in", &login.session)
        .await;
    let get = |meter: &Meter, path: &str| meter.client().get(path).bearer(&login.access);
    let call = get(meter, "/api/v1/audits");
    let answer = meter.ask("GET /api/v1/audits", "", LITTLE, call).await;
    let items = answer.must(200).items();
    let id = items[0]["id"].as_str().unwrap();
    let call = get(meter, &format!("/api/v1/audits/{id}"));
    let operation = "GET /api/v1/audits/{id}";
    let _ = meter.ask(operation, "", LITTLE, call).await.must(200);
    let call = get(meter, &format!("/api/v1/audits/{NOBODY}"));
    let _ = meter
        .ask(operation, "unknown", LITTLE, call)
        .await
        .must(404);
}

async fn users(meter: &mut Meter) {
    let (person, login) = meter.client().newcomer_in().await;
    let path = format!("/api/v1/users/{}", person.id);
    let call = |meter: &Meter, method: &str, path: &str| {
        meter.client().call(method, path).bearer(&login.access)
    };
    let sent = call(meter, "GET", "/api/v1/users");
    let _ = meter
        .ask("GET /api/v1/users", "", LITTLE, sent)
        .await
        .must(200);
    let sent = call(meter, "POST", "/api/v1/users/search").json(&json!({}));
    let _ = meter
        .ask("POST /api/v1/users/search", "", LITTLE, sent)
        .await
        .must(200);
    let sent = call(meter, "GET", "/api/v1/users/me");
    let _ = meter.ask(ME, "", LITTLE, sent).await.must(200);
    let sent = call(meter, "GET", &path);
    let _ = meter.ask(USER, "", LITTLE, sent).await.must(200);
    let sent = call(meter, "GET", &format!("/api/v1/users/{NOBODY}"));
    let _ = meter
        .ask(USER, "somebody else", LITTLE, sent)
        .await
        .must(404);
    let operation = "PATCH /api/v1/users/{id}";
    let change = json!({"given_name": "Ada"});
    let sent = call(meter, "PATCH", &path).json(&change);
    let _ = meter.ask(operation, "", LITTLE, sent).await.must(200);
    let sent = call(meter, "PATCH", &path).json(&change);
    let answer = meter
        .ask(operation, "that changes nothing", LITTLE, sent)
        .await;
    let _ = answer.must(200);
    let sent = call(meter, "PATCH", &path).json(&json!({"timezone": "nowhere at all"}));
    let _ = meter
        .ask(operation, "wrong members", LITTLE, sent)
        .await
        .must(422);
    let sent = call(meter, "DELETE", &path);
    let _ = meter
        .ask("DELETE /api/v1/users/{id}", "", LITTLE, sent)
        .await
        .must(204);
}

/// Asks what a user may ask for themselves and nothing above has asked: the operations of a further service, those with
/// a body or a parameter in their path excepted.
async fn others(meter: &mut Meter) {
    let (_, login) = meter.client().newcomer_in().await;
    for operation in operations(&meter.platform).await {
        let is_own = operation.is_guarded && operation.permissions.is_empty();
        let is_plain = !operation.has_body && !operation.has_form && !operation.path.contains('{');
        let name = format!("{} {}", operation.method, operation.path);
        if is_own && is_plain && !meter.has_asked(&name) {
            let call = meter.client().call(&operation.method, &operation.path);
            let call = call.bearer(&login.access);
            let answer = meter.ask(name.leak(), "", LITTLE, call).await;
            assert!((200..300).contains(&answer.status), "{answer:?}");
        }
    }
}

async fn refusals(meter: &mut Meter) {
    let (_, login) = meter.client().newcomer_in().await;
    let call = meter.client().get("/api/v1/roles").bearer(&login.access);
    let answer = meter
        .ask("GET /api/v1/roles", "without the permission", LITTLE, call)
        .await;
    let _ = answer.must(403);
    let call = meter.client().get("/api/v1/users/a/b/c");
    let _ = meter
        .ask("GET any", "no such path", LITTLE, call)
        .await
        .must(404);
    let call = meter.client().put("/api/v1/users/me");
    let _ = meter
        .ask("PUT any", "no such method", LITTLE, call)
        .await
        .must(405);
    let call = meter.client().post("/api/v1/auth/login");
    let call = call.body("text/plain", "x");
    let answer = meter
        .ask("POST any", "another content type", LITTLE, call)
        .await;
    let _ = answer.must(415);
    let call = meter.client().post("/api/v1/auth/login");
    let call = call.body("application/json", "{");
    let _ = meter
        .ask("POST any", "no JSON", LITTLE, call)
        .await
        .must(400);
    let call = meter.client().post("/api/v1/auth/login");
    let call = call.body("application/json", vec![b' '; 1 << 20]);
    let answer = meter.ask("POST any", "too large", LITTLE, call).await;
    let _ = answer.must(413);
}
