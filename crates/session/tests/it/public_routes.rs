//! The public routes, on both stores.

use reqwest::Method;
use rstest::rstest;
use serde_json::Value;
use ud_kernel::{SessionId, UserId, models::SessionGrant};

use crate::{
    app::{App, outcome},
    support::{
        Backend::{self, Redis, Sqlite},
        secs, user,
    },
};

pub const SESSIONS: &str = "/api/v1/sessions";

/// A logged-in user: id, session, access token with `permissions`.
pub async fn somebody(app: &App, permissions: &[&str]) -> (UserId, SessionGrant, String) {
    let user = user();
    let grant = app.log_in(user).await;
    let token = app.token(user, &grant, permissions);
    (user, grant, token)
}

async fn get(app: &App, path: &str, token: &str) -> Value {
    let answer = app.ask(Method::GET, path, token).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

pub async fn refused(app: &App, method: Method, path: &str, token: &str) -> (u16, String) {
    outcome(app.ask(method, path, token).send().await.unwrap()).await
}

fn ids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn users_see_their_own_sessions(#[case] backend: Backend) {
    let app = App::start(backend).await;
    let (user, old, _) = somebody(&app, &[]).await;
    app.clock.advance(secs(60));
    let grant = app.log_in(user).await;
    let token = app.token(user, &grant, &[]);
    somebody(&app, &[]).await;

    let list = get(&app, SESSIONS, &token).await;
    assert_eq!(
        ids(&list),
        [grant.session_id.to_string(), old.session_id.to_string()]
    );
    assert_eq!(list["next_cursor"], Value::Null);
    let item = &list["items"][0];
    let members: Vec<_> = item
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "created_at",
        "current",
        "expires_at",
        "id",
        "ip",
        "last_seen_at",
        "user_agent",
        "user_id",
    ];
    assert_eq!(members, expected);
    assert_eq!(
        (&item["current"], &list["items"][1]["current"]),
        (&true.into(), &false.into())
    );
    assert_eq!(item["created_at"], app.clock.now().to_string());
    assert_eq!(
        (&item["ip"], &item["user_id"]),
        (&"192.0.2.1".into(), &user.to_string().into())
    );

    let one = get(&app, &format!("{SESSIONS}/{}", old.session_id), &token).await;
    assert_eq!(&one, &list["items"][1]);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_session_is_seen_by_permission_only(#[case] backend: Backend) {
    let app = App::start(backend).await;
    let (victim, theirs, _) = somebody(&app, &[]).await;
    let path = format!("{SESSIONS}/{}", theirs.session_id);
    let filter = format!("{SESSIONS}?user_id={victim}");

    let (_, mine, nobody) = somebody(&app, &["users:read", "sessions:write"]).await;
    let not_found = (404, "session.not-found".to_owned());
    assert_eq!(refused(&app, Method::GET, &path, &nobody).await, not_found);
    let unknown = format!("{SESSIONS}/{}", SessionId::new(app.clock.now()));
    assert_eq!(
        refused(&app, Method::GET, &unknown, &nobody).await,
        not_found
    );
    // Whatever the filter says: the caller's own.
    assert_eq!(
        ids(&get(&app, &filter, &nobody).await),
        [mine.session_id.to_string()]
    );

    for permission in ["sessions:read", "*"] {
        let (_, mine, reader) = somebody(&app, &[permission]).await;
        assert_eq!(get(&app, &path, &reader).await["current"], false);
        assert_eq!(
            ids(&get(&app, &filter, &reader).await),
            [theirs.session_id.to_string()]
        );
        assert_eq!(
            ids(&get(&app, SESSIONS, &reader).await),
            [mine.session_id.to_string()]
        );
    }
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn users_end_their_own_sessions(#[case] backend: Backend) {
    let app = App::start(backend).await;
    let (user, first, first_token) = somebody(&app, &[]).await;
    let (second, third) = (app.log_in(user).await, app.log_in(user).await);
    let (second_token, third_token) = (app.token(user, &second, &[]), app.token(user, &third, &[]));

    let path = format!("{SESSIONS}/{}", first.session_id);
    let answer = app
        .ask(Method::DELETE, &path, &third_token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    let closed = (401, "auth.session-closed".to_owned());
    assert_eq!(
        refused(&app, Method::GET, SESSIONS, &first_token).await,
        closed
    );
    let again = refused(&app, Method::DELETE, &path, &third_token).await;
    assert_eq!(again, (404, "session.not-found".to_owned()));

    let others = format!("{SESSIONS}?scope=others");
    let answer = app
        .ask(Method::DELETE, &others, &third_token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(
        refused(&app, Method::GET, SESSIONS, &second_token).await,
        closed
    );
    assert_eq!(
        ids(&get(&app, SESSIONS, &third_token).await),
        [third.session_id.to_string()]
    );

    let all = format!("{SESSIONS}?scope=all");
    let answer = app
        .ask(Method::DELETE, &all, &third_token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(
        refused(&app, Method::GET, SESSIONS, &third_token).await,
        closed
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn others_sessions_are_ended_by_those_who_hold_as_much(#[case] backend: Backend) {
    let app = App::start(backend).await;
    let (victim, theirs, _) = somebody(&app, &[]).await;
    app.holds(victim, &["users:read", "orders:write"]).await;
    let one = format!("{SESSIONS}/{}", theirs.session_id);
    let all = format!("{SESSIONS}?scope=all&user_id={victim}");

    // Without the permission: not even there; the filter is refused, whoever is meant.
    let (_, _, nobody) = somebody(&app, &["sessions:read"]).await;
    let outcome = refused(&app, Method::DELETE, &one, &nobody).await;
    assert_eq!(outcome, (404, "session.not-found".to_owned()));
    let denied = (403, "auth.permission-denied".to_owned());
    assert_eq!(refused(&app, Method::DELETE, &all, &nobody).await, denied);
    let unknown = format!("{SESSIONS}?scope=all&user_id={}", user());
    assert_eq!(
        refused(&app, Method::DELETE, &unknown, &nobody).await,
        denied
    );

    // The token says so, role does not any more.
    let (demoted, _, token) = somebody(&app, &["sessions:write", "users:read"]).await;
    app.holds(demoted, &["users:read"]).await;
    assert_eq!(refused(&app, Method::DELETE, &one, &token).await, denied);

    // Holds less than the victim, whatever the token says.
    let (weaker, _, token) = somebody(&app, &["sessions:write", "users:read"]).await;
    app.holds(weaker, &["sessions:write"]).await;
    let more = (403, "user.target-holds-more".to_owned());
    assert_eq!(refused(&app, Method::DELETE, &one, &token).await, more);
    assert_eq!(refused(&app, Method::DELETE, &all, &token).await, more);

    // Role cannot be asked.
    let (_, _, token) = somebody(&app, &["sessions:write"]).await;
    let (status, _) = refused(&app, Method::DELETE, &one, &token).await;
    assert!(status >= 500, "nothing was decided");
    assert_eq!(
        get(&app, &one, &nobody).await["id"],
        theirs.session_id.to_string()
    );

    // Holds as much; foreign namespaces protect nobody.
    let (equal, _, token) = somebody(&app, &["sessions:write"]).await;
    app.holds(equal, &["sessions:write", "users:read"]).await;
    let answer = app.ask(Method::DELETE, &one, &token).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    app.log_in(victim).await;
    let answer = app.ask(Method::DELETE, &all, &token).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert!(ids(&get(&app, &format!("{SESSIONS}?user_id={victim}"), &nobody).await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn role_away_is_503() {
    let app = App::start(Sqlite).await;
    let (_, theirs, _) = somebody(&app, &[]).await;
    let (_, _, token) = somebody(&app, &["sessions:write"]).await;
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(wiremock::ResponseTemplate::new(503))
        .mount(&app.role)
        .await;
    let path = format!("{SESSIONS}/{}", theirs.session_id);
    let answer = app.ask(Method::DELETE, &path, &token).send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(
        outcome(answer).await,
        (503, "server.dependency-unavailable".to_owned())
    );
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another(#[case] backend: Backend) {
    let app = App::start(backend).await;
    let (user, _, token) = somebody(&app, &[]).await;
    for i in 0..6 {
        // Two at one moment each.
        app.clock.advance(secs(i % 2));
        app.log_in(user).await;
    }
    let whole = ids(&get(&app, SESSIONS, &token).await);
    assert_eq!(whole.len(), 7);
    for limit in [1, 2, 3, 7, 100] {
        let mut path = format!("{SESSIONS}?limit={limit}");
        let mut pages = Vec::new();
        loop {
            let page = get(&app, &path, &token).await;
            assert!(ids(&page).len() <= limit);
            pages.extend(ids(&page));
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            path = format!("{SESSIONS}?limit={limit}&cursor={cursor}");
        }
        assert_eq!(pages, whole, "limit {limit}");
    }
    // A login meanwhile is before every page already taken.
    let page = get(&app, &format!("{SESSIONS}?limit=3"), &token).await;
    app.clock.advance(secs(1));
    app.log_in(user).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = get(
        &app,
        &format!("{SESSIONS}?limit=50&cursor={cursor}"),
        &token,
    )
    .await;
    assert_eq!(ids(&rest), whole[3..]);
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn audit_is_told(#[case] backend: Backend) {
    let mut app = App::start(backend).await;
    let (victim, theirs, _) = somebody(&app, &[]).await;
    let event = app.audited("user_logged_in").await;
    assert_eq!(event["subject"], theirs.session_id.to_string());

    let (reader, _, token) = somebody(&app, &["sessions:read", "sessions:write"]).await;
    let path = format!("{SESSIONS}/{}", theirs.session_id);
    get(&app, &path, &token).await;
    let event = app.audited("admin_read").await;
    assert_eq!(event["data"]["actor_id"], reader.to_string());
    assert_eq!(event["data"]["target_id"], victim.to_string());

    app.holds(reader, &["sessions:write"]).await;
    app.holds(victim, &["roles:write"]).await;
    assert_eq!(refused(&app, Method::DELETE, &path, &token).await.0, 403);
    let event = app.audited("permission_denied").await;
    assert_eq!(event["data"]["outcome"], "failure");

    let all = format!("{SESSIONS}?scope=all");
    let answer = app.ask(Method::DELETE, &all, &token).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    let event = app.audited("session_closed").await;
    assert_eq!(event["data"]["actor_id"], reader.to_string());
    assert_eq!(event["data"]["after"]["closed"], "requested");
    assert_eq!(event["data"]["reported_by"], "session");
}
