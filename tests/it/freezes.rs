//! A service or a store stands still under load, and goes on (SIGSTOP, SIGCONT): a stalled disk, a machine that is moved, a
//! container without processor time. No session ends by it (SECURITY rule 17).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use end_to_end::{Client, Kind, Login, Platform, rounds};
use rstest::rstest;
use serde_json::json;
use tokio::time::sleep;
use ud_kernel::Service;

/// What stands still.
#[derive(Debug, Clone, Copy)]
enum Frozen {
    Redis,
    Service(Service),
}

/// Between two refreshes of a client: of a token's successors in ten seconds, fewer are made than session keeps times of.
const PACE: Duration = Duration::from_millis(1_500);
/// So many clients of each kind.
const CLIENTS: usize = 4;

impl Frozen {
    fn stop(self, platform: &Platform) {
        match self {
            Self::Redis => platform.redis().unwrap().freeze(),
            Self::Service(service) => platform.process(service).process().freeze(),
        }
    }

    fn go_on(self, platform: &Platform) {
        match self {
            Self::Redis => platform.redis().unwrap().thaw(),
            Self::Service(service) => platform.process(service).process().thaw(),
        }
    }
}

/// Refreshes again and again. Whoever got no tokens (503, a late answer, none at all) asks with the same token a second
/// later, as API.md says. Returns the last tokens when told to stop and all is well again.
async fn refresh_on(
    client: Client,
    mut login: Login,
    stop: Arc<AtomicBool>,
    refreshed: Arc<AtomicUsize>,
) -> Login {
    loop {
        let body = json!({"refresh_token": login.refresh});
        let call = client.post("/api/v1/auth/refresh").json(&body).unchecked();
        match call.try_send().await {
            Ok(answer) if answer.status == 200 => {
                login = Login::from_answer(answer);
                refreshed.fetch_add(1, Ordering::SeqCst);
                if stop.load(Ordering::SeqCst) {
                    return login;
                }
                sleep(PACE).await;
            }
            Ok(answer) => {
                assert!(matches!(answer.status, 408 | 503), "{answer:?}");
                sleep(Duration::from_secs(1)).await;
            }
            Err(_) => sleep(Duration::from_secs(1)).await,
        }
    }
}

/// Half of the clients may change things: for them a lost answer comes again for a minute only.
async fn freeze_under_load(platform: &Platform, frozen: Frozen, length: Duration) {
    let client = platform.client.clone().impatient();
    let (stop, refreshed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut clients = Vec::new();
    for i in 0..2 * CLIENTS {
        let login = if i % 2 == 0 {
            client.log_in(&platform.chief).await
        } else {
            client.newcomer_in().await.1
        };
        let on = refresh_on(
            client.clone(),
            login,
            Arc::clone(&stop),
            Arc::clone(&refreshed),
        );
        clients.push(tokio::spawn(on));
    }
    end_to_end::eventually(Duration::from_secs(30), "they refresh", || async {
        (refreshed.load(Ordering::SeqCst) >= 3 * CLIENTS).then_some(())
    })
    .await;
    frozen.stop(platform);
    sleep(length).await;
    frozen.go_on(platform);
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        let login = client
            .await
            .unwrap_or_else(|e| panic!("{frozen:?} {length:?}: {e}"));
        let login = platform.client.refresh(&login).await;
        platform.accepted_everywhere(&login.access).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_store_that_stands_still_closes_no_session(
    #[values(Frozen::Redis, Frozen::Service(Service::Session))] frozen: Frozen,
) {
    let platform = Platform::start(Kind::Services).await;
    let lengths = [12, 3, 16, 30].map(Duration::from_secs);
    for length in lengths.into_iter().take(rounds(1, 4)) {
        freeze_under_load(&platform, frozen, length).await;
    }
}

/// The others, in the long run.
#[tokio::test]
async fn a_service_that_stands_still_closes_no_session() {
    let platform = Platform::start(Kind::Services).await;
    for service in [
        Service::Auth,
        Service::Role,
        Service::Profile,
        Service::Audit,
    ] {
        let lengths = [3, 12, 30].map(Duration::from_secs);
        for length in lengths.into_iter().take(rounds(0, 3)) {
            freeze_under_load(&platform, Frozen::Service(service), length).await;
        }
    }
}
