//! A user's own account, from the registration on.

use std::time::Instant;

use end_to_end::{Kind, Login, Person, Platform, claims_of};
use rstest::rstest;
use serde_json::json;
use ud_kernel::Code;

use crate::audit_log::AuditLog as _;

#[rstest]
#[tokio::test]
async fn from_registration_to_logout(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;

    // Registration.
    let person = Person::new();
    let mut body = person.registration();
    body["given_name"] = json!("Wilhelmina");
    body["phone"] = json!("+41791234567");
    body["locale"] = json!("de-CH");
    body["timezone"] = json!("Europe/Zurich");
    let created = client.post("/api/v1/users").json(&body).await.must(201);
    let user = created.json();
    let id = created.text("id");
    assert_eq!(
        created.header("location"),
        Some(format!("/api/v1/users/{id}"))
    );
    let etag = created.header("etag").expect("an ETag");
    for (name, value) in [
        ("email", json!(person.email)),
        ("email_verified", json!(false)),
        ("username", json!(person.username)),
        ("given_name", json!("Wilhelmina")),
        ("family_name", json!(null)),
        ("phone", json!("+41791234567")),
        ("locale", json!("de-CH")),
        ("timezone", json!("Europe/Zurich")),
        ("status", json!("active")),
    ] {
        assert_eq!(user.get(name), Some(&value), "{name}: {created:?}");
    }
    assert!(user["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(user.get("updated_at").is_some() && user.get("password").is_none());

    // Login by address and by name, in any case.
    let login = client.log_in(&person).await;
    assert_eq!(login.user, id);
    let by_name = client
        .try_log_in(&person.username.to_uppercase(), &person.password)
        .await;
    let by_name = by_name.must(200);
    assert_eq!(by_name.text("user_id"), id);
    assert_eq!(by_name.text("token_type"), "Bearer");
    assert_eq!(by_name.json()["expires_in"], 900);
    assert!(by_name.json()["refresh_expires_in"].as_i64().unwrap() > 3600);

    // The token's claims: SECURITY 14.
    let claims = login.claims();
    assert_eq!(claims["iss"], platform.directory.gateway());
    assert_eq!(claims["aud"], "user-domain");
    assert_eq!(claims["client_id"], "user-domain");
    assert_eq!(claims["sub"], id.as_str());
    assert_eq!(claims["sid"], login.session.as_str());
    assert_eq!(claims["roles"], json!(["user"]));
    for name in [
        "iat",
        "nbf",
        "exp",
        "jti",
        "auth_time",
        "acr",
        "amr",
        "permissions",
        "pv",
        "inc",
    ] {
        assert!(claims.get(name).is_some(), "{name} in {claims}");
    }
    assert_eq!(
        claims.as_object().unwrap().len(),
        16,
        "no more than that: {claims}"
    );

    // Validation.
    let valid = client
        .get("/api/v1/auth/validate")
        .bearer(&login.access)
        .await
        .must(200);
    assert_eq!(valid.json()["active"], true);
    assert_eq!(valid.text("user_id"), id);
    assert_eq!(valid.text("session_id"), login.session);
    assert_eq!(valid.header("x-user-id"), Some(id.clone()));
    assert_eq!(valid.header("x-session-id"), Some(login.session.clone()));
    assert_eq!(valid.header("x-user-roles"), Some("user".to_owned()));

    // Oneself.
    let me = client
        .get("/api/v1/users/me")
        .bearer(&login.access)
        .await
        .must(200);
    assert_eq!(me.json(), user);
    assert_eq!(me.header("etag").as_ref(), Some(&etag));
    let path = format!("/api/v1/users/{id}");
    let same = client.get(&path).bearer(&login.access).await.must(200);
    assert_eq!(same.json(), user);

    // A change, for this version and for an old one.
    let patch = json!({"family_name": "Zumthor", "given_name": null});
    let patched = client
        .patch(&path)
        .bearer(&login.access)
        .header("if-match", &etag);
    let patched = patched.json(&patch).await.must(200);
    assert_eq!(patched.json()["family_name"], "Zumthor");
    assert_eq!(patched.json()["given_name"], json!(null));
    assert_ne!(patched.header("etag"), Some(etag.clone()));
    let stale = client
        .patch(&path)
        .bearer(&login.access)
        .header("if-match", &etag);
    stale
        .json(&json!({"family_name": "Ammann"}))
        .await
        .must_be(Code::REQUEST_PRECONDITION_FAILED);
    let free = client.patch(&path).bearer(&login.access);
    let free = free
        .json(&json!({"family_name": "Zumthor"}))
        .await
        .must(200);
    assert_eq!(free.json()["family_name"], "Zumthor");

    // Refresh.
    let next = client.refresh(&login).await;
    assert_eq!((&next.session, &next.user), (&login.session, &login.user));
    assert_ne!(next.refresh, login.refresh);
    assert_ne!(claims_of(&next.access)["jti"], claims["jti"]);
    platform.accepted_everywhere(&next.access).await;

    // Logout.
    let bye = client
        .post("/api/v1/auth/logout")
        .bearer(&next.access)
        .await
        .must(204);
    let since = Instant::now();
    assert!(bye.body.is_empty());
    platform
        .refused_everywhere(&next.access, since, &[Code::AUTH_SESSION_CLOSED])
        .await;
    platform
        .refused_everywhere(&login.access, since, &[Code::AUTH_SESSION_CLOSED])
        .await;
    client
        .try_refresh(&next.refresh)
        .await
        .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
}

#[rstest]
#[tokio::test]
async fn a_new_password_closes_the_other_sessions(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let (person, here) = client.newcomer_in().await;
    let elsewhere = client.log_in(&person).await;
    platform.accepted_everywhere(&elsewhere.access).await;

    let new = Person::password();
    let change = |current: &str, new: &str| client.change_password(&here, current, new);
    let wrong = change("not my password at all", &new).await;
    assert!((400..500).contains(&wrong.status), "{wrong:?}");
    let weak = change(&person.password, "password1234567").await;
    weak.must_be(Code::REQUEST_VALIDATION_FAILED);
    assert_eq!(weak.pointers(), ["/new_password"]);
    platform.accepted_everywhere(&elsewhere.access).await;

    let renewed = Login::from_answer(change(&person.password, &new).await.must(200));
    let since = Instant::now();
    platform
        .refused_everywhere(&elsewhere.access, since, &[Code::AUTH_SESSION_CLOSED])
        .await;
    client
        .try_refresh(&elsewhere.refresh)
        .await
        .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    // This session lives on, by token and by refresh, and a copy of its old refresh token is used up.
    platform.accepted_everywhere(&renewed.access).await;
    let mut next = client.refresh(&renewed).await;
    platform.accepted_everywhere(&next.access).await;
    // Too far back for any window.
    for _ in 0..7 {
        next = client.refresh(&next).await;
    }
    client
        .try_refresh(&here.refresh)
        .await
        .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    client
        .try_refresh(&next.refresh)
        .await
        .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    let old = client.try_log_in(&person.email, &person.password).await;
    old.must_be(Code::AUTH_INVALID_CREDENTIALS);
    let _ = client.try_log_in(&person.email, &new).await.must(200);
}

#[rstest]
#[tokio::test]
async fn logout_of_all_and_by_refresh_token(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let (person, first) = client.newcomer_in().await;
    let second = client.log_in(&person).await;

    // In place of a Bearer token that has expired (SECURITY 20).
    let body = json!({"refresh_token": second.refresh});
    let _ = client
        .post("/api/v1/auth/logout")
        .json(&body)
        .await
        .must(204);
    let since = Instant::now();
    platform
        .refused_everywhere(&second.access, since, &[Code::AUTH_SESSION_CLOSED])
        .await;
    platform.accepted_everywhere(&first.access).await;

    let third = client.log_in(&person).await;
    platform.accepted_everywhere(&third.access).await;
    let body = json!({"all": true});
    let all = client
        .post("/api/v1/auth/logout")
        .bearer(&first.access)
        .json(&body);
    let _ = all.await.must(204);
    let since = Instant::now();
    for login in [&first, &third] {
        platform
            .refused_everywhere(&login.access, since, &[Code::AUTH_SESSION_CLOSED])
            .await;
        client
            .try_refresh(&login.refresh)
            .await
            .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    }
    let _ = client.log_in(&person).await;
}

#[rstest]
#[tokio::test]
async fn a_refresh_token_works_once_and_a_stolen_one_closes_the_session(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let (_, first) = client.newcomer_in().await;

    // The answer was lost and the client asks again: the same successor, byte for byte.
    let second = client.refresh(&first).await;
    let again = client.refresh(&first).await;
    assert_eq!(again.refresh, second.refresh);
    let third = client.refresh(&second).await;
    assert_ne!(third.refresh, second.refresh);
    // Another tab, two behind: it gets the newest, and nobody is logged out.
    let again = client.refresh(&first).await;
    assert_eq!(again.refresh, third.refresh);
    let mut third = third;
    for _ in 0..7 {
        third = client.refresh(&third).await;
    }

    // Tampering has no effect.
    let mut forged = third.refresh.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    for bad in [forged.as_str(), "udr_", "rubbish", "udr_AAAA"] {
        client
            .try_refresh(bad)
            .await
            .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    }
    platform.accepted_everywhere(&third.access).await;

    // One too far back for any window was stolen, by this client or from it: the session ends.
    client
        .try_refresh(&first.refresh)
        .await
        .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    let since = Instant::now();
    platform
        .refused_everywhere(&third.access, since, &[Code::AUTH_SESSION_CLOSED])
        .await;
    client
        .try_refresh(&third.refresh)
        .await
        .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    platform
        .audited("refresh_token_reused", &first.session)
        .await;
}

#[rstest]
#[tokio::test]
async fn registration_refuses_what_is_taken_and_what_is_weak(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let person = client.newcomer().await;
    let register = |body: serde_json::Value| client.post("/api/v1/users").json(&body);

    let mut same_email = Person::new().registration();
    same_email["email"] = json!(person.email.to_uppercase());
    register(same_email).await.must_be(Code::USER_EMAIL_TAKEN);
    let mut same_name = Person::new().registration();
    same_name["username"] = json!(person.username.to_uppercase());
    register(same_name).await.must_be(Code::USER_USERNAME_TAKEN);

    let taken = Person::new();
    for (member, value) in [
        ("password", json!("short")),
        ("password", json!("password1234567")),
        ("password", json!(format!("{0} {0}", taken.username))),
        ("password", json!("x".repeat(257))),
        ("password", json!("Quittenbaum \u{0} am Fluss")),
        ("email", json!("no-at-sign")),
        ("email", json!("two@at@example.com")),
        ("email", json!("a b@example.com")),
        ("username", json!("admin")),
        ("username", json!("12345678")),
        ("username", json!("-starts-badly")),
        ("username", json!(person.id)),
        ("phone", json!("not a phone")),
        ("locale", json!("not a locale")),
        ("timezone", json!("Mars/Olympus")),
    ] {
        let mut body = taken.registration();
        body[member] = value;
        let refused = register(body).await;
        refused.must_be(Code::REQUEST_VALIDATION_FAILED);
        assert_eq!(refused.pointers(), [format!("/{member}")], "{refused:?}");
    }
    // Not one of them left anything behind: the names are free.
    let _ = client.register(taken).await;

    // With the same key the same answer, with another body a refusal.
    let key = end_to_end::unique();
    let person = Person::new();
    let keyed = |body: serde_json::Value| register(body).header("idempotency-key", &key);
    let first = keyed(person.registration()).await.must(201);
    let second = keyed(person.registration()).await.must(201);
    assert_eq!(first.json(), second.json());
    keyed(Person::new().registration())
        .await
        .must_be(Code::REQUEST_IDEMPOTENCY_KEY_REUSED);
    let malformed = register(Person::new().registration()).header("idempotency-key", "short");
    malformed
        .await
        .must_be(Code::REQUEST_IDEMPOTENCY_KEY_INVALID);
}
