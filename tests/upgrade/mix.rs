//! Programs of two releases beside each other: what one has made, the other takes.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use end_to_end::{Client, Login, OWN, Person, Platform};
use serde_json::{Value, json};
use ud_kernel::Service;

use crate::audited::Owed;

/// How long an access token may still be good after it was revoked, also where the feed is cut (docs/API.md).
const BOUND: Duration = Duration::from_millis(3300);

/// Sessions that live on from stage to stage, and what was measured.
#[derive(Debug, Default)]
pub struct Mix {
    sessions: Vec<Login>,
    /// What was acknowledged here, of which the audit log tells.
    pub owed: Owed,
    pub slowest_refusal: Duration,
    pub refreshes: usize,
    pub stages: usize,
}

/// A replica's public listener.
struct Replica {
    service: Service,
    client: Client,
}

impl Replica {
    async fn status(&self, token: &str) -> u16 {
        let own = OWN.iter().find(|(service, _)| *service == self.service);
        let call = self.client.get(own.unwrap().1).bearer(token).unchecked();
        call.await.status
    }
}

fn replicas(platform: &Platform) -> Vec<Replica> {
    let directory = &platform.directory;
    let ports = Service::ALL.into_iter().flat_map(|service| {
        let ports = [
            directory.public_port(service),
            directory.second_ports(service).0,
        ];
        ports.map(|port| (service, port))
    });
    let replica = |(service, port)| {
        let base = format!("http://127.0.0.1:{port}");
        let client = Client::new(base, Ipv4Addr::LOCALHOST, platform.secrets.clone());
        let client = client.impatient();
        Replica { service, client }
    };
    ports.map(replica).collect()
}

impl Mix {
    /// Lets everybody who has a session from any earlier stage go on, and opens new ones on each replica of auth, which are
    /// refreshed, used and closed by all others.
    pub async fn check(&mut self, platform: &Platform) {
        let replicas = replicas(platform);
        let auths: Vec<_> = replicas
            .iter()
            .filter(|r| r.service == Service::Auth)
            .collect();
        let client = platform.client.clone().impatient();
        self.sessions_go_on(&auths).await;
        for (one, other) in [(auths[0], auths[1]), (auths[1], auths[0])] {
            let person = client.newcomer().await;
            let opened = one.client.log_in(&person).await;
            accepted(&replicas, &opened.access).await;
            let refreshed = other.client.refresh(&opened).await;
            accepted(&replicas, &refreshed.access).await;
            self.sessions.push(one.client.refresh(&refreshed).await);
            let closed = other.client.log_in(&person).await;
            accepted(&replicas, &closed.access).await;
            let logout = one
                .client
                .post("/api/v1/auth/logout")
                .bearer(&closed.access);
            let _ = logout.await.must(204);
            self.refused(&replicas, &closed.access, Instant::now())
                .await;
            self.password(&replicas, one, other, &person).await;
            self.owed.owe("user_created", &person.id);
            // Here twice, and twice for the new password.
            self.owed.owe_times(4, "user_logged_in", &person.id);
            self.owed.owe("password_changed", &person.id);
        }
        self.administration(platform, &client, &replicas).await;
        self.stages += 1;
    }

    async fn sessions_go_on(&mut self, auths: &[&Replica]) {
        for (number, session) in self.sessions.iter_mut().enumerate() {
            *session = auths[number % auths.len()].client.refresh(session).await;
            self.refreshes += 1;
        }
    }

    /// A new password at one replica ends the sessions that another opened.
    async fn password(
        &mut self,
        replicas: &[Replica],
        one: &Replica,
        other: &Replica,
        person: &Person,
    ) {
        // The session of this person that lives on is the last one.
        let kept = self.sessions.pop().unwrap();
        let own = one.client.log_in(person).await;
        let password = Person::password();
        let call = other
            .client
            .change_password(&own, &person.password, &password);
        let since = Instant::now();
        let renewed = Login::from_answer(call.unchecked().await);
        self.refused(replicas, &kept.access, since).await;
        let refused = other.client.try_refresh(&kept.refresh).await;
        assert_eq!(refused.status, 401, "{refused:?}");
        accepted(replicas, &renewed.access).await;
        let known = Person {
            password,
            ..person.clone()
        };
        one.client.log_in(&known).await;
        self.sessions.push(other.client.refresh(&renewed).await);
    }

    /// Rights that are given and taken, a user who is suspended and let in again.
    async fn administration(&mut self, platform: &Platform, client: &Client, replicas: &[Replica]) {
        let admin = client.log_in(&platform.chief).await;
        let bearer = |call: end_to_end::Call| call.bearer(&admin.access).unchecked();
        let (person, login) = client.newcomer_in().await;
        let name = format!("r{}", end_to_end::unique());
        let role = json!({"name": name, "description": "d", "permissions": ["orders:read"]});
        let role = bearer(client.post("/api/v1/roles").json(&role))
            .await
            .must(201);
        let wanted = json!({"user_id": person.id, "role_id": role.text("id")});
        let call = client.post("/api/v1/role-assignments").json(&wanted);
        let assignment = bearer(call).await.must(201).text("id");
        let holder = client.refresh(&login).await;
        let names = |login: &Login| login.claims()["roles"].clone();
        let holds = |names: &Value| names.as_array().unwrap().contains(&json!(name));
        assert!(holds(&names(&holder)), "{:?}", names(&holder));
        accepted(replicas, &holder.access).await;
        let path = format!("/api/v1/role-assignments/{assignment}");
        let _ = bearer(client.delete(&path)).await.must(204);
        self.refused(replicas, &holder.access, Instant::now()).await;
        let without = client.refresh(&holder).await;
        assert!(!holds(&names(&without)), "{:?}", names(&without));
        accepted(replicas, &without.access).await;

        let path = format!("/api/v1/users/{}", person.id);
        let _ = bearer(client.post(&format!("{path}/suspend")))
            .await
            .must(200);
        self.refused(replicas, &without.access, Instant::now())
            .await;
        let refused = client.try_log_in(&person.email, &person.password).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        let _ = bearer(client.post(&format!("{path}/reactivate")))
            .await
            .must(200);
        self.sessions.push(client.log_in(&person).await);
        for action in [
            "user_created",
            "role_assigned",
            "role_unassigned",
            "user_suspended",
            "user_reactivated",
        ] {
            self.owed.owe(action, &person.id);
        }
        self.owed.owe_times(2, "user_logged_in", &person.id);
    }

    async fn refused(&mut self, replicas: &[Replica], token: &str, since: Instant) {
        for replica in replicas {
            loop {
                let asked = Instant::now();
                let status = replica.status(token).await;
                if status == 401 {
                    break;
                }
                let (service, age) = (replica.service, asked.duration_since(since));
                assert!(age < BOUND, "{service} answers {status} {age:?} after");
            }
        }
        self.slowest_refusal = since.elapsed().max(self.slowest_refusal);
    }
}

/// Every replica of every service takes the token.
async fn accepted(replicas: &[Replica], token: &str) {
    for replica in replicas {
        let status = replica.status(token).await;
        assert_eq!(status, 200, "{}", replica.service);
    }
}
