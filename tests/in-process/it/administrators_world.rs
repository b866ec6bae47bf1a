//! Profile's and role's flows over databases of their own, and an auth that remembers who may log in.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use diesel::prelude::*;
use end_to_end::Ports;
use role_service::{
    RoleConfig, RoleService,
    models::{
        ADMIN_ROLE, AssignmentFilter, AssignmentFlow, Change, MAX_NAMES_BYTES, NamesLimit,
        NewAssignment, NotBeforeClient, ReadFlow, assignment_flow, standing_flow,
    },
};
use serde_json::{Value, json};
use testkit::{Backend, Gates, TestDatabase, TestIdentities, TestIssuer, service::Served};
use ud_db::{Db, DbConn, StoreError};
use ud_events::{Event, EventType, OutboxHandle};
use ud_http::ServiceBinary as _;
use ud_kernel::{
    AssignmentId, Clock, Failpoints, Service, Timestamp, UserId,
    models::{Provenance, Standing, UserStanding},
};
use ud_service::ServiceContext;
use user_profile_service::models::{
    AccountFlow, Rights, Standings, standing_store,
    user::{User, UserStatus},
    user_store,
};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::method};

use crate::service::{Own, START};

/// What the account of a user allows, and whether its user holds `admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    pub status: UserStatus,
    pub is_admin: bool,
}

type Statuses = Arc<Mutex<BTreeMap<String, (String, i64)>>>;

pub struct House {
    pub clock: Clock,
    pub gates: Gates,
    profile: Db,
    role: Db,
    base: ServiceContext,
    role_base: ServiceContext,
    /// By user id: whether they may log in, by the message with the highest sequence.
    auth: Statuses,
    _auth_server: MockServer,
    _serving: Served,
    _databases: [TestDatabase; 2],
}

impl House {
    pub async fn start(backend: Backend) -> Self {
        let clock = Clock::manual(START);
        let ports = Ports::reserve();
        let identities = TestIdentities::new(clock.clone());
        let (auth_server, auth) = invented_auth().await;
        let databases = [TestDatabase::create(backend), TestDatabase::create(backend)];
        let role_own = Own::new(clock.clone(), clock.clone(), &ports, 0);
        let profile_own = Own::new(clock.clone(), clock.clone(), &ports, 1);
        let peers = [
            (Service::Auth, auth_server.uri()),
            (Service::Session, auth_server.uri()),
            (Service::Role, role_own.internal()),
        ];
        let around_role = role_own.around(Service::Role, &identities, &peers);
        let role_base = around_role.base();
        let config = RoleConfig {
            database: testkit::database_config(&databases[0].url),
            limits: testkit::no_limits(),
        };
        let mut served = around_role.guarded();
        served.failpoints = Failpoints::none();
        let mounted = RoleService::build(config, served).await.unwrap();
        let serving = role_own.serve(&around_role, mounted);
        let around_profile = profile_own.around(Service::Profile, &identities, &peers);
        let base = around_profile.base();
        let open = |database: &TestDatabase, service| {
            Db::open(&testkit::database_config(&database.url), service).unwrap()
        };
        let profile = open(&databases[1], Service::Profile);
        profile
            .migrate(&user_profile_service::ALL_MIGRATIONS)
            .await
            .unwrap();
        Self {
            clock,
            gates: Gates::new(),
            role: open(&databases[0], Service::Role),
            profile,
            base,
            role_base,
            auth,
            _auth_server: auth_server,
            _serving: serving,
            _databases: databases,
        }
    }

    pub fn accounts(&self, failpoints: Failpoints) -> AccountFlow {
        let peers = &self.base.peers;
        let (auth, role) = (peers.client(Service::Auth), peers.client(Service::Role));
        let (db, clock) = (self.profile.clone(), self.clock.clone());
        let standings = Standings::new(db.clone(), role.clone(), clock.clone(), failpoints.clone());
        let outbox = OutboxHandle::new();
        AccountFlow::new(
            db,
            auth,
            Rights::new(role),
            standings,
            outbox,
            clock,
            failpoints,
        )
    }

