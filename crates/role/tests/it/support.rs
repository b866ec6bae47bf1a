//! A database with an administrator in it, and short words for what tests do with it.

use role_service::{
    ALL_MIGRATIONS, RoleConfig,
    models::{
        ADMIN_ROLE, Assignment, AssignmentFilter, Change, MAX_NAMES_BYTES, NewAssignment, NewRole,
        PermissionSet, ReadFlow, Role, RoleError, RoleName, RolePatch, assignment_flow, role_flow,
    },
};
use testkit::{Backend, TestDatabase, service::Receiver};
use ud_db::{Db, DbConn};
use ud_events::Event;
use ud_kernel::{
    AssignmentId, Clock, Patch, RoleId, Service, Timestamp, UserId,
    models::{Access, NotBefore, Provenance},
};

/// When tests begin: 2027-01-15.
pub const START: Timestamp = Timestamp::from_secs(1_800_000_000);

pub struct Fixture {
    pub db: Db,
    pub clock: Clock,
    pub admin: UserId,
    pub database: TestDatabase,
    /// Takes what is told to others, if a service runs.
    pub receiver: Receiver,
    /// Most bytes of names for one user.
    pub most_names: usize,
}

impl Fixture {
    pub async fn new(backend: Backend) -> Self {
        let fixture = Self::without_administrator(backend).await;
        assert_eq!(
            fixture.make_first_administrator(fixture.admin).await,
            Ok(true)
        );
        fixture
    }

    pub async fn without_administrator(backend: Backend) -> Self {
        let database = TestDatabase::create(backend);
        let db = Db::open(&config(&database.url).database, Service::Role).unwrap();
        db.migrate(&ALL_MIGRATIONS).await.unwrap();
        let clock = Clock::manual(START);
        let admin = UserId::new(START);
        Self {
            db,
            clock,
            admin,
            database,
            receiver: Receiver::default(),
            most_names: MAX_NAMES_BYTES,
        }
    }

    pub fn user(&self) -> UserId {
        UserId::new(self.clock.now())
    }

    pub fn change(&self, caller: UserId) -> Change {
        Change {
            most_names: self.most_names,
            ..change(&self.clock, caller)
        }
    }

    pub async fn tx<T, F>(&self, f: F) -> Result<T, RoleError>
    where
        T: Send + 'static,
        F: FnMut(&mut DbConn) -> Result<T, RoleError> + Send + 'static,
    {
        self.db.tx(f).await
    }

    pub fn reads(&self) -> ReadFlow {
        ReadFlow {
            db: self.db.clone(),
            clock: self.clock.clone(),
        }
    }

    pub async fn access(&self, user: UserId) -> Access {
        self.reads().access(user).await.unwrap()
    }

    pub async fn permissions(&self, user: UserId) -> Vec<String> {
        self.access(user).await.permissions
    }

    pub async fn make_first_administrator(&self, user: UserId) -> Result<bool, RoleError> {
        let clock = self.clock.clone();
        self.tx(move |conn| {
            assignment_flow::make_first_administrator(conn, user, &Provenance::default(), &clock)
        })
        .await
    }

    pub async fn create_as(
        &self,
        caller: UserId,
        name: &str,
        permissions: &[&str],
    ) -> Result<Role, RoleError> {
        let (change, new) = (self.change(caller), new_role(name, permissions));
        self.tx(move |conn| role_flow::create(conn, &change, &new))
            .await
    }

    pub async fn role(&self, name: &str, permissions: &[&str]) -> Role {
        self.create_as(self.admin, name, permissions).await.unwrap()
    }

    pub async fn update_as(
        &self,
        caller: UserId,
        id: RoleId,
        permissions: &[&str],
    ) -> Result<(Role, Option<NotBefore>), RoleError> {
        let patch = RolePatch {
            description: Patch::Keep,
            permissions: Some(set(permissions)),
        };
        self.patch_as(caller, id, patch).await
    }

    pub async fn patch_as(
        &self,
        caller: UserId,
        id: RoleId,
        patch: RolePatch,
    ) -> Result<(Role, Option<NotBefore>), RoleError> {
        let change = self.change(caller);
        self.tx(move |conn| role_flow::update(conn, &change, id, &patch, &|_| true))
            .await
    }

    pub async fn delete_as(&self, caller: UserId, id: RoleId) -> Result<NotBefore, RoleError> {
        let change = self.change(caller);
        self.tx(move |conn| role_flow::delete(conn, &change, id, &|_| true))
            .await
    }

    pub async fn assign_as(
        &self,
        caller: UserId,
        user_id: UserId,
        role_id: RoleId,
        expires_at: Option<Timestamp>,
    ) -> Result<Assignment, RoleError> {
        let change = self.change(caller);
        let new = NewAssignment {
            user_id,
            role_id,
            expires_at,
        };
        let made = self
            .tx(move |conn| assignment_flow::assign(conn, &change, new))
            .await?;
        Ok(made.0)
    }

    pub async fn assign(&self, user: UserId, role: RoleId) -> Assignment {
        self.assign_as(self.admin, user, role, None).await.unwrap()
    }

    pub async fn unassign_as(
        &self,
        caller: UserId,
        id: AssignmentId,
    ) -> Result<NotBefore, RoleError> {
        let change = self.change(caller);
        self.tx(move |conn| assignment_flow::unassign(conn, &change, id))
            .await
    }

    pub async fn assignments_of(&self, user: UserId) -> Vec<(Assignment, String)> {
        let filter = AssignmentFilter {
            user_id: Some(user),
            role_id: None,
        };
        self.reads().assignments(filter, None, 1000).await.unwrap()
    }

    pub async fn administrators(&self) -> Vec<Assignment> {
        let filter = AssignmentFilter {
            user_id: None,
            role_id: Some(ADMIN_ROLE),
        };
        let found = self.reads().assignments(filter, None, 1000).await.unwrap();
        found
            .into_iter()
            .map(|(assignment, _)| assignment)
            .collect()
    }

    /// A user with one role of their own that has `permissions`.
    pub async fn user_with(&self, name: &str, permissions: &[&str]) -> UserId {
        let user = self.user();
        if !permissions.is_empty() {
            let role = self.role(name, permissions).await;
            self.assign(user, role.id).await;
        }
        user
    }

    /// All events, in the order in which they were written.
    pub async fn events(&self) -> Vec<Event> {
        self.receiver.all(&self.db).await
    }
}

pub fn config(url: &str) -> RoleConfig {
    RoleConfig {
        database: testkit::database_config(url),
        limits: testkit::no_limits(),
    }
}

pub fn change(clock: &Clock, caller: UserId) -> Change {
    let origin = Provenance {
        request_id: "test".to_owned(),
        ip: Some("192.0.2.1".to_owned()),
        user_agent: None,
        actor_id: Some(caller),
    };
    Change {
        caller,
        origin,
        clock: clock.clone(),
        most_names: MAX_NAMES_BYTES,
    }
}

pub fn set(permissions: &[&str]) -> PermissionSet {
    PermissionSet::of_role(permissions.iter().map(ToString::to_string)).unwrap()
}

pub fn new_role(name: &str, permissions: &[&str]) -> NewRole {
    NewRole {
        name: RoleName::new(name).unwrap(),
        description: None,
        permissions: set(permissions),
    }
}

/// How often a race is run: 50 times, or 1,000 with `TEST_LONG`.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told so how long to run"
)]
pub fn rounds() -> u32 {
    if std::env::var_os("TEST_LONG").is_some() {
        1000
    } else {
        50
    }
}
