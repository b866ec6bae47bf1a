//! Two replicas of every service cover for each other: nobody notices a rolling restart, and a kill costs what was under
//! way at that moment and may not be sent twice.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use end_to_end::{Answer, Call, Client, Kind, Login, Options, Person, Platform, any_below};
use end_to_end::{eventually, rounds};
use serde_json::json;
use tokio::task::JoinHandle;
use ud_kernel::{Code, Service};

/// Clients at once.
const CLIENTS: u8 = 8;
/// How long the load may take to come so far.
const PATIENCE: Duration = Duration::from_secs(120);

/// What went wrong for a client.
#[derive(Debug)]
struct Failure {
    what: &'static str,
    status: u16,
    text: String,
}

/// Clients that send one request after the other, each as a user of its own.
struct Load {
    is_over: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<Failure>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    async fn begin(platform: &Platform) -> Self {
        let mut load = Self {
            is_over: Arc::default(),
            sent: Arc::default(),
            failures: Arc::default(),
            clients: Vec::new(),
        };
        for number in 1..=CLIENTS {
            let client = platform.client_at(8, number).impatient();
            let (person, login) = client.newcomer_in().await;
            let mut user = User {
                client,
                person,
                login,
                given_name: Some(String::new()),
                is_sure: true,
            };
            let (is_over, sent) = (Arc::clone(&load.is_over), Arc::clone(&load.sent));
            let failures = Arc::clone(&load.failures);
            load.clients.push(tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let failure = user.act().await;
                    sent.fetch_add(1, Ordering::Relaxed);
                    failures.lock().unwrap().extend(failure);
                }
                user.has_what_was_acknowledged().await;
            }));
        }
        load
    }

    /// Waits until `more` requests have been answered from now on.
    async fn go_on(&self, more: usize) {
        let end = self.sent.load(Ordering::Relaxed) + more;
        eventually(PATIENCE, "the load goes on", || async {
            (self.sent.load(Ordering::Relaxed) >= end).then_some(())
        })
        .await;
    }

    /// How many requests were sent, and what went wrong.
    async fn end(self) -> (usize, Vec<Failure>) {
        self.is_over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let failures = std::mem::take(&mut *self.failures.lock().unwrap());
        let sent = self.sent.load(Ordering::Relaxed);
        (sent, failures)
    }
}

struct User {
    client: Client,
    person: Person,
    login: Login,
    given_name: Option<String>,
    /// Whether the last change was answered, so that `given_name` is known.
    is_sure: bool,
}

impl User {
    async fn act(&mut self) -> Option<Failure> {
        match any_below(4) {
            0 => {
                let call = self
                    .client
                    .get("/api/v1/users/me")
                    .bearer(&self.login.access);
                done("GET /users/me", call).await.err()
            }
            1 => {
                let name = format!("N{}", any_below(1_000_000));
                let path = format!("/api/v1/users/{}", self.person.id);
                let call = self.client.patch(&path).bearer(&self.login.access);
                let call = call.json(&json!({"given_name": name}));
                let failure = done("PATCH /users/{id}", call).await.err();
                self.is_sure = failure.is_none();
                self.given_name = Some(name);
                failure
            }
            2 => {
                let body = json!({"refresh_token": self.login.refresh});
                let call = self.client.post("/api/v1/auth/refresh").json(&body);
                self.goes_on("POST /auth/refresh", call).await
            }
            _ => {
                let body =
                    json!({"identifier": self.person.email, "password": self.person.password});
                let call = self.client.post("/api/v1/auth/login").json(&body);
                self.goes_on("POST /auth/login", call).await
            }
        }
    }

    /// With the tokens of the answer, if it is a good one.
    async fn goes_on(&mut self, what: &'static str, call: Call) -> Option<Failure> {
        match done(what, call).await {
            Ok(answer) => {
                self.login = Login::from_answer(answer);
                None
            }
            Err(failure) => Some(failure),
        }
    }

    async fn has_what_was_acknowledged(&self) {
        let call = self
            .client
            .get("/api/v1/users/me")
            .bearer(&self.login.access);
        let answer = call.await.must(200).json();
        if self.is_sure {
            let name = answer["given_name"].as_str().unwrap_or_default();
            assert_eq!(
                Some(name),
                self.given_name.as_deref(),
                "an acknowledged change"
            );
        }
    }
}

async fn done(what: &'static str, call: Call) -> Result<Answer, Failure> {
    match call.try_send().await {
        Ok(answer) if answer.status == 200 => Ok(answer),
        Ok(answer) => Err(Failure {
            what,
            status: answer.status,
            text: format!("{answer:?}"),
        }),
        Err(error) => Err(Failure {
            what,
            status: 0,
            text: format!("{error:?}"),
        }),
    }
}

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
            .contains(Code::ServerDependencyUnavailable.as_str());
        assert!(is_gateways, "{failure:#?}");
    }
    // Each client has one request under way.
    let bound = rounds(kills * usize::from(CLIENTS), sent / 1_000);
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
        .refused_everywhere(&login.access, since, &[Code::AuthSessionClosed])
        .await;
}