    pub fn assignments(&self, failpoints: Failpoints) -> AssignmentFlow {
        let peers = &self.role_base.peers;
        AssignmentFlow {
            db: self.role.clone(),
            clock: self.clock.clone(),
            outbox: OutboxHandle::new(),
            not_before: NotBeforeClient::new(peers.client(Service::Session)),
            auth: peers.client(Service::Auth),
            names: NamesLimit::new(TestIssuer::new(self.clock.clone()).verifier()),
            failpoints,
        }
    }

    /// Profile's sweeper until nothing is left, and profile's events at auth and role.
    pub async fn settle(&self) {
        let role = self.base.peers.client(Service::Role);
        let (db, clock) = (self.profile.clone(), self.clock.clone());
        let standings = Standings::new(db, role, clock, Failpoints::none());
        while standings.sweep().await.unwrap() > 0 {}
        self.deliver().await;
    }

    async fn deliver(&self) {
        use ud_events::schema::outbox;
        let bodies: Vec<String> = self
            .profile
            .read(|conn| {
                outbox::table
                    .order(outbox::id)
                    .select(outbox::body)
                    .load(conn)
                    .map_err(StoreError::from)
            })
            .await
            .unwrap();
        for body in bodies {
            let event = Event::from_json(body.as_bytes()).unwrap();
            let status = match event.kind {
                EventType::USER_SUSPENDED => "suspended",
                EventType::USER_REACTIVATED => "active",
                EventType::USER_DELETED => "deleted",
                _ => continue,
            };
            tell(
                &self.auth,
                &event.subject.to_string(),
                status,
                event.sequence,
            );
            let clock = self.clock.clone();
            self.role
                .tx(move |conn| {
                    assignment_flow::remove_user(conn, &event, &clock).map_err(|e| match e {
                        ud_events::ApplyError::Store(error) => error,
                        other => StoreError::Internal(other.to_string()),
                    })
                })
                .await
                .unwrap();
        }
    }

    /// Two new users in the place of those of before, who are as `people` says.
    pub async fn people(&self, people: [Person; 2]) -> [UserId; 2] {
        let now = self.clock.now();
        let ids = [UserId::new(now), UserId::new(now)];
        let users = [user(ids[0], people[0], now), user(ids[1], people[1], now)];
        self.profile
            .tx(move |conn| {
                diesel::sql_query("DELETE FROM outbox_deliveries").execute(conn)?;
                diesel::sql_query("DELETE FROM outbox").execute(conn)?;
                users
                    .iter()
                    .try_for_each(|user| user_store::insert(conn, user))
            })
            .await
            .unwrap();
        for (id, person) in ids.iter().zip(people) {
            tell(&self.auth, &id.to_string(), person.status.as_str(), 1);
        }
        let clock = self.clock.clone();
        self.role
            .tx(move |conn| {
                for table in ["role_assignments", "first_administrator", "user_standings"] {
                    diesel::sql_query(format!("DELETE FROM {table}")).execute(conn)?;
                }
                assign_first(conn, ids, people, &clock)
            })
            .await
            .unwrap();
        ids
    }

    pub async fn see(&self, ids: [UserId; 2]) -> [Person; 2] {
        [self.person(ids[0]).await, self.person(ids[1]).await]
    }

    async fn person(&self, id: UserId) -> Person {
        let user = self.profile.read(move |conn| user_store::find(conn, id));
        let user = user.await.unwrap().unwrap();
        let status = user.status;
        let left = self
            .profile
            .read(move |conn| standing_store::find(conn, id));
        assert_eq!(left.await.unwrap(), None, "role has not confirmed a change");
        // A question that never counts: what role holds, if it was told anything.
        let clock = self.clock.clone();
        let question = UserStanding {
            state: Standing::Active,
            sequence: 0,
        };
        let held = self
            .role
            .tx(move |conn| standing_flow::set(conn, id, question, &clock))
            .await
            .unwrap();
        let expected = match status {
            UserStatus::Active => Standing::Active,
            _ => Standing::Inactive,
        };
        assert_eq!(held.state, expected, "role and profile differ");
        assert!(held.sequence <= user.version, "role is ahead of profile");
        let told = self.auth.lock().unwrap()[&id.to_string()].0.clone();
        assert_eq!(told, status.as_str(), "auth and profile differ");
        Person {
            status,
            is_admin: self.assignment(id).await.is_some(),
        }
    }

