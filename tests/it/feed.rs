//! How fast a revocation arrives, and what happens when it cannot (SECURITY rules 18 and 19).

use std::time::{Duration, Instant};

use end_to_end::{Client, Kind, Login, OWN, Options, Platform, rounds};
use ud_kernel::Service;

/// What the platform promises while the feed is cut: the copy counts for 2 s, an answer for 1 s, asking takes 250 ms.
const BOUND: Duration = Duration::from_millis(3300);

/// Ends the session; the time when that was asked for.
async fn log_out(client: &Client, login: &Login) -> Instant {
    let asked = Instant::now();
    let path = format!("/api/v1/sessions/{}", login.session);
    let _ = client.delete(&path).bearer(&login.access).await.must(204);
    asked
}

/// How long after `since` a service refused the token for the first time.
async fn refused_after(client: Client, path: &str, token: String, since: Instant) -> Duration {
    loop {
        let asked = Instant::now();
        let answer = client.get(path).bearer(&token).await;
        if answer.status == 401 {
            return asked.duration_since(since);
        }
        let _ = answer.must(200);
        assert!(since.elapsed() < Duration::from_secs(10), "{path}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_thousand_revocations_arrive_in_time() {
    let platform = Platform::services().await;
    let person = platform.client.newcomer().await;
    let mut delays = Vec::new();
    for round in 0..rounds(50, 1_000) {
        // The gateway counts requests by address.
        let client = platform.client_at(9, u8::try_from(round % 200).unwrap() + 1);
        let login = client.log_in(&person).await;
        for (_, path) in OWN {
            let _ = client.get(path).bearer(&login.access).await.must(200);
        }
        let since = log_out(&client, &login).await;
        let mut waiting = Vec::new();
        for (_, path) in OWN {
            let (client, token) = (client.clone(), login.access.clone());
            waiting.push(tokio::spawn(refused_after(client, path, token, since)));
        }
        for service in waiting {
            delays.push(service.await.unwrap());
        }
    }
    delays.sort_unstable();
    let at = |part: usize| delays[(delays.len() * part / 100).min(delays.len() - 1)];
    let (p50, p99, max) = (at(50), at(99), delays[delays.len() - 1]);
    println!(
        "revoked, from the request to the first refusal, {} times: p50 {p50:?}, p99 {p99:?}, max {max:?}",
        delays.len()
    );
    // In `make test` a few rounds run beside other tests; the figure that counts is that of `make test-long`.
    let limit = Duration::from_millis(rounds(1_500, 250) as u64);
    assert!(p99 < limit, "p99 is {p99:?}");
}

#[tokio::test]
async fn a_cut_feed_lets_nothing_pass_beyond_the_bound() {
    let platform = Options::new(Kind::Services).proxied().start().await;
    let client = platform.client.clone();
    let person = client.newcomer().await;
    let session = &platform.links().peers[&Service::Session];
    for hangs in [false, true] {
        let login = client.log_in(&person).await;
        platform.accepted_everywhere(&login.access).await;
        if hangs {
            session.hang();
        } else {
            session.cut();
        }
        // The session service itself is reachable for clients, and has closed it.
        let since = log_out(&client, &login).await;
        for (service, path) in OWN {
            loop {
                let asked = Instant::now();
                let answer = client.get(path).bearer(&login.access).await;
                if matches!(answer.status, 401 | 503) {
                    break;
                }
                let _ = answer.must(200);
                let age = asked.duration_since(since);
                assert!(age < BOUND, "{service} takes the token {age:?} after");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        for (_, path) in OWN {
            let answer = client.get(path).bearer(&login.access).await;
            assert!(matches!(answer.status, 401 | 503), "{answer:?}");
        }
        session.resume();
        for (_, path) in OWN {
            end_to_end::eventually(Duration::from_secs(20), path, || async {
                let answer = client.get(path).bearer(&login.access).await;
                (answer.status == 401).then_some(())
            })
            .await;
        }
    }
}
