//! The platform that is measured, and users of it.

use std::{fs, time::Duration};

use end_to_end::{Client, Kind, Login, Options, Person, Platform, eventually};
use serde_json::json;
use ud_kernel::Service;

use crate::{
    pace::cores,
    wire::{Wire, json_request},
};

/// Users of a platform.
pub const PEOPLE: usize = 8;
/// Status of a service that has too much to do.
const BUSY: u16 = 503;
/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// A platform, as it would run on a site.
#[derive(Debug)]
pub struct World {
    /// The platform.
    pub platform: Platform,
    /// Users of it, once it is settled.
    pub people: Vec<Person>,
}

impl World {
    /// The services of release binaries behind NGINX, on PostgreSQL and Redis: settings as they are by default,
    /// limits that no load meets. `cost` is that of password hashes where it is not to be the default.
    pub async fn start(cost: Option<&str>) -> Self {
        let platform = site(Kind::Services, cost)
            .without_administrator()
            .start()
            .await;
        Self {
            platform,
            people: Vec::new(),
        }
    }

    /// Waits until the administrator is one, so that what the services do at their first start is done, and registers
    /// [`PEOPLE`] users.
    ///
    /// # Panics
    /// If one cannot be registered.
    pub async fn settle(&mut self) {
        let chief = &self.platform.chief;
        eventually(PATIENCE, "the first administrator", || async {
            let login = self
                .platform
                .client
                .try_log_in(&chief.email, &chief.password);
            (login.await.status == 200).then_some(())
        })
        .await;
        let newcomer = |_| {
            let client = self.platform.client.clone();
            async move { newcomer(&client).await }
        };
        self.people = in_groups((0..PEOPLE).map(newcomer)).await;
    }

    /// Logs one of the users in.
    pub async fn log_in(&self) -> (&Person, Login) {
        let person = &self.people[0];
        (person, log_in(&self.platform.client, person).await)
    }

    /// Logs all users in.
    ///
    /// # Panics
    /// If one cannot.
    pub async fn log_all_in(&self) -> Vec<Login> {
        let all = |person: &Person| {
            let (client, person) = (self.platform.client.clone(), person.clone());
            async move { log_in(&client, &person).await }
        };
        in_groups(self.people.iter().map(all)).await
    }

    /// Public port of `service`.
    #[must_use]
    pub fn port(&self, service: Service) -> u16 {
        self.platform.directory.public_port(service)
    }

    /// So many connections to the public listener of `service`.
    pub async fn wires(&self, service: Service, count: usize) -> Vec<Wire> {
        let wires = Wire::open_all(self.port(service), count).await;
        wires.expect("the service listens")
    }
}

/// Somebody new. On a machine with other work the services may be too busy to hash a password in time: then it is asked
/// again, since nothing is measured yet.
async fn newcomer(client: &Client) -> Person {
    eventually(PATIENCE, "somebody is registered", || async {
        let person = Person::new();
        let answer = client.post("/api/v1/users").json(&person.registration());
        let answer = answer.await;
        (answer.status != BUSY).then(|| Person {
            id: answer.must(201).text("id"),
            ..person
        })
    })
    .await
}

/// Logs `person` in, as patiently.
async fn log_in(client: &Client, person: &Person) -> Login {
    eventually(PATIENCE, "somebody is logged in", || async {
        let answer = client.try_log_in(&person.email, &person.password).await;
        (answer.status != BUSY).then(|| Login::from_answer(answer))
    })
    .await
}

/// Does all of `work`, as much at once as passwords are hashed at once: nobody waits so long that they are refused.
async fn in_groups<F>(work: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut work: Vec<F> = work.collect();
    let mut done = Vec::new();
    while !work.is_empty() {
        let group = work.split_off(work.len().saturating_sub(cores()));
        let running: Vec<_> = group.into_iter().map(tokio::spawn).collect();
        for one in running {
            done.push(one.await.expect("it does not panic"));
        }
    }
    done
}

/// Options of a platform as it would run on a site: default settings, logs in files.
#[must_use]
pub fn site(kind: Kind, cost: Option<&str>) -> Options {
    let mut options = Options::new(kind).logging_to_files();
    for name in ["HTTP_WORKERS", "LOG_LEVEL"] {
        options = options.set(name, "");
    }
    // As in production, where nobody reads documents here.
    options = options.set("DOCS_ENABLED", "false");
    options.set("BCRYPT_COST", cost.unwrap_or_default())
}

/// The request by which `person` logs in.
#[must_use]
pub fn login_request(person: &Person) -> Vec<u8> {
    let body = json!({"identifier": person.email, "password": person.password});
    json_request("POST", "/api/v1/auth/login", body.to_string().as_bytes())
}

/// `request` as the gateway passes it on for a client at `address`.
#[must_use]
pub fn from_address(request: &[u8], address: &str) -> Vec<u8> {
    let line = request.split_inclusive(|byte| *byte == b'\n').next();
    let (line, rest) = request.split_at(line.map_or(0, <[u8]>::len));
    let header = format!("x-forwarded-for: {address}\r\n");
    [line, header.as_bytes(), rest].concat()
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Its proportional share: of pages that several processes have, its part.
    pub pss: u64,
    /// All its resident pages.
    pub rss: u64,
}

impl Memory {
    /// Of the process `pid`.
    ///
    /// # Panics
    /// If the system does not tell.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).expect("the process runs");
        let kilobytes = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|n| n.parse().ok()).expect("a number of kB")
        };
        Self {
            pss: kilobytes("Pss:") * 1_024,
            rss: kilobytes("Rss:") * 1_024,
        }
    }

    /// Returns the memory of each service of `platform`.
    #[must_use]
    pub fn of_services(platform: &Platform) -> Vec<(Service, Self)> {
        let of = |service| Self::of(platform.process(service).process().pid());
        Service::ALL.into_iter().map(|s| (s, of(s))).collect()
    }
}
