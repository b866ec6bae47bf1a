//! Clients that use every service while programs are replaced under them, and what is owed to them afterwards.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use end_to_end::{Answer, Call, Client, Login, OWN, Person, Platform, any_below, eventually};
use serde_json::json;
use tokio::task::JoinHandle;

/// Clients at once, each a user of its own.
const MEMBERS: u8 = 8;
/// Sessions that a member keeps open.
const SESSIONS: usize = 3;
/// How long the load may take to come so far.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was acknowledged to one user: how often each action that the audit log tells of.
#[derive(Debug, Default)]
pub struct Owed {
    pub user: String,
    pub actions: BTreeMap<&'static str, usize>,
}

/// What came of a crew's work.
#[derive(Debug, Default)]
pub struct Report {
    pub owed: Vec<Owed>,
    pub sent: usize,
    pub slowest: Duration,
    pub failures: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    sent: AtomicUsize,
    stage: Mutex<String>,
    failures: Mutex<Vec<String>>,
    slowest: Mutex<Duration>,
}

/// Clients that send one request after the other until they are told to end.
pub struct Crew {
    shared: Arc<Shared>,
    members: Vec<JoinHandle<Owed>>,
}

impl Crew {
    /// Registers the members, logs them in, and has them begin.
    pub async fn begin(platform: &Platform) -> Self {
        let shared = Arc::<Shared>::default();
        let mut members = Vec::new();
        for number in 1..=MEMBERS {
            let client = platform.client_at(8, number).impatient();
            let (person, login) = client.newcomer_in().await;
            let mut member = Member {
                client,
                given_name: String::new(),
                owed: Owed {
                    user: person.id.clone(),
                    actions: BTreeMap::from([("user_logged_in", 1), ("user_created", 1)]),
                },
                person,
                sessions: vec![login],
            };
            let shared = Arc::clone(&shared);
            members.push(tokio::spawn(async move {
                while !shared.is_over.load(Ordering::Relaxed) {
                    let since = Instant::now();
                    let failure = member.act().await.err();
                    shared.sent.fetch_add(1, Ordering::Relaxed);
                    if let Some(failure) = failure {
                        let stage = shared.stage.lock().unwrap().clone();
                        let mut failures = shared.failures.lock().unwrap();
                        failures.push(format!("{stage}: {failure}"));
                    }
                    let mut slowest = shared.slowest.lock().unwrap();
                    *slowest = since.elapsed().max(*slowest);
                }
                member.owed
            }));
        }
        Self { shared, members }
    }

    /// Says what happens to the platform from now on, for the record of failures.
    pub fn enter(&self, stage: &str) {
        stage.clone_into(&mut self.shared.stage.lock().unwrap());
    }

    /// How many requests were answered, and how many of them wrongly, so far.
    pub fn so_far(&self) -> (usize, usize) {
        let failures = self.shared.failures.lock().unwrap().len();
        (self.shared.sent.load(Ordering::Relaxed), failures)
    }

    /// Waits until `more` requests have been answered from now on.
    pub async fn go_on(&self, more: usize) {
        let end = self.so_far().0 + more;
        eventually(PATIENCE, "the load goes on", || async {
            (self.so_far().0 >= end).then_some(())
        })
        .await;
    }

    pub async fn end(self) -> Report {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut owed = Vec::new();
        for member in self.members {
            owed.push(member.await.unwrap());
        }
        let failures = std::mem::take(&mut *self.shared.failures.lock().unwrap());
        let slowest = *self.shared.slowest.lock().unwrap();
        Report {
            owed,
            sent: self.shared.sent.load(Ordering::Relaxed),
            slowest,
            failures,
        }
    }
}

struct Member {
    client: Client,
    person: Person,
    /// The oldest first.
    sessions: Vec<Login>,
    given_name: String,
    owed: Owed,
}

impl Member {
    async fn act(&mut self) -> Result<(), String> {
        let chosen = self.any_session();
        let access = self.sessions[chosen].access.clone();
        match any_below(8) {
            0..=1 => {
                let (_, path) = OWN[chosen_of(OWN.len())];
                done(path, 200, self.client.get(path).bearer(&access)).await?;
            }
            2 => self.change_name(&access).await?,
            3 => {
                let path = "/api/v1/users/me";
                let me = done(path, 200, self.client.get(path).bearer(&access)).await?;
                let name = me.json()["given_name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                if name != self.given_name {
                    return Err(format!("{name} was read after {}", self.given_name));
                }
            }
            4 if self.sessions.len() < SESSIONS => self.log_in().await?,
            4 => self.log_out(chosen, &access).await?,
            _ => self.refresh(chosen).await?,
        }
        Ok(())
    }

    fn any_session(&self) -> usize {
        chosen_of(self.sessions.len())
    }

    async fn change_name(&mut self, access: &str) -> Result<(), String> {
        let name = format!("N{}", any_below(u64::MAX));
        let call = self
            .client
            .patch(&format!("/api/v1/users/{}", self.person.id));
        let call = call.bearer(access).json(&json!({"given_name": name}));
        done("PATCH /users/{id}", 200, call).await?;
        self.given_name = name;
        self.owes("user_updated");
        Ok(())
    }

    async fn log_in(&mut self) -> Result<(), String> {
        let body = json!({"identifier": self.person.email, "password": self.person.password});
        let call = self.client.post("/api/v1/auth/login").json(&body);
        let answer = done("POST /auth/login", 200, call).await?;
        self.sessions.push(Login::from_answer(answer));
        self.owes("user_logged_in");
        Ok(())
    }

    async fn log_out(&mut self, chosen: usize, access: &str) -> Result<(), String> {
        let call = self.client.post("/api/v1/auth/logout").bearer(access);
        done("POST /auth/logout", 204, call).await?;
        self.sessions.remove(chosen);
        self.owes("session_closed");
        Ok(())
    }

    async fn refresh(&mut self, chosen: usize) -> Result<(), String> {
        let body = json!({"refresh_token": self.sessions[chosen].refresh});
        let call = self.client.post("/api/v1/auth/refresh").json(&body);
        let answer = done("POST /auth/refresh", 200, call).await?;
        self.sessions[chosen] = Login::from_answer(answer);
        Ok(())
    }

    fn owes(&mut self, action: &'static str) {
        *self.owed.actions.entry(action).or_default() += 1;
    }
}

fn chosen_of(length: usize) -> usize {
    usize::try_from(any_below(length as u64)).unwrap()
}

async fn done(what: &str, status: u16, call: Call) -> Result<Answer, String> {
    // On a connection of its own: a client whose idle connection the gateway closes sends the request again.
    let call = call.header("connection", "close").unchecked();
    match call.try_send().await {
        Ok(answer) if answer.status == status => Ok(answer),
        Ok(answer) => Err(format!("{what}: {answer:?}")),
        Err(error) => Err(format!("{what}: {error:?}")),
    }
}
