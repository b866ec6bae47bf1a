//! Clients that go on while something is done to the platform.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::task::JoinHandle;

use crate::{Answer, Call, Client, Login, Person, Platform, any_below, eventually};

/// How long the load may take to come so far.
const PATIENCE: Duration = Duration::from_secs(120);

/// What went wrong for a client.
#[derive(Debug)]
pub struct Failure {
    /// Method and path.
    pub what: &'static str,
    /// Status of the answer; 0 if there was none.
    pub status: u16,
    /// The answer, or the error.
    pub text: String,
}

/// Clients that send one request after the other, each as a user of its own.
#[derive(Debug)]
pub struct Load {
    is_over: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<Failure>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Clients at once.
    pub const CLIENTS: usize = 8;

    /// Begins it, from addresses of its own.
    pub async fn begin(platform: &Platform) -> Self {
        let mut load = Self {
            is_over: Arc::default(),
            sent: Arc::default(),
            failures: Arc::default(),
            clients: Vec::new(),
        };
        for number in 1..=Self::CLIENTS {
            let number = u8::try_from(number).expect("eight");
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
    ///
    /// # Panics
    /// If they take longer than two minutes.
    pub async fn go_on(&self, more: usize) {
        let end = self.sent.load(Ordering::Relaxed) + more;
        eventually(PATIENCE, "the load goes on", || async {
            (self.sent.load(Ordering::Relaxed) >= end).then_some(())
        })
        .await;
    }

    /// Ends it: how many requests were sent, and what went wrong.
    ///
    /// # Panics
    /// If a change that was acknowledged is not there.
    pub async fn end(self) -> (usize, Vec<Failure>) {
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
