//! Refresh tokens while processes die (SECURITY rule 17).

use std::time::{Duration, Instant};

use end_to_end::{Answer, Kind, Login, Platform, eventually, rounds};
use rstest::rstest;
use ud_kernel::{Code, Service};

use crate::audit_log::AuditLog as _;

const PATIENCE: Duration = Duration::from_secs(30);

/// Every process at once (SIGKILL), the store of sessions included; then all of them again.
async fn kill_everything(platform: &mut Platform) {
    let services = match platform.kind {
        Kind::Services | Kind::Containers => &Service::ALL[..],
        Kind::Standalone => &Service::ALL[..1],
    };
    for service in services {
        platform.kill(*service);
    }
    if platform.kind == Kind::Services {
        platform.redis_mut().kill();
        platform.redis_mut().restart();
    }
    for service in services {
        platform.restart(*service).await;
    }
}

/// The answer to a refresh as soon as there is one: what was killed a moment ago has dead connections and no keys yet.
async fn answered(platform: &Platform, token: &str) -> Answer {
    eventually(PATIENCE, "refreshes are answered", || async {
        let answer = platform.client.try_refresh(token).await;
        (answer.status != 503).then_some(answer)
    })
    .await
}

#[rstest]
#[tokio::test]
async fn a_replay_is_caught_after_every_process_was_killed(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let mut platform = Platform::start(kind).await;
    let client = platform.client.clone();
    let person = client.newcomer().await;
    for _ in 0..rounds(1, 10) {
        let (first, other) = (client.log_in(&person).await, client.log_in(&person).await);
        let second = client.refresh(&first).await;
        let third = client.refresh(&second).await;
        kill_everything(&mut platform).await;
        // It has not simply forgotten everybody: who has done nothing wrong goes on, and the chain is where it was.
        let other = Login::from_answer(answered(&platform, &other.refresh).await);
        let mut fourth = Login::from_answer(answered(&platform, &third.refresh).await);
        for _ in 0..8 {
            fourth = Login::from_answer(answered(&platform, &fourth.refresh).await);
        }
        kill_everything(&mut platform).await;
        // Stolen before the first death, presented after the second, and too far back for any window.
        let replay = answered(&platform, &second.refresh).await;
        let since = Instant::now();
        replay.must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
        for tokens in [&fourth, &third, &first] {
            let refused = answered(&platform, &tokens.refresh).await;
            refused.must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
        }
        platform
            .refused_everywhere(&fourth.access, since, &[Code::AUTH_SESSION_CLOSED])
            .await;
        platform.accepted_everywhere(&other.access).await;
        let event = "refresh_token_reused";
        platform.audited(event, &first.session).await;
    }
}

#[tokio::test]
async fn while_role_is_dead_nothing_is_lost_by_trying() {
    let mut platform = Platform::services().await;
    let client = platform.client.clone().impatient();
    let person = client.newcomer().await;
    let first = client.log_in(&person).await;
    platform.kill(Service::Role);
    for _ in 0..rounds(30, 600) {
        let answer = client.try_refresh(&first.refresh).await;
        let seconds = answer.header("retry-after");
        assert!(seconds.is_some_and(|s| s.parse::<u64>().is_ok()));
        answer.must_be(Code::SERVER_DEPENDENCY_UNAVAILABLE);
    }
    platform.restart(Service::Role).await;
    let second = Login::from_answer(answered(&platform, &first.refresh).await);
    // All who waited ask at once: they get that one successor.
    let mut asking = Vec::new();
    for _ in 0..16 {
        let (client, token) = (client.clone(), first.refresh.clone());
        asking.push(tokio::spawn(async move {
            Login::from_answer(client.try_refresh(&token).await)
        }));
    }
    for asked in asking {
        assert_eq!(asked.await.unwrap().refresh, second.refresh);
    }
    let third = client.refresh(&second).await;
    assert_ne!(third.refresh, second.refresh);
    platform.accepted_everywhere(&third.access).await;
}
