//! Two replicas of every service cover for each other: nobody notices a rolling restart, and a kill costs what was under
//! way at that moment and may not be sent twice.

use end_to_end::{Kind, Load, Options, Platform, rounds};
use ud_kernel::{Code, Service};

/// Longer than the gateway keeps idle connections (`keepalive_timeout` in `upstreams.conf`), shorter than in production.
const DRAIN: &str = "3";

async fn replicated() -> Platform {
    let options = Options::new(Kind::Services).replicated();
    options.set("SHUTDOWN_DRAIN_SECONDS", DRAIN).start().await
}

/// How many replicas of each service are restarted or killed in one round.
fn replicas() -> usize {
    rounds(1, 2)
}

#[tokio::test]
async fn nobody_notices_a_rolling_restart_of_replicas() {
    let mut platform = replicated().await;
    let load = Load::begin(&platform).await;
    load.go_on(100).await;
    for (_, replica) in platform.replicas_mut().take(replicas() * 5) {
        let status = replica.stop().await;
        assert_eq!(status.code(), Some(0), "{}", replica.log());
        load.go_on(20).await;
        replica.start_again();
        replica.until_ready().await;
        load.go_on(20).await;
    }
    load.go_on(rounds(100, 5_000)).await;
    let (sent, failures) = load.end().await;
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
}

#[tokio::test]
async fn a_killed_replica_costs_what_may_not_be_sent_twice() {
    let mut platform = replicated().await;
    let load = Load::begin(&platform).await;
    let mut kills = 0;
    for (_, replica) in platform.replicas_mut().take(replicas() * 5) {
        load.go_on(rounds(50, 1_500)).await;
        replica.kill();
        kills += 1;
        load.go_on(20).await;
        replica.start_again();
        replica.until_ready().await;
    }
    let (sent, failures) = load.end().await;
    for failure in &failures {
        assert!(
            !failure.what.starts_with("GET"),
            "it can be sent twice: {failure:#?}"
        );
        assert_eq!(failure.status, 503, "{failure:#?}");
        let is_gateways = failure
            .text
            .contains(Code::SERVER_DEPENDENCY_UNAVAILABLE.as_str());
        assert!(is_gateways, "{failure:#?}");
    }
    // Each client has one request under way.
    let bound = rounds(kills * Load::CLIENTS, sent / 1_000);
    assert!(
        failures.len() <= bound,
        "of {sent}, {kills} kills: {failures:#?}"
    );
}

#[tokio::test]
async fn without_one_replica_of_each_everything_goes_on() {
    let platform = replicated().await;
    let (person, login) = platform.client.newcomer_in().await;
    for service in Service::ALL {
        platform.kill(service);
    }
    let client = platform.client.clone();
    platform.accepted_everywhere(&login.access).await;
    for _ in 0..20 {
        let _ = client.log_in(&person).await;
        let _ = client.newcomer().await;
    }
    let logout = client.post("/api/v1/auth/logout").bearer(&login.access);
    let since = std::time::Instant::now();
    let _ = logout.await.must(204);
    platform
        .refused_everywhere(&login.access, since, &[Code::AUTH_SESSION_CLOSED])
        .await;
}
