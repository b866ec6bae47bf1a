//! What ends sessions or takes rights away, asked for as clients and profile ask for it, and what must hold afterwards.

use std::cell::RefCell;

use reqwest::Method;
use serde_json::json;
use ud_kernel::{AssignmentId, RoleId, Service, UserId, models::SessionState};

use crate::{
    seen::{Seen, Tokens, decided, see},
    waiting::until,
    world::{PASSWORD, World},
};

/// A right that comes with a role.
const RIGHT: &str = "orders:write";
const NEW_PASSWORD: &str = "m00nlit anvil orchard 5";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Password,
    Suspension,
    Deletion,
    Role,
}

/// Somebody with two sessions, to whom a change happens at instance 1 of auth.
pub struct Target {
    pub change: Change,
    user: UserId,
    pub email: String,
    /// Of instance 1; asks for the change of the password.
    own: Tokens,
    /// What that session got for it.
    renewed: RefCell<Option<Tokens>>,
    /// Of instance 0.
    pub other: Tokens,
    assignment: Option<AssignmentId>,
}

/// Who assigns roles.
pub struct Administrator {
    tokens: Tokens,
    role: RoleId,
}

impl Change {
    /// The points between its steps.
    pub const fn points(self) -> &'static [&'static str] {
        match self {
            Self::Password => &[
                "password.counted",
                "password.hashed",
                "password.changed",
                "password.sessions-closed",
                "refresh.access-read",
                "refresh.rotated",
            ],
            Self::Suspension | Self::Deletion => &["status.stored"],
            Self::Role => &["assignment.deleted"],
        }
    }
}

