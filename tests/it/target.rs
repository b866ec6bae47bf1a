//! Nobody acts on somebody who holds more (SECURITY rule 2).

use end_to_end::{Kind, Platform};
use rstest::rstest;
use serde_json::json;
use ud_kernel::Code;

use crate::escalation::holder;

#[rstest]
#[tokio::test]
async fn nobody_acts_on_somebody_who_holds_more(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let rights = [
        "users:read",
        "users:write",
        "users:delete",
        "sessions:read",
        "sessions:write",
    ];
    let (me, moderator, _) = holder(&platform, "moderator", &rights).await;
    let (strong, strong_login, _) = holder(&platform, "auditor", &["audits:read"]).await;
    // Permissions of other applications do not protect.
    let (foreign, foreign_login, _) = holder(&platform, "seller", &["orders:write"]).await;

    let token = moderator.access.as_str();
    for (target, login) in [(&strong, &strong_login), (&platform.chief, &platform.admin)] {
        let path = format!("/api/v1/users/{}", target.id);
        let sessions = format!("/api/v1/sessions?scope=all&user_id={}", target.id);
        for (method, path) in [
            ("PATCH", path.clone()),
            ("DELETE", path.clone()),
            ("POST", format!("{path}/suspend")),
            ("POST", format!("{path}/reactivate")),
            ("POST", format!("{path}/unlock")),
            ("DELETE", format!("/api/v1/sessions/{}", login.session)),
            ("DELETE", sessions),
        ] {
            let call = client.call(method, &path).bearer(token);
            let call = if method == "PATCH" {
                call.json(&json!({"given_name": "X"}))
            } else {
                call
            };
            let answer = call.await;
            let is_right = answer.code() == Some(Code::USER_TARGET_HOLDS_MORE.as_str())
                || answer.code() == Some(Code::USER_IS_ADMINISTRATOR.as_str());
            assert!(is_right, "{answer:?}");
        }
        platform.accepted_everywhere(&login.access).await;
    }

    // On oneself never, on anybody else who holds no more: yes.
    for what in ["suspend", "reactivate", "unlock"] {
        let own = client
            .post(&format!("/api/v1/users/{}/{what}", me.id))
            .bearer(token)
            .await;
        own.must_be(Code::USER_IS_SELF);
    }
    let path = format!("/api/v1/users/{}", foreign.id);
    let body = json!({"given_name": "Renamed"});
    let _ = client
        .patch(&path)
        .bearer(token)
        .json(&body)
        .await
        .must(200);
    let session = format!("/api/v1/sessions/{}", foreign_login.session);
    let _ = client.delete(&session).bearer(token).await.must(204);
    let _ = client
        .post(&format!("{path}/suspend"))
        .bearer(token)
        .await
        .must(200);
    let _ = client
        .post(&format!("{path}/reactivate"))
        .bearer(token)
        .await
        .must(200);
    let _ = client.delete(&path).bearer(token).await.must(204);
}
