//! An invented role: what it says of everybody, and whether it says anything. And role as it is.

use std::sync::{Arc, Mutex};

use role_service::{RoleConfig, RoleService};
use testkit::{Backend, TestDatabase, TestIdentities, service::Served};
use ud_http::ServiceBinary as _;
use ud_kernel::{Service, models::Access};
use ud_service::TokenGuard;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::service::Own;

/// The role service, invented.
pub struct Role {
    server: MockServer,
    held: Arc<Mutex<Held>>,
}

struct Held {
    access: Access,
    is_down: bool,
}

impl Role {
    pub async fn invented() -> Self {
        let access = Access {
            roles: vec!["user".to_owned()],
            permissions: Vec::new(),
            policy_version: 1,
            valid_until: None,
        };
        let held = Arc::new(Mutex::new(Held {
            access,
            is_down: false,
        }));
        let server = MockServer::start().await;
        let answer = Answer(Arc::clone(&held));
        Mock::given(any()).respond_with(answer).mount(&server).await;
        Self { server, held }
    }

    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// From now on everybody holds these.
    pub fn holds(&self, permissions: &[&str]) {
        let owned = permissions.iter().map(ToString::to_string);
        self.held.lock().unwrap().access.permissions = owned.collect();
    }

    /// From now on it answers nobody, or does again.
    pub fn is_down(&self, is_down: bool) {
        self.held.lock().unwrap().is_down = is_down;
    }
}

struct Answer(Arc<Mutex<Held>>);

impl Respond for Answer {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let held = self.0.lock().unwrap();
        if held.is_down {
            return ResponseTemplate::new(503);
        }
        ResponseTemplate::new(200).set_body_json(&held.access)
    }
}

/// The role service on a database of its own.
pub struct RealRole {
    pub own: Own,
    database: TestDatabase,
    running: Option<Served>,
}

impl RealRole {
    pub fn new(backend: Backend, own: Own) -> Self {
        Self {
            own,
            database: TestDatabase::create(backend),
            running: None,
        }
    }

    pub async fn start(
        &mut self,
        identities: &TestIdentities,
        guard: &TokenGuard,
        peers: &[(Service, String)],
    ) {
        let around = self.own.around(Service::Role, identities, peers);
        let config = RoleConfig {
            database: testkit::database_config(&self.database.url),
            limits: testkit::no_limits(),
        };
        let mounted = RoleService::build(config, around.base().with_guard(guard)).await;
        self.running = Some(self.own.serve(&around, mounted.unwrap()));
    }
}
