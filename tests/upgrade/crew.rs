//! Clients that use every service while programs are replaced under them, and what is owed to them afterwards.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use end_to_end::{Answer, Call, Client, Login, OWN, Person, Platform, any_below, eventually};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::audited::{NOTED, Owed};

/// Clients at once, each a user of its own.
const MEMBERS: u8 = 8;
/// Sessions that a member keeps open.
const SESSIONS: usize = 3;
/// After so long an administrator logs in again: who hands out roles has logged in within five minutes.
const RECENT: Duration = Duration::from_secs(200);
/// How long the load may take to come so far.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tells what came of a crew's work.
#[derive(Debug, Default)]
pub struct Report {
    pub owed: Owed,
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
        let admin = platform.client.log_in(&platform.chief).await;
        let role = json!({"name": "clerk", "description": "d", "permissions": ["orders:read"]});
        let call = platform.client.post("/api/v1/roles").bearer(&admin.access);
        let role = call.json(&role).await.must(201).text("id");
        let mut members = Vec::new();
        for number in 1..=MEMBERS {
            let client = platform.client_at(8, number).impatient();
            let (person, login) = client.newcomer_in().await;
            let ward = client.newcomer().await;
            let mut owed = Owed::default();
            owed.owe("user_logged_in", &person.id);
            for new in [&person, &ward] {
                owed.owe("user_created", &new.id);
            }
            let mut member = Member {
                client,
                given_name: String::new(),
                owed,
                person,
                sessions: vec![login],
                ward,
                assignment: None,
                chief: platform.chief.clone(),
                admin: (admin.clone(), Instant::now()),
                role: role.clone(),
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
        let mut owed = Owed::default();
        for member in self.members {
            owed.add(member.await.unwrap());
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
    /// A user to whom this one, with the administrator's token, gives a role and takes it away.
    ward: Person,
    assignment: Option<String>,
    chief: Person,
    admin: (Login, Instant),
    role: String,
}

impl Member {
    async fn act(&mut self) -> Result<(), String> {
        let chosen = self.any_session();
        let access = self.sessions[chosen].access.clone();
        match any_below(10) {
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
            5 => self.assign_or_unassign().await?,
            6 => self.note().await?,
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
        let opened = self.opened_by(&self.person).await?;
        self.sessions.push(opened);
        self.owes("user_logged_in");
        Ok(())
    }

    async fn opened_by(&self, person: &Person) -> Result<Login, String> {
        let body = json!({"identifier": person.email, "password": person.password});
        let call = self.client.post("/api/v1/auth/login").json(&body);
        let answer = done("POST /auth/login", 200, call).await?;
        Ok(Login::from_answer(answer))
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

    /// The administrator's token.
    async fn admin(&mut self) -> Result<String, String> {
        if self.admin.1.elapsed() > RECENT {
            self.admin = (self.opened_by(&self.chief).await?, Instant::now());
        }
        Ok(self.admin.0.access.clone())
    }

    async fn assign_or_unassign(&mut self) -> Result<(), String> {
        let admin = self.admin().await?;
        let path = "/api/v1/role-assignments";
        let action = if let Some(id) = &self.assignment {
            let call = self.client.delete(&format!("{path}/{id}"));
            done("DELETE /role-assignments/{id}", 204, call.bearer(&admin)).await?;
            self.assignment = None;
            "role_unassigned"
        } else {
            let wanted = json!({"user_id": self.ward.id, "role_id": self.role});
            let call = self.client.post(path).bearer(&admin).json(&wanted);
            let answer = done("POST /role-assignments", 201, call).await?;
            self.assignment = Some(answer.text("id"));
            "role_assigned"
        };
        self.owed.owe(action, &self.ward.id);
        Ok(())
    }

    /// Writes a record to audit itself.
    async fn note(&mut self) -> Result<(), String> {
        let record = json!({"action": NOTED, "target_type": "user", "target_id": self.ward.id, "outcome": "success"});
        let admin = self.admin().await?;
        let call = self.client.post("/api/v1/audits").bearer(&admin);
        done("POST /audits", 201, call.json(&record)).await?;
        self.owed.owe(NOTED, &self.ward.id);
        Ok(())
    }

    fn owes(&mut self, action: &str) {
        self.owed.owe(action, &self.person.id);
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
