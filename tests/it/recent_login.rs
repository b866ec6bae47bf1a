//! What needs a login of the last five minutes, and nothing else does (SECURITY rule 5, RFC 9470).

use end_to_end::{Kind, Login, Options, Platform, claims_of};
use rstest::rstest;
use serde_json::{Value, json};
use ud_jwt::{AccessClaims, SigningKey};
use ud_kernel::Code;

use crate::openapi::{NOBODY, fill, operations};

const SECRET: &str = "a secret that only this test shares with the services";

/// What the platform promises to ask a recent login for.
const RECENT: [(&str, &str); 10] = [
    ("DELETE", "/api/v1/users/{id}"),
    ("DELETE", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions/{id}"),
    ("POST", "/api/v1/roles"),
    ("PATCH", "/api/v1/roles/{id}"),
    ("DELETE", "/api/v1/roles/{id}"),
    ("POST", "/api/v1/role-assignments"),
    ("DELETE", "/api/v1/role-assignments/{id}"),
    ("POST", "/api/v1/auth/keys/rotate"),
    ("POST", "/api/v1/auth/keys/{kid}/revoke"),
];

/// A platform whose tokens a test can sign: with a shared secret every verifier is an issuer.
async fn start(kind: Kind) -> Platform {
    Options::new(kind)
        .set("JWT_SECRET_KEY", SECRET)
        .set("JWT_ALLOW_SHARED_SECRET", "true")
        .start()
        .await
}

/// The same token, as if its session's login were `seconds` older.
fn aged(token: &str, seconds: i64) -> String {
    let mut claims: AccessClaims = serde_json::from_value(claims_of(token)).unwrap();
    claims.auth_time -= seconds;
    SigningKey::from_secret(SECRET.as_bytes())
        .unwrap()
        .sign(&claims)
        .unwrap()
}

fn auth_time(login: &Login) -> i64 {
    claims_of(&login.access)["auth_time"].as_i64().unwrap()
}

#[rstest]
#[tokio::test]
async fn an_old_login_is_asked_to_prove_itself_again(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = start(kind).await;
    let client = &platform.client;
    let old = aged(&platform.admin.access, 300);
    let operations = operations(&platform).await;
    let mut marked = Vec::new();
    for operation in operations.iter().filter(|o| o.is_guarded) {
        // Ends the session that asks; of others below.
        if operation.path == "/api/v1/auth/logout" {
            continue;
        }
        let mut path = fill(&operation.path, NOBODY);
        if operation.method == "DELETE" && path == "/api/v1/sessions" {
            path.push_str("?scope=others");
        }
        let call = client.call(&operation.method, &path);
        let call = if operation.has_form {
            call.body("application/x-www-form-urlencoded", "token=x")
        } else {
            call.json(&json!({}))
        };
        let answer = call.bearer(&old).await;
        let is_asked = answer.code() == Some(Code::AUTH_REAUTHENTICATION_REQUIRED.as_str());
        assert_eq!(
            is_asked,
            operation.max_login_age == Some(300),
            "{operation:?}: {answer:?}"
        );
        if is_asked {
            assert_eq!(answer.status, 401);
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"insufficient_user_authentication\""));
            assert!(challenge.contains("max_age=300"), "{challenge}");
            marked.push((operation.method.as_str(), operation.path.as_str()));
        }
    }
    marked.sort_unstable();
    let mut wanted = RECENT.to_vec();
    wanted.sort_unstable();
    assert_eq!(marked, wanted);
    // Nothing of it happened, and the password makes the session good for it again.
    platform.accepted_everywhere(&platform.admin.access).await;
    let role = json!({"name": "librarian", "permissions": ["books:read"]});
    let make = |token: &str| client.post("/api/v1/roles").bearer(token).json(&role);
    make(&old)
        .await
        .must_be(Code::AUTH_REAUTHENTICATION_REQUIRED);
    let proved = client.reauthenticate(&platform.admin, &platform.chief.password);
    let proved = Login::from_answer(proved.await.must(200));
    assert_eq!(proved.session, platform.admin.session);
    assert!(auth_time(&proved) >= auth_time(&platform.admin));
    let _ = make(&proved.access).await.must(201);
    // A refresh proves nothing.
    let next = client.refresh(&proved).await;
    assert_eq!(auth_time(&next), auth_time(&proved));
}

/// Every way to end other sessions.
fn endings(other: &Login) -> [(&'static str, String, Value); 4] {
    [
        (
            "DELETE",
            format!("/api/v1/sessions/{}", other.session),
            json!(null),
        ),
        (
            "DELETE",
            "/api/v1/sessions?scope=others".to_owned(),
            json!(null),
        ),
        (
            "DELETE",
            "/api/v1/sessions?scope=all".to_owned(),
            json!(null),
        ),
        (
            "POST",
            "/api/v1/auth/logout".to_owned(),
            json!({"all": true}),
        ),
    ]
}

#[rstest]
#[tokio::test]
async fn a_stolen_token_of_an_old_login_ends_no_session_but_its_own(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = start(kind).await;
    let client = &platform.client;
    let (person, here) = client.newcomer_in().await;
    let other = client.log_in(&person).await;
    let old = aged(&here.access, 300);
    for (method, path, body) in endings(&other) {
        let call = client.call(method, &path).bearer(&old);
        let call = if body.is_null() {
            call
        } else {
            call.json(&body)
        };
        call.await.must_be(Code::AUTH_REAUTHENTICATION_REQUIRED);
    }
    platform.accepted_everywhere(&other.access).await;
    platform.accepted_everywhere(&here.access).await;
    // Its own it may end, by either way.
    let own = format!("/api/v1/sessions/{}", here.session);
    let _ = client.delete(&own).bearer(&old).await.must(204);
    let old = aged(&other.access, 300);
    let _ = client
        .post("/api/v1/auth/logout")
        .bearer(&old)
        .await
        .must(204);
}
