//! Changes that end sessions while the session service cannot be told: they stand, say so, and are made good.

use std::time::{Duration, Instant};

use end_to_end::{Answer, Call, Kind, Options, Person, Platform, eventually};
use serde_json::json;
use testkit::Proxy;
use ud_kernel::{Code, Service};

const PATIENCE: Duration = Duration::from_secs(20);

/// The platform, with something to cut before the session service.
async fn start() -> Platform {
    Options::new(Kind::Services).proxied().start().await
}

fn line_to_session(platform: &Platform) -> &Proxy {
    &platform.links().peers[&Service::Session]
}

/// The answer to `change`, which the holder of `token` asks for while nobody reaches session. Their own token is
/// still known to be good when it is cut off: whoever is slower than that tries again.
async fn while_session_is_away(
    platform: &Platform,
    token: &str,
    status: u16,
    change: impl Fn() -> Call,
) -> Answer {
    let session = line_to_session(platform);
    let answer = eventually(PATIENCE, "changed while session is away", || async {
        platform.accepted_everywhere(token).await;
        session.cut();
        let answer = change().bearer(token).await;
        if answer.status == status {
            return Some(answer);
        }
        session.resume();
        None
    })
    .await;
    let revocation = answer.header("revocation");
    assert_eq!(revocation.as_deref(), Some("pending"), "{answer:?}");
    answer
}

#[tokio::test]
async fn a_revocation_that_cannot_be_delivered_is_told_and_follows() {
    let platform = start().await;
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let (person, login) = client.newcomer_in().await;
    let path = format!("/api/v1/users/{}/suspend", person.id);
    let answer = while_session_is_away(&platform, admin, 200, || client.post(&path)).await;
    assert_eq!(answer.text("status"), "suspended");
    client
        .try_log_in(&person.email, &person.password)
        .await
        .must_be(Code::AUTH_ACCOUNT_SUSPENDED);
    line_to_session(&platform).resume();
    // By auth's event, which is repeated until it arrives.
    eventually(PATIENCE, "the session is closed", || async {
        let answer = client.get("/api/v1/users/me").bearer(&login.access).await;
        (answer.status == 401).then_some(())
    })
    .await;
    platform
        .refused_everywhere(&login.access, Instant::now(), &[Code::AUTH_SESSION_CLOSED])
        .await;
}

#[tokio::test]
async fn a_new_password_while_session_is_away_keeps_this_session_and_no_other() {
    let platform = start().await;
    let client = &platform.client;
    let (person, here) = client.newcomer_in().await;
    let elsewhere = client.log_in(&person).await;
    let new = Person::password();
    // `while_session_is_away` adds the token.
    let body = json!({"current_password": person.password, "new_password": new,
        "refresh_token": here.refresh});
    let change = || client.post("/api/v1/auth/password/change").json(&body);
    let _ = while_session_is_away(&platform, &here.access, 204, change).await;
    // Until session is told, nobody refreshes, and nobody is logged out who should stay.
    for login in [&here, &elsewhere] {
        let answer = client.try_refresh(&login.refresh).await;
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    line_to_session(&platform).resume();
    let refreshed = |token: String| async move {
        let answer = client.try_refresh(&token).await;
        (answer.status != 503).then_some(answer)
    };
    let kept = eventually(PATIENCE, "the session goes on", || {
        refreshed(here.refresh.clone())
    });
    let _ = kept.await.must(200);
    let closed = eventually(PATIENCE, "the other is closed", || {
        refreshed(elsewhere.refresh.clone())
    });
    closed.await.must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
}