impl Administrator {
    /// The first, who makes the role that others get and lose.
    pub async fn of(world: &World) -> Self {
        let email = "chief@example.com";
        let user = world.register(email).await;
        let role = world.real_role.as_ref().unwrap();
        let identities = world.ground.identities.by(&world.clock);
        let token = identities.token(Service::Profile, Service::Role);
        let url = format!("{}/internal/v1/administrators", role.own.internal());
        let body = json!({"user_id": user, "origin": {"request_id": "r-1"}});
        let made = see(world.http.post(url).bearer_auth(token).json(&body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let tokens = world.log_in(0, email).await;
        let body = json!({"name": "clerk", "permissions": [RIGHT]});
        let made = call_role(world, &tokens, Method::POST, "/api/v1/roles", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let role = made.body["id"].as_str().unwrap().parse().unwrap();
        Self { tokens, role }
    }
}

async fn call_role(
    world: &World,
    by: &Tokens,
    method: Method,
    path: &str,
    body: &serde_json::Value,
) -> Seen {
    let role = world.real_role.as_ref().unwrap();
    let url = format!("{}{path}", role.own.public());
    let call = world.http.request(method, url).bearer_auth(&by.access);
    decided(call.json(body)).await
}

impl Target {
    pub async fn new(world: &World, chief: &Administrator, change: Change, number: usize) -> Self {
        let email = format!("u{number}@example.com");
        let user = world.register(&email).await;
        let mut assignment = None;
        if change == Change::Role {
            let body = json!({"user_id": user, "role_id": chief.role});
            let path = "/api/v1/role-assignments";
            let made = call_role(world, &chief.tokens, Method::POST, path, &body).await;
            assert_eq!(made.status, 201, "{made:?}");
            assignment = Some(made.body["id"].as_str().unwrap().parse().unwrap());
        }
        let (own, other) = (world.log_in(1, &email).await, world.log_in(0, &email).await);
        Self {
            change,
            user,
            email,
            own,
            renewed: RefCell::default(),
            other,
            assignment,
        }
    }

    /// Makes the change, which is stored by the session service when this returns.
    pub async fn make(&self, world: &World, chief: &Administrator) {
        match self.change {
            Change::Password => {
                let path = "/api/v1/auth/password/change";
                let body = json!({
                    "current_password": PASSWORD, "new_password": NEW_PASSWORD,
                    "refresh_token": self.own.refresh,
                });
                let answer = world.post_as(1, path, &self.own.access, &body).await;
                self.renewed.replace(Some(answer.tokens()));
            }
            Change::Suspension | Change::Deletion => {
                let status = match self.change {
                    Change::Suspension => "suspended",
                    _ => "deleted",
                };
                let answer = world.set_status(1, self.user, status, 2).await;
                assert_eq!(answer.body["sessions_closed"], true, "{answer:?}");
            }
            Change::Role => {
                let path = format!("/api/v1/role-assignments/{}", self.assignment.unwrap());
                let nothing = json!({});
                let answer = call_role(world, &chief.tokens, Method::DELETE, &path, &nothing).await;
                assert_eq!(
                    (answer.status, answer.is_pending),
                    (204, false),
                    "{answer:?}"
                );
            }
        }
    }

    /// No session of an older epoch lives, no token with old rights is accepted, and no fresh one is refused. `given`:
    /// what logins and refreshes at instance 0 that raced with the change were answered.
    pub async fn check(&self, world: &World, what: &str, given: &[Seen]) {
        for answer in given {
            let expected = matches!(answer.status, 200 | 401 | 403 | 503);
            assert!(expected, "{what}: {answer:?}");
        }
        let given = given.iter().filter(|a| a.status == 200).map(Seen::tokens);
        let all: Vec<Tokens> = given.chain([self.other.clone()]).collect();
        if self.change == Change::Role {
            return self.rights_are_gone(world, what, &all).await;
        }
        if self.change != Change::Password {
            self.is_over(world, what, 1, &self.own).await;
        }
        for tokens in &all {
            self.is_over(world, what, 0, tokens).await;
        }
        match self.change {
            Change::Password => {
                let renewed = self.renewed.take().unwrap();
                assert_eq!(renewed.session, self.own.session, "{what}");
                is_fresh(world, what, 1, &renewed).await;
                let goes_on = world.refresh(1, &renewed.refresh).await.tokens();
                is_fresh(world, what, 1, &goes_on).await;
                let path = "/api/v1/auth/login";
                let body = json!({"identifier": self.email, "password": NEW_PASSWORD});
                for i in [0, 1] {
                    let new = world.post(i, path, &body).await.tokens();
                    is_fresh(world, what, i, &new).await;
                }
                assert_eq!(world.try_log_in(0, &self.email).await.status, 401, "{what}");
            }
            Change::Suspension => {
                assert_eq!(world.try_log_in(0, &self.email).await.status, 403, "{what}");
                world.set_status(1, self.user, "active", 3).await;
                for i in [0, 1] {
                    let new = world.log_in(i, &self.email).await;
                    is_fresh(world, what, i, &new).await;
                }
                self.is_over(world, what, 0, &self.other).await;
            }
            _ => assert_eq!(world.try_log_in(0, &self.email).await.status, 401, "{what}"),
        }
    }

    /// What instance 0 gave out after the change is accepted, and carries nothing that was taken away.
    pub async fn is_fresh(&self, world: &World, what: &str, tokens: &Tokens) {
        assert_eq!(self.change, Change::Role, "{what}: nobody gets in");
        assert!(!has_right(tokens), "{what}");
        is_fresh(world, what, 0, tokens).await;
    }

    async fn is_over(&self, world: &World, what: &str, i: usize, tokens: &Tokens) {
        for j in 0..world.sessions.len() {
            let state = world.state(j, tokens).await;
            assert_eq!(state, SessionState::Closed, "{what}");
        }
        let over = async || world.validate(i, &tokens.access).await.status == 401;
        until(what, over).await;
        let refused = world.refresh(i, &tokens.refresh).await;
        refused.refused();
    }

    async fn rights_are_gone(&self, world: &World, what: &str, all: &[Tokens]) {
        for (i, tokens) in all.iter().map(|t| (0, t)).chain([(1, &self.own)]) {
            if has_right(tokens) {
                let over = async || world.validate(i, &tokens.access).await.status == 401;
                until(what, over).await;
            }
        }
        // The newest of each session goes on, without the right.
        let mut newest: Vec<&Tokens> = Vec::new();
        for tokens in all {
            if newest.iter().all(|known| known.session != tokens.session) {
                newest.push(tokens);
            }
        }
        for (i, tokens) in newest.into_iter().map(|t| (0, t)).chain([(1, &self.own)]) {
            let fresh = world.refresh(i, &tokens.refresh).await.tokens();
            assert!(!has_right(&fresh), "{what}");
            is_fresh(world, what, i, &fresh).await;
        }
        let new = world.log_in(0, &self.email).await;
        assert!(!has_right(&new), "{what}");
        is_fresh(world, what, 0, &new).await;
    }
}

fn has_right(tokens: &Tokens) -> bool {
    tokens.claims()["permissions"] == json!([RIGHT])
}

/// Accepted by who gave it, at once and again.
async fn is_fresh(world: &World, what: &str, i: usize, tokens: &Tokens) {
    for _ in 0..3 {
        let answer = world.validate(i, &tokens.access).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
    }
    for j in 0..world.sessions.len() {
        let claims = tokens.claims();
        assert_eq!(
            world.state(j, tokens).await,
            SessionState::Good,
            "{what}: {claims}"
        );
    }
}
