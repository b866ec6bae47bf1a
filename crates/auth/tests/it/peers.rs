//! An invented role and an invented session service, as far as auth can tell them from the real ones.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use ud_events::Event;
use ud_kernel::{
    SessionId, Timestamp, UserId,
    models::{Access, CloseSessions, CreateSession, RevokedKey, RotateSession, SessionGrant},
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// What a peer answers next instead of doing its work.
#[derive(Debug, Clone, Copy)]
pub enum Refuse {
    PolicyStale,
    EpochTooOld,
    Closed,
    Down,
    /// It is of a release that has no such route.
    Unknown,
}

impl Refuse {
    fn answer(self) -> ResponseTemplate {
        let (status, code) = match self {
            Self::PolicyStale => (409, "session.policy-stale"),
            Self::EpochTooOld => (409, "session.epoch-too-old"),
            Self::Closed => (401, "session.closed"),
            Self::Down => (503, "server.store-unavailable"),
            Self::Unknown => (405, "request.method-not-allowed"),
        };
        ResponseTemplate::new(status).set_body_raw(
            json!({"status": status, "code": code}).to_string(),
            "application/problem+json",
        )
    }
}

#[derive(Debug, Clone)]
pub struct StubSessionState {
    pub user_id: UserId,
    pub epoch: i64,
    pub counter: i64,
    pub nonce_hash: String,
    pub key_id: String,
    pub login: CreateSession,
    pub authenticated_at: Timestamp,
}

#[derive(Default)]
pub struct PeersState {
    pub sessions: HashMap<SessionId, StubSessionState>,
    pub min_epochs: HashMap<UserId, i64>,
    pub created: Vec<CreateSession>,
    pub rotated: Vec<RotateSession>,
    pub closed: Vec<CloseSessions>,
    pub events: Vec<Event>,
    pub revoked_keys: Vec<String>,
    /// Refusals to come, of PUT and rotate.
    pub refuse: VecDeque<Refuse>,
    /// The session service does not close sessions, nor take events.
    pub deaf: bool,
    pub role_down: bool,
    pub access: Option<Access>,
    pub access_reads: usize,
    /// Called at the next creation of a session, before it is decided about.
    pub on_create: Option<Box<dyn FnOnce() + Send>>,
}

#[derive(Clone)]
pub struct Peers {
    pub state: Arc<Mutex<PeersState>>,
}

pub struct PeerServers {
    pub session: MockServer,
    pub role: MockServer,
}

impl Peers {
    pub async fn start() -> (Self, PeerServers) {
        let peers = Self {
            state: Arc::default(),
        };
        let (session, role) = (MockServer::start().await, MockServer::start().await);
        let (one, other) = (peers.clone(), peers.clone());
        Mock::given(any())
            .respond_with(Answer(move |r: &Request| one.session(r)))
            .mount(&session)
            .await;
        Mock::given(any())
            .respond_with(Answer(move |r: &Request| other.role(r)))
            .mount(&role)
            .await;
        (peers, PeerServers { session, role })
    }

    pub fn with<T>(&self, f: impl FnOnce(&mut PeersState) -> T) -> T {
        f(&mut self.state.lock().unwrap())
    }

    pub fn refuse(&self, refusals: &[Refuse]) {
        self.with(|s| s.refuse.extend(refusals.iter().copied()));
    }

    pub fn holds(&self, permissions: &[&str]) {
        let mut access = ordinary();
        access.permissions = permissions.iter().map(ToString::to_string).collect();
        self.with(|s| s.access = Some(access));
    }

    fn role(&self, request: &Request) -> ResponseTemplate {
        self.with(|s| {
            s.access_reads += 1;
            if s.role_down || !request.headers.contains_key("authorization") {
                return ResponseTemplate::new(503);
            }
            let access = s.access.clone().unwrap_or_else(ordinary);
            ResponseTemplate::new(200).set_body_json(access)
        })
    }

    fn session(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().to_owned();
        let method = request.method.as_str();
        match (method, path.trim_start_matches("/internal/v1/")) {
            ("POST", "sessions/rotate") => self.rotate(&request.body_json().unwrap()),
            ("POST", "sessions/close") => self.close(request.body_json().unwrap()),
            ("POST", "revoked-keys") => self.revoke_key(&request.body_json().unwrap()),
            ("POST", "events") => self.take_events(&request.body),
            ("PUT", rest) => {
                let id = rest.trim_start_matches("sessions/").parse().unwrap();
                let hook = self.with(|s| s.on_create.take());
                if let Some(hook) = hook {
                    hook();
                }
                self.create(id, request.body_json().unwrap())
            }
            // No feed: verifiers ask.
            ("GET", "revocations") => ResponseTemplate::new(404),
            ("GET", rest) => {
                let id: SessionId = rest
                    .trim_start_matches("sessions/")
                    .trim_end_matches("/state")
                    .parse()
                    .unwrap();
                let lives = self.with(|s| s.sessions.contains_key(&id));
                let state = if lives { "good" } else { "closed" };
                ResponseTemplate::new(200).set_body_json(json!({"state": state}))
            }
            other => panic!("nobody calls {other:?}"),
        }
    }

    fn create(&self, id: SessionId, body: CreateSession) -> ResponseTemplate {
        self.with(|s| {
            s.created.push(body.clone());
            if let Some(refusal) = s.refuse.pop_front() {
                return refusal.answer();
            }
            if body.epoch < s.min_epochs.get(&body.user_id).copied().unwrap_or(0) {
                return Refuse::EpochTooOld.answer();
            }
            let session = StubSessionState {
                user_id: body.user_id,
                epoch: body.epoch,
                counter: 1,
                nonce_hash: body.nonce_hash.clone(),
                key_id: body.key_id.clone(),
                login: body.clone(),
                authenticated_at: body.now,
            };
            let grant = grant(id, &session, body.now, body.access_ttl, body.idle);
            s.sessions.insert(id, session);
            ResponseTemplate::new(201).set_body_json(grant)
        })
    }

    fn rotate(&self, body: &RotateSession) -> ResponseTemplate {
        self.with(|s| {
            s.rotated.push(body.clone());
            if let Some(refusal) = s.refuse.pop_front() {
                return refusal.answer();
            }
            let Some(session) = s.sessions.get_mut(&body.session_id) else {
                return Refuse::Closed.answer();
            };
            if session.user_id != body.user_id || session.nonce_hash != body.nonce_hash {
                return Refuse::Closed.answer();
            }
            if session.epoch != body.epoch {
                return Refuse::EpochTooOld.answer();
            }
            if body.counter == session.counter {
                session.counter += 1;
                session.key_id.clone_from(&body.key_id);
            } else if body.counter != session.counter - 1 {
                s.sessions.remove(&body.session_id);
                return Refuse::Closed.answer();
            }
            if body.reauthenticated {
                session.authenticated_at = body.now;
            }
            let grant = grant(
                body.session_id,
                session,
                body.now,
                body.access_ttl,
                body.idle,
            );
            ResponseTemplate::new(200).set_body_json(grant)
        })
    }

    fn close(&self, body: CloseSessions) -> ResponseTemplate {
        self.with(|s| {
            if s.deaf {
                return ResponseTemplate::new(503);
            }
            let before = s.sessions.len();
            if let Some(one) = body.session_id {
                s.sessions.remove(&one);
            }
            if let Some(min_epoch) = body.min_epoch {
                s.min_epochs.insert(body.user_id, min_epoch);
                s.sessions.retain(|id, session| {
                    if Some(*id) == body.except_session_id {
                        session.epoch = min_epoch;
                    }
                    session.user_id != body.user_id || session.epoch >= min_epoch
                });
            }
            s.closed.push(body);
            let closed = before - s.sessions.len();
            ResponseTemplate::new(200).set_body_json(json!({"closed": closed}))
        })
    }

    fn revoke_key(&self, body: &RevokedKey) -> ResponseTemplate {
        self.with(|s| {
            if s.deaf {
                return ResponseTemplate::new(503);
            }
            s.revoked_keys.push(body.kid.clone());
            ResponseTemplate::new(204)
        })
    }

    fn take_events(&self, body: &[u8]) -> ResponseTemplate {
        let batch: Vec<Value> = serde_json::from_slice(body).unwrap();
        self.with(|s| {
            if s.deaf {
                return ResponseTemplate::new(503);
            }
            let events: Vec<Event> = batch
                .iter()
                .map(|e| Event::from_json(e.to_string().as_bytes()).unwrap())
                .collect();
            let accepted: Vec<_> = events.iter().map(|e| e.id).collect();
            s.events.extend(events);
            ResponseTemplate::new(200).set_body_json(json!({"accepted": accepted, "parked": []}))
        })
    }
}

pub fn ordinary() -> Access {
    Access {
        roles: vec!["user".to_owned()],
        permissions: vec![],
        policy_version: 7,
        valid_until: None,
    }
}

fn grant(
    id: SessionId,
    session: &StubSessionState,
    now: Timestamp,
    access_ttl: u32,
    idle: u32,
) -> SessionGrant {
    SessionGrant {
        session_id: id,
        counter: session.counter,
        key_id: session.key_id.clone(),
        issued_at: now,
        access_expires_at: now.plus(Duration::from_secs(access_ttl.into())),
        refresh_expires_at: now.plus(Duration::from_secs(idle.into())),
        authenticated_at: session.authenticated_at,
        amr: session.login.amr.clone(),
        incarnation: "test".to_owned(),
    }
}

struct Answer<F>(F);

impl<F: Fn(&Request) -> ResponseTemplate + Send + Sync> Respond for Answer<F> {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        (self.0)(request)
    }
}