    /// The assignment of `admin` to this user.
    pub async fn assignment(&self, id: UserId) -> Option<AssignmentId> {
        let reads = ReadFlow {
            db: self.role.clone(),
            clock: self.clock.clone(),
        };
        let filter = AssignmentFilter {
            user_id: Some(id),
            role_id: Some(ADMIN_ROLE),
        };
        let found = reads.assignments(filter, None, 1).await.unwrap();
        found.first().map(|(assignment, _)| assignment.id)
    }
}

fn user(id: UserId, person: Person, now: Timestamp) -> User {
    User {
        id,
        status: person.status,
        email: Some(format!("{id}@example.org")),
        email_canonical: Some(format!("{id}@example.org")),
        email_verified: false,
        username: None,
        given_name: None,
        family_name: None,
        phone: None,
        locale: None,
        timezone: None,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

fn assign_first(
    conn: &mut DbConn,
    ids: [UserId; 2],
    people: [Person; 2],
    clock: &Clock,
) -> Result<(), StoreError> {
    let broken = |error: role_service::models::RoleError| match error {
        role_service::models::RoleError::Store(error) => error,
        other => panic!("{other}"),
    };
    for (id, person) in ids.iter().zip(people) {
        if person.status == UserStatus::Suspended {
            let standing = UserStanding {
                state: Standing::Inactive,
                sequence: 1,
            };
            standing_flow::set(conn, *id, standing, clock).map_err(broken)?;
        }
    }
    assert!(people[0].is_admin, "the first person is an administrator");
    assignment_flow::make_first_administrator(conn, ids[0], &Provenance::default(), clock)
        .map_err(broken)?;
    if people[1].is_admin {
        let change = Change {
            caller: ids[0],
            origin: Provenance::default(),
            clock: clock.clone(),
            most_names: MAX_NAMES_BYTES,
        };
        let new = NewAssignment {
            user_id: ids[1],
            role_id: ADMIN_ROLE,
            expires_at: None,
        };
        assignment_flow::assign(conn, &change, new).map_err(broken)?;
    }
    Ok(())
}

fn tell(statuses: &Statuses, user: &str, status: &str, sequence: i64) {
    let mut statuses = statuses.lock().unwrap();
    let stored = statuses.entry(user.to_owned()).or_default();
    if sequence > stored.1 {
        *stored = (status.to_owned(), sequence);
    }
}

/// What auth and session answer: who may log in, and that not-befores are stored.
async fn invented_auth() -> (MockServer, Statuses) {
    let server = MockServer::start().await;
    let statuses = Statuses::default();
    let own = Arc::clone(&statuses);
    Mock::given(method("GET"))
        .respond_with(move |request: &Request| {
            let user = request.url.path().rsplit('/').next().unwrap();
            let status = own.lock().unwrap()[user].0.clone();
            ResponseTemplate::new(200).set_body_json(json!({
                "user_id": user, "email": "a@example.org", "username": null, "status": status,
                "epoch": 1, "created_at": "2026-01-01T00:00:00.000Z",
            }))
        })
        .mount(&server)
        .await;
    let own = Arc::clone(&statuses);
    Mock::given(method("PUT"))
        .respond_with(move |request: &Request| {
            let user = request.url.path().split('/').nth(4).unwrap();
            let body: Value = request.body_json().unwrap();
            let (status, sequence) = (body["status"].as_str(), body["sequence"].as_i64());
            tell(&own, user, status.unwrap(), sequence.unwrap());
            let answer = json!({"epoch": 2, "sessions_closed": true});
            ResponseTemplate::new(200).set_body_json(answer)
        })
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    (server, statuses)
}
