//! A service with one operation of each kind.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use tokio::sync::oneshot;
use ud_config::{AppEnv, HttpConfig, PeersConfig, TokenConfig, keys};
use ud_http::{
    Authed, FieldErrors, FromService, Internal, Json, Limited, Listening, Mounted, Problem,
    Readiness, RequestProvenance, Server, Validate,
    permissions::{RolesWrite, UsersRead},
};
use ud_jwt::{
    AccessClaims, Algorithm, JwkSet, KeySet, KeySource, SigningKey, new_jti,
    revocation::SessionChecker,
    service::{IdentityKey, Peers, ServiceSigner},
};
use ud_kernel::{Clock, Code, Service, SessionId, UserId, models::SessionState};
use ud_service::{Fresh, Identity, Own, OwnOr, ServiceContext, callers};
use ud_telemetry::Metrics;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    name: String,
}

impl Validate for Body {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.check(ud_kernel::check_line("/name", &self.name, 10));
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    limit: Option<u8>,
}

async fn list(page: web::Query<Page>, origin: RequestProvenance) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"limit": page.limit, "address": origin.0.ip}))
}

async fn create(body: Json<Body>) -> HttpResponse {
    HttpResponse::Created().body(body.0.name)
}

async fn read(
    id: web::Path<UserId>,
    authed: Authed<OwnOr<UsersRead>>,
) -> Result<HttpResponse, Problem> {
    authed.permit(*id, Code::USER_NOT_FOUND)?;
    Ok(HttpResponse::Ok().body(authed.user_id().to_string()))
}

mod limits {
    ud_service::limited_operations! {
        of Role;
        CreateRole = "create_role", Users, LIMIT_CREATE_ROLE;
    }
}

/// Those of another service.
mod others {
    ud_service::limited_operations! {
        of Audit;
        CreateAudit = "create_audit", Users, LIMIT_CREATE_AUDIT;
    }
}

async fn counted(_: Authed<Limited<limits::CreateRole, RolesWrite>>) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

async fn by_address(_: Limited<limits::CreateRole, Json<Body>>) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// Counts an operation of another service.
async fn uncountable(_: Authed<Limited<others::CreateAudit, Own>>) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

async fn mine(_: Authed<Own>) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

async fn privileged(_: Authed<RolesWrite>) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

async fn recent(_: Authed<Fresh<RolesWrite>>) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

async fn panics() -> HttpResponse {
    panic!("on purpose")
}

async fn internal(from: FromService<callers::Profile>) -> HttpResponse {
    HttpResponse::Ok().body(from.service.as_str())
}

