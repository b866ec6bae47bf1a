//! Stand-ins for auth and role: what their internal routes promise, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::{Value, json};
use ud_kernel::{
    Code, UserId,
    models::{Standing, UserStanding},
};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path, path_regex},
};

const CREATED_AT: &str = "2026-01-01T00:00:00.000Z";

/// What auth has and does.
#[derive(Debug, Default)]
pub struct AuthState {
    /// By user id.
    pub credentials: BTreeMap<String, Value>,
    /// Answers every creation with this instead.
    pub refusal: Option<(u16, Value)>,
    /// Stores what it is given and answers 503 all the same.
    pub loses_answers: bool,
    /// Answers 503 and does nothing.
    pub is_down: bool,
    /// Whether the session service confirmed.
    pub sessions_stay: bool,
    /// Bodies of changes of status, by order of arrival.
    pub status_changes: Vec<Value>,
    /// Users that were unlocked, by order of arrival.
    pub unlocked: Vec<String>,
    /// Bodies of creations.
    pub creations: Vec<Value>,
}

/// What role has and does.
#[derive(Debug, Default)]
pub struct RoleState {
    /// Roles and permissions by user id; others have the role `user` and no permission.
    pub access: BTreeMap<String, (Vec<String>, Vec<String>)>,
    pub administrator: Option<String>,
    pub is_down: bool,
    /// What was told of users' standings and counts, by user id: state and sequence.
    pub standings: BTreeMap<String, UserStanding>,
    /// Every standing that arrived, in order.
    pub told: Vec<UserStanding>,
    /// Does what it is told and answers 503 all the same.
    pub loses_standings: bool,
    /// Knows no such route, as a version before it.
    pub knows_no_standings: bool,
}

pub struct FakeAuth {
    pub server: MockServer,
    state: Arc<Mutex<AuthState>>,
}

pub struct FakeRole {
    pub server: MockServer,
    state: Arc<Mutex<RoleState>>,
}

pub fn problem(code: Code) -> Value {
    json!({"type": "urn:x", "title": code.title(), "status": code.status(), "code": code.as_str(), "errors": []})
}

fn refuse(code: Code) -> ResponseTemplate {
    ResponseTemplate::new(code.status()).set_body_json(problem(code))
}

fn user_of(request: &Request) -> String {
    request.url.path().split('/').nth(4).unwrap().to_owned()
}

type Answer = fn(&mut AuthState, &Request) -> ResponseTemplate;

impl FakeAuth {
    pub async fn start() -> Self {
        let server = MockServer::start().await;
        let state: Arc<Mutex<AuthState>> = Arc::default();
        let routes: [(&str, &str, Answer); 4] = [
            ("PUT", "^/internal/v1/credentials/[0-9a-f-]{36}$", create),
            ("GET", "^/internal/v1/credentials/[0-9a-f-]{36}$", read),
            (
                "PUT",
                "^/internal/v1/credentials/[0-9a-f-]{36}/status$",
                set_status,
            ),
            (
                "POST",
                "^/internal/v1/credentials/[0-9a-f-]{36}/unlock$",
                unlock,
            ),
        ];
        for (verb, pattern, answer) in routes {
            let state = Arc::clone(&state);
            let respond = move |request: &Request| {
                assert!(
                    request.headers.contains_key("authorization"),
                    "a service token"
                );
                let mut state = state.lock().unwrap();
                if state.is_down {
                    return ResponseTemplate::new(503);
                }
                answer(&mut state, request)
            };
            Mock::given(method(verb))
                .and(path_regex(pattern))
                .respond_with(respond)
                .mount(&server)
                .await;
        }
        Self { server, state }
    }

    pub fn state(&self) -> MutexGuard<'_, AuthState> {
        self.state.lock().unwrap()
    }
}

fn create(state: &mut AuthState, request: &Request) -> ResponseTemplate {
    let (id, body) = (user_of(request), request.body_json::<Value>().unwrap());
    state.creations.push(body.clone());
    if let Some((status, problem)) = &state.refusal {
        return ResponseTemplate::new(*status).set_body_json(problem);
    }
    if let Some(credential) = state.credentials.get(&id) {
        return ResponseTemplate::new(200).set_body_json(credential);
    }
    let taken = |member: &str| {
        let wanted = body[member].as_str().map(str::to_ascii_lowercase);
        wanted.is_some()
            && state
                .credentials
                .values()
                .any(|c| c[member].as_str().map(str::to_ascii_lowercase) == wanted)
    };
    if taken("email") {
        return refuse(Code::USER_EMAIL_TAKEN);
    }
    if taken("username") {
        return refuse(Code::USER_USERNAME_TAKEN);
    }
    let credential = json!({
        "user_id": id, "email": body["email"], "username": body["username"],
        "status": "active", "epoch": 1, "created_at": CREATED_AT
    });
    state.credentials.insert(id, credential.clone());
    if state.loses_answers {
        return ResponseTemplate::new(503);
    }
    ResponseTemplate::new(201).set_body_json(credential)
}

