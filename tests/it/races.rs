//! Logins and refreshes that race with what ends sessions leave no living session behind (docs/ARCHITECTURE.md, epoch).

use std::time::{Duration, Instant};

use end_to_end::{Answer, Client, Kind, Login, Person, Platform, any_below, eventually, rounds};
use rstest::rstest;
use serde_json::json;
use ud_kernel::Code;

/// What ends sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Suspension,
    Deletion,
    PasswordChange,
    LogoutOfAll,
}

/// The call that does it.
async fn end(platform: &Platform, ending: Ending, person: &Person, own: &Login) -> Answer {
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let path = format!("/api/v1/users/{}", person.id);
    match ending {
        Ending::Suspension => client.post(&format!("{path}/suspend")).bearer(admin).await,
        Ending::Deletion => client.delete(&path).bearer(admin).await,
        Ending::PasswordChange => {
            client
                .change_password(own, &person.password, &Person::password())
                .await
        }
        Ending::LogoutOfAll => {
            let body = json!({"all": true});
            client
                .post("/api/v1/auth/logout")
                .bearer(&own.access)
                .json(&body)
                .await
        }
    }
}

/// A refresh, made again while the session service has not been told of the change that auth has made: 503, and the
/// same token works, or not, later.
async fn decided_refresh(client: &Client, login: &Login) -> Answer {
    eventually(Duration::from_secs(20), "a refresh is decided", || async {
        let answer = client.try_refresh(&login.refresh).await;
        (answer.code() != Some(Code::SERVER_BUSY.as_str())).then_some(answer)
    })
    .await
}

#[rstest]
#[tokio::test]
async fn a_racing_login_leaves_no_session(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
    #[values(
        Ending::Suspension,
        Ending::Deletion,
        Ending::PasswordChange,
        Ending::LogoutOfAll
    )]
    ending: Ending,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let mut closed: Vec<(String, Instant)> = Vec::new();
    for round in 0..rounds(13, 250) {
        let person = client.newcomer().await;
        let (own, other) = (client.log_in(&person).await, client.log_in(&person).await);
        let late_login = async || {
            tokio::time::sleep(Duration::from_micros(any_below(12_000))).await;
            client.try_log_in(&person.email, &person.password).await
        };
        let ended = async {
            let answer = end(&platform, ending, &person, &own).await;
            (answer, Instant::now())
        };
        let logins = async {
            let (a, b, c, d) = tokio::join!(late_login(), late_login(), late_login(), late_login());
            [a, b, c, d]
        };
        let refresh = decided_refresh(client, &other);
        let ((answer, since), logins, refresh) = tokio::join!(ended, logins, refresh);
        assert!(
            matches!(answer.status, 200 | 204),
            "round {round}: {answer:?}"
        );
        assert!(answer.header("revocation").is_none(), "{answer:?}");
        for answer in logins.iter().chain([&refresh]) {
            assert!(answer.status < 500, "round {round}: {answer:?}");
            if answer.status == 200 {
                closed.push((answer.text("access_token"), since));
            }
        }
        // The store has none but the one that made the change.
        let path = format!("/api/v1/sessions?user_id={}", person.id);
        let left = client
            .get(&path)
            .bearer(&platform.admin.access)
            .await
            .must(200)
            .items();
        let left: Vec<&str> = left
            .iter()
            .map(|item| item["id"].as_str().unwrap())
            .collect();
        match ending {
            Ending::PasswordChange => assert_eq!(left, [own.session.as_str()], "round {round}"),
            // Whoever logs in after that is in; whoever was in before is not.
            Ending::LogoutOfAll => {
                assert!(
                    !left.contains(&own.session.as_str())
                        && !left.contains(&other.session.as_str())
                );
                closed.clear();
                closed.push((own.access.clone(), since));
            }
            _ => assert!(left.is_empty(), "round {round}: {left:?}"),
        }
    }
    for (token, since) in closed {
        platform
            .refused_everywhere(&token, since, &[Code::AUTH_SESSION_CLOSED])
            .await;
    }
}

#[rstest]
#[tokio::test]
async fn a_racing_refresh_carries_no_right_that_was_taken(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let body = json!({"name": "taken-away", "permissions": ["roles:read"]});
    let role = client
        .post("/api/v1/roles")
        .bearer(admin)
        .json(&body)
        .await
        .must(201)
        .text("id");
    let (person, mut login) = client.newcomer_in().await;
    let mut stale = Vec::new();
    for _ in 0..rounds(30, 500) {
        let body = json!({"user_id": person.id, "role_id": role});
        let made = client
            .post("/api/v1/role-assignments")
            .bearer(admin)
            .json(&body)
            .await;
        let path = format!("/api/v1/role-assignments/{}", made.must(201).text("id"));
        let with = client.refresh(&login).await;
        let remove = async {
            let answer = client.delete(&path).bearer(admin).await.must(204);
            (answer, Instant::now())
        };
        let refresh = async {
            tokio::time::sleep(Duration::from_micros(any_below(12_000))).await;
            client.try_refresh(&with.refresh).await
        };
        let ((answer, since), refreshed) = tokio::join!(remove, refresh);
        assert!(answer.header("revocation").is_none(), "{answer:?}");
        let refreshed = Login::from_answer(refreshed);
        stale.push((with.access, since));
        if refreshed.claims()["permissions"] == json!(["roles:read"]) {
            stale.push((refreshed.access.clone(), since));
        }
        login = client.refresh(&refreshed).await;
        assert_eq!(login.claims()["permissions"], json!([]));
    }
    for (token, since) in stale {
        platform
            .refused_everywhere(&token, since, &[Code::AUTH_TOKEN_STALE])
            .await;
    }
    platform.accepted_everywhere(&login.access).await;
}