/// A running service and what a test needs to talk to it.
pub struct Running {
    pub public: SocketAddr,
    pub internal: SocketAddr,
    pub http: reqwest::Client,
    pub key: SigningKey,
    pub state: Arc<Mutex<SessionState>>,
    pub profile: ServiceSigner,
    /// Profile's private key, as a file has it.
    pub profile_key: String,
    audit_key: String,
    pub audit: ServiceSigner,
    pub clock: Clock,
    pub security_events: ud_service::SecurityEvents,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub async fn start(configure: impl FnOnce(&mut HttpConfig)) -> Running {
    start_after(configure, || {}).await
}

/// A service that offers the others what is in `internal`.
pub async fn start_with(internal: Internal) -> Running {
    let trusting =
        |http: &mut HttpConfig| http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    serve(trusting, || {}, internal).await
}

impl Running {
    /// Signs for `caller`, profile or audit.
    pub fn signer(&self, caller: Service) -> ServiceSigner {
        let key = match caller {
            Service::Profile => &self.profile_key,
            _ => &self.audit_key,
        };
        let key = IdentityKey::from_private_jwk(caller, key.as_bytes()).unwrap();
        ServiceSigner::new(key, self.clock.clone()).unwrap()
    }
}

/// As [`start`]; `meanwhile` runs after the listeners are there and before they serve.
pub async fn start_after(
    configure: impl FnOnce(&mut HttpConfig),
    meanwhile: impl FnOnce(),
) -> Running {
    let things = Internal::default().over_http(|cfg| {
        cfg.service(web::resource("/internal/v1/things").route(web::get().to(internal)));
    });
    serve(configure, meanwhile, things).await
}

async fn serve(
    configure: impl FnOnce(&mut HttpConfig),
    meanwhile: impl FnOnce(),
    internal: Internal,
) -> Running {
    let clock = Clock::system();
    let metrics = Metrics::new("role");
    let own = IdentityKey::generate(Service::Role).unwrap();
    let callers = [Service::Profile, Service::Audit].map(|s| IdentityKey::generate(s).unwrap());
    let set: JwkSet = callers.iter().map(IdentityKey::public_jwk).collect();
    let peers = Peers::from_jwks(&serde_json::to_vec(&set).unwrap()).unwrap();
    let identity = Identity::new(own, peers, &clock).unwrap();
    let [profile_key, audit_key] = [0, 1].map(|i: usize| {
        callers
            .get(i)
            .unwrap()
            .to_private_jwk()
            .unwrap()
            .to_string()
    });
    let [profile, audit] = callers.map(|k| ServiceSigner::new(k, clock.clone()).unwrap());
    let tokens = TokenConfig {
        issuer: "https://issuer.example".to_owned(),
        audience: "user-domain".to_owned(),
        shared_secret: None,
        jwks_url: None,
    };
    let base = ServiceContext::new(
        Service::Role,
        AppEnv::Development,
        identity,
        PeersConfig::default(),
        tokens,
        clock.clone(),
        &metrics,
    )
    .unwrap();
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let key_source = KeySource::fixed(KeySet::from_signing_keys([&key]).unwrap());
    let state = Arc::new(Mutex::new(SessionState::Good));
    let answer = Arc::clone(&state);
    let sessions = SessionChecker::local(Arc::new(move |_, _| {
        let state = *answer.lock().unwrap();
        Box::pin(async move { Ok(state) })
    }));
    let security_events = base.take_security_events().await.unwrap();
    let mut set = testkit::no_limits();
    set.set(&keys::LIMIT_CREATE_ROLE, "2/60".parse().unwrap());
    let guard = base
        .guard_with(key_source, sessions)
        .with_log(base.security_log.clone())
        .with_limits(base.limits(limits::OPERATIONS, &set, None).unwrap());
    let mut http = HttpConfig::default();
    configure(&mut http);
    let listening = Listening::bind(&http).unwrap();
    let (public, internal_addr) = (
        listening.public_addr().unwrap(),
        listening.internal_addr().unwrap(),
    );
    let mounted = Mounted {
        service: Service::Role,
        prefixes: &["/api/v1/things"],
        openapi: utoipa::openapi::OpenApi::default(),
        public: Arc::new(|cfg| {
            cfg.service(
                web::resource("/api/v1/things")
                    .route(web::get().to(list))
                    .route(web::post().to(create)),
            )
            .service(web::resource("/api/v1/things/mine").route(web::get().to(mine)))
            .service(web::resource("/api/v1/things/privileged").route(web::post().to(privileged)))
            .service(web::resource("/api/v1/things/counted").route(web::post().to(counted)))
            .service(web::resource("/api/v1/things/by-address").route(web::post().to(by_address)))
            .service(web::resource("/api/v1/things/uncountable").route(web::post().to(uncountable)))
            .service(web::resource("/api/v1/things/recent").route(web::get().to(recent)))
            .service(web::resource("/api/v1/things/panics").route(web::get().to(panics)))
            .service(web::resource("/api/v1/things/{id}").route(web::get().to(read)));
        }),
        internal,
        guard,
        gate: base.gate.clone(),
        readiness: Readiness::new(Service::Role, Vec::new(), base.peers.clone()),
        database_descriptors: 0,
        tasks: Vec::new(),
    };
    meanwhile();
    let (stop, stopped) = oneshot::channel();
    let server_clock = clock.clone();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = Server::new(listening, vec![mounted], server_clock, metrics);
            server.run(async { drop(stopped.await) }).await.unwrap();
        });
    });
    Running {
        public,
        internal: internal_addr,
        http: reqwest::Client::new(),
        key,
        state,
        profile,
        profile_key,
        audit_key,
        audit,
        clock,
        security_events,
        stop: Some(stop),
        thread: Some(thread),
    }
}

impl Running {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.public)
    }

    pub fn token(&self, user: UserId, permissions: &[&str]) -> String {
        self.token_of_login(user, permissions, 0)
    }

    /// A token of a login so many seconds ago.
    pub fn token_of_login(&self, user: UserId, permissions: &[&str], age: i64) -> String {
        let now = self.clock.now().as_secs();
        let claims = AccessClaims {
            iss: "https://issuer.example".to_owned(),
            sub: user,
            sid: SessionId::new(self.clock.now()),
            aud: "user-domain".to_owned(),
            client_id: "user-domain".to_owned(),
            iat: now,
            nbf: now,
            exp: now + 900,
            jti: new_jti().unwrap(),
            auth_time: now - age,
            acr: "1".to_owned(),
            amr: vec!["pwd".to_owned()],
            roles: vec!["user".to_owned()],
            permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
            pv: 1,
            inc: "1".to_owned(),
        };
        self.key.sign(&claims).unwrap()
    }
}
