//! A leaked signing key, and `revoke-all` after a restore (SECURITY rules 16 and 35).

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use end_to_end::{Kind, Platform, eventually};
use rstest::rstest;
use serde_json::Value;
use ud_kernel::{Code, Service};

/// How long verifiers may take that nobody told (docs/KEYS.md), and some for a busy machine.
const UNTOLD: Duration = Duration::from_secs(19 + 3);

fn kid_of(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[rstest]
#[tokio::test]
async fn a_revoked_key_is_refused_everywhere_and_clients_refresh(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let (_, login) = client.newcomer_in().await;
    platform.accepted_everywhere(&login.access).await;
    let leaked = kid_of(&login.access);
    let path = format!("/api/v1/auth/keys/{leaked}/revoke");
    let answer = client.post(&path).bearer(&platform.admin.access).await;
    assert_eq!(answer.must(200).json()["state"], "revoked");
    // The feed tells them; those that fetch the JWK set meanwhile do not know the key any more.
    let codes = [Code::AUTH_TOKEN_STALE, Code::AUTH_TOKEN_INVALID];
    platform
        .refused_everywhere(&login.access, Instant::now(), &codes)
        .await;
    // Nobody has to log in again.
    let refreshed = client.refresh(&login).await;
    assert_ne!(kid_of(&refreshed.access), leaked);
    platform.accepted_everywhere(&refreshed.access).await;
    let admin = client.refresh(&platform.admin).await;
    let listed = client.get("/api/v1/auth/keys").bearer(&admin.access).await;
    let states: Vec<Value> = listed
        .must(200)
        .items()
        .iter()
        .map(|k| k["state"].clone())
        .collect();
    assert_eq!(states, ["active", "revoked"]);
}

#[rstest]
#[tokio::test]
async fn revoke_all_ends_every_session_and_every_token(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let (person, login) = client.newcomer_in().await;
    // By the name of the release before, too.
    for command in ["revoke-all", "fence"] {
        let (code, output) = platform.process(Service::Auth).run(&[command]).await;
        assert_eq!(code, Some(0), "{output}");
    }
    let since = Instant::now() + UNTOLD;
    let codes = [
        Code::AUTH_TOKEN_INVALID,
        Code::AUTH_TOKEN_STALE,
        Code::AUTH_SESSION_CLOSED,
    ];
    platform
        .refused_everywhere(&login.access, since, &codes)
        .await;
    eventually(Duration::from_secs(10), "the session is closed", || async {
        let answer = client.try_refresh(&login.refresh).await;
        (answer.code() == Some(Code::AUTH_REFRESH_TOKEN_INVALID.as_str())).then_some(())
    })
    .await;
    let again = client.log_in(&person).await;
    platform.accepted_everywhere(&again.access).await;

    for service in [Service::Auth, Service::Profile, Service::Audit] {
        // By the name of the release before, too.
        for command in ["rewrap", "reseal"] {
            let (code, output) = platform.process(service).run(&[command]).await;
            assert_eq!(code, Some(0), "{output}");
            assert!(output.contains("0 values rewrapped"), "{output}");
        }
    }
}