fn read(state: &mut AuthState, request: &Request) -> ResponseTemplate {
    match state.credentials.get(&user_of(request)) {
        Some(credential) => ResponseTemplate::new(200).set_body_json(credential),
        None => refuse(Code::AUTH_CREDENTIAL_NOT_FOUND),
    }
}

fn set_status(state: &mut AuthState, request: &Request) -> ResponseTemplate {
    state.status_changes.push(request.body_json().unwrap());
    ResponseTemplate::new(200)
        .set_body_json(json!({"epoch": 2, "sessions_closed": !state.sessions_stay}))
}

fn unlock(state: &mut AuthState, request: &Request) -> ResponseTemplate {
    let user = user_of(request);
    if !state.credentials.contains_key(&user) {
        return refuse(Code::AUTH_CREDENTIAL_NOT_FOUND);
    }
    let body = request.body_json::<Value>().unwrap();
    assert!(body["origin"]["request_id"].is_string(), "{body}");
    state.unlocked.push(user);
    ResponseTemplate::new(200).set_body_json(json!({"unlock_code": "ABCDEFGH", "expires_in": 600}))
}

fn set_standing(state: &mut RoleState, request: &Request) -> ResponseTemplate {
    if state.is_down {
        return ResponseTemplate::new(503);
    }
    if state.knows_no_standings {
        return refuse(Code::REQUEST_NOT_FOUND);
    }
    let (user, new) = (
        user_of(request),
        request.body_json::<UserStanding>().unwrap(),
    );
    state.told.push(new);
    let is_admin = state
        .access
        .get(&user)
        .is_some_and(|(_, held)| held.iter().any(|p| p == "*"));
    let stored = state.standings.get(&user).copied();
    let counts = stored.is_none_or(|stored| new.supersedes(&stored));
    if counts && new.state == Standing::Reserved && is_admin {
        return refuse(Code::USER_IS_ADMINISTRATOR);
    }
    if counts {
        state.standings.insert(user, new);
    }
    if state.loses_standings {
        return ResponseTemplate::new(503);
    }
    ResponseTemplate::new(200).set_body_json(if counts { new } else { stored.unwrap() })
}

impl FakeRole {
    pub async fn start() -> Self {
        let server = MockServer::start().await;
        let state: Arc<Mutex<RoleState>> = Arc::default();
        let own = Arc::clone(&state);
        Mock::given(method("GET"))
            .and(path_regex("^/internal/v1/users/[0-9a-f-]{36}/access$"))
            .respond_with(move |request: &Request| {
                let state = own.lock().unwrap();
                if state.is_down {
                    return ResponseTemplate::new(503);
                }
                let (mut roles, permissions) =
                    state.access.get(&user_of(request)).cloned().unwrap_or_default();
                roles.push("user".to_owned());
                let distinct: BTreeSet<_> = roles.into_iter().collect();
                ResponseTemplate::new(200).set_body_json(json!({
                    "roles": distinct, "permissions": permissions, "policy_version": 1, "valid_until": null
                }))
            })
            .mount(&server)
            .await;
        let own = Arc::clone(&state);
        Mock::given(method("PUT"))
            .and(path_regex("^/internal/v1/users/[0-9a-f-]{36}/standing$"))
            .respond_with(move |request: &Request| set_standing(&mut own.lock().unwrap(), request))
            .mount(&server)
            .await;
        let own = Arc::clone(&state);
        Mock::given(method("POST"))
            .and(path("/internal/v1/administrators"))
            .respond_with(move |request: &Request| {
                let mut state = own.lock().unwrap();
                if state.is_down {
                    return ResponseTemplate::new(503);
                }
                let user = request.body_json::<Value>().unwrap()["user_id"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                match &state.administrator {
                    None => {
                        state.administrator = Some(user);
                        ResponseTemplate::new(201)
                    }
                    Some(known) if *known == user => ResponseTemplate::new(200),
                    Some(_) => refuse(Code::ROLE_ADMINISTRATOR_EXISTS),
                }
            })
            .mount(&server)
            .await;
        Self { server, state }
    }

    pub fn state(&self) -> MutexGuard<'_, RoleState> {
        self.state.lock().unwrap()
    }

    /// Says what `user` may do.
    pub fn grant(&self, user: UserId, roles: &[&str], permissions: &[&str]) {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        self.state()
            .access
            .insert(user.to_string(), (owned(roles), owned(permissions)));
    }
}
