//! Sessions: one's own, and others'.

use std::time::Instant;

use end_to_end::{Client, Kind, Login, Platform};
use rstest::rstest;
use serde_json::Value;
use ud_kernel::Code;

async fn ids(client: &Client, login: &Login, query: &str) -> Vec<String> {
    let list = client
        .get(&format!("/api/v1/sessions{query}"))
        .bearer(&login.access)
        .await;
    let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
    let mut ids: Vec<String> = list.must(200).items().iter().map(id).collect();
    ids.sort_unstable();
    ids
}

fn sorted(logins: &[&Login]) -> Vec<String> {
    let mut ids: Vec<String> = logins.iter().map(|login| login.session.clone()).collect();
    ids.sort_unstable();
    ids
}

#[rstest]
#[tokio::test]
async fn a_user_sees_and_closes_their_sessions(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = platform.client_at(5, 5);
    let person = client.newcomer().await;
    let (a, b) = (client.log_in(&person).await, client.log_in(&person).await);
    let (c, d) = (client.log_in(&person).await, client.log_in(&person).await);
    assert_eq!(ids(&client, &a, "").await, sorted(&[&a, &b, &c, &d]));

    let path = |login: &Login| format!("/api/v1/sessions/{}", login.session);
    let one = client
        .get(&path(&b))
        .bearer(&a.access)
        .await
        .must(200)
        .json();
    assert_eq!(one["user_id"], person.id.as_str());
    assert_eq!(
        (&one["current"], &one["ip"]),
        (&false.into(), &"127.0.5.5".into()),
        "{one}"
    );
    assert_eq!(one["user_agent"], "end-to-end/1");
    for time in ["created_at", "last_seen_at", "expires_at"] {
        assert!(
            one[time].as_str().unwrap().ends_with('Z'),
            "{time} of {one}"
        );
    }
    let own = client
        .get(&path(&a))
        .bearer(&a.access)
        .await
        .must(200)
        .json();
    assert_eq!(own["current"], true);

    // One.
    platform.accepted_everywhere(&b.access).await;
    let _ = client.delete(&path(&b)).bearer(&a.access).await.must(204);
    platform
        .refused_everywhere(&b.access, Instant::now(), &[Code::AUTH_SESSION_CLOSED])
        .await;
    client
        .try_refresh(&b.refresh)
        .await
        .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    client
        .get(&path(&b))
        .bearer(&a.access)
        .await
        .must_be(Code::SESSION_NOT_FOUND);
    assert_eq!(ids(&client, &a, "").await, sorted(&[&a, &c, &d]));

    // The others.
    platform.accepted_everywhere(&c.access).await;
    let _ = client
        .delete("/api/v1/sessions?scope=others")
        .bearer(&a.access)
        .await
        .must(204);
    let since = Instant::now();
    for login in [&c, &d] {
        platform
            .refused_everywhere(&login.access, since, &[Code::AUTH_SESSION_CLOSED])
            .await;
        client
            .try_refresh(&login.refresh)
            .await
            .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    }
    platform.accepted_everywhere(&a.access).await;

    // All.
    let e = client.log_in(&person).await;
    platform.accepted_everywhere(&e.access).await;
    let _ = client
        .delete("/api/v1/sessions?scope=all")
        .bearer(&a.access)
        .await
        .must(204);
    let since = Instant::now();
    for login in [&a, &e] {
        platform
            .refused_everywhere(&login.access, since, &[Code::AUTH_SESSION_CLOSED])
            .await;
        client
            .try_refresh(&login.refresh)
            .await
            .must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    }
    let again = client.log_in(&person).await;
    assert_eq!(ids(&client, &again, "").await, sorted(&[&again]));
}

#[rstest]
#[tokio::test]
async fn anothers_sessions_need_a_permission(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let (person, login) = client.newcomer_in().await;
    let (_, stranger) = client.newcomer_in().await;
    let query = format!("?user_id={}", person.id);
    let path = format!("/api/v1/sessions/{}", login.session);

    // For a stranger the session is not there, and a filter shows them their own.
    client
        .get(&path)
        .bearer(&stranger.access)
        .await
        .must_be(Code::SESSION_NOT_FOUND);
    client
        .delete(&path)
        .bearer(&stranger.access)
        .await
        .must_be(Code::SESSION_NOT_FOUND);
    assert_eq!(ids(client, &stranger, &query).await, sorted(&[&stranger]));
    let all = client.delete(&format!("/api/v1/sessions{query}&scope=all"));
    let refused = all.bearer(&stranger.access).await;
    assert!(matches!(refused.status, 403 | 404), "{refused:?}");
    platform.accepted_everywhere(&login.access).await;

    // The administrator sees and closes it.
    let admin = platform.admin.access.as_str();
    assert_eq!(
        ids(client, &platform.admin, &query).await,
        sorted(&[&login])
    );
    let seen = client.get(&path).bearer(admin).await.must(200).json();
    assert_eq!(
        (&seen["user_id"], &seen["current"]),
        (&person.id.as_str().into(), &false.into())
    );
    let _ = client.delete(&path).bearer(admin).await.must(204);
    platform
        .refused_everywhere(&login.access, Instant::now(), &[Code::AUTH_SESSION_CLOSED])
        .await;
    let (one, two) = (client.log_in(&person).await, client.log_in(&person).await);
    platform.accepted_everywhere(&one.access).await;
    let all = client.delete(&format!("/api/v1/sessions{query}&scope=all"));
    let _ = all.bearer(admin).await.must(204);
    let since = Instant::now();
    for login in [&one, &two] {
        platform
            .refused_everywhere(&login.access, since, &[Code::AUTH_SESSION_CLOSED])
            .await;
    }
    platform.accepted_everywhere(admin).await;
}
