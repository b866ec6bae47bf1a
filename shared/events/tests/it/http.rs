//! Over HTTP, with service tokens.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::Server,
    http::{StatusCode, header},
    test, web,
};
use testkit::{Backend, TestIdentities};
use ud_config::{AppEnv, PeersConfig, TokenConfig};
use ud_events::{
    BATCH_CONTENT_TYPE, Batch, EVENTS_PATH, Event, EventType, MAX_BATCH_BYTES, NewEvent,
    PeerTransport, Receipt, Relay, SqlEvents, Step, offer_events,
};
use ud_http::{Internal, Problem};
use ud_jwt::service::{IdentityKey, ServiceVerifier};
use ud_kernel::{AssignmentId, Clock, Code, Service, UserId, models::Provenance};
use ud_peer::Peers;
use ud_service::{Identity, InternalGate, SecurityEvent, ServiceContext, StopSignal};
use ud_telemetry::Metrics;

use crate::{
    servers::Fresh,
    world::{PATIENCE, Receiver, Sender},
};

/// The callers' signers, and the gate of audit that knows their keys.
fn identities(clock: &Clock) -> (TestIdentities, InternalGate) {
    let identities = TestIdentities::new(clock.clone());
    let verifier = ServiceVerifier::new(Service::Audit, identities.peers(), clock.clone());
    (identities, InternalGate::new(Arc::new(verifier), None))
}

async fn take(receiver: Receiver, batch: Batch) -> Result<Receipt, Problem> {
    let receipt = receiver.take(batch).await;
    receipt.map_err(|e| Problem::new(Code::SERVER_STORE_UNAVAILABLE).cause(e))
}

fn configure(
    receiver: Receiver,
    gate: InternalGate,
    metrics: Metrics,
) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let internal = offer_events(Internal::default(), &metrics, &receiver, take);
    move |cfg| {
        cfg.app_data(web::Data::new(gate.clone()));
        internal.configure(cfg, false);
    }
}

fn event(kind: EventType, reporter: Service) -> Event {
    let clock = Clock::system();
    let user = UserId::new(clock.now());
    NewEvent::about(reporter, kind, user, 1, clock.now(), &Provenance::default())
        .finish()
        .unwrap()
}

/// Audit on a port of its own, and where that is.
fn serve(
    configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> (Server, PeersConfig) {
    let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let server = HttpServer::new(move || {
        App::new().service(web::scope("/audit").configure(configure.clone()))
    })
    .workers(1)
    .disable_signals()
    .listen(socket)
    .unwrap()
    .run();
    let mut urls = PeersConfig::default();
    let url = format!("http://{address}/audit");
    urls.set(Service::Audit, url.parse().unwrap());
    (server, urls)
}

#[actix_web::test]
async fn events_travel_over_http() {
    let sender = Sender::new(Backend::Sqlite).await;
    let receiver = Receiver::new(Backend::Sqlite, &sender.clock).await;
    let clock = Clock::system();
    let (identities, gate) = identities(&clock);
    let configure = configure(receiver.clone(), gate, Metrics::new("audit"));
    let (server, urls) = serve(configure);
    let server_handle = server.handle();
    let serving = tokio::spawn(server);
    let peers = Peers::new(identities.signer(Service::Profile), urls).unwrap();
    let relay = Relay::new(
        Service::Profile,
        sender.outbox(),
        PeerTransport::new(&peers),
        sender.handle.clone(),
        sender.clock.clone(),
        &Metrics::new("profile"),
    );
    let mut ids = Vec::new();
    for n in 1..=100 {
        ids.push(sender.write(sender.deleted(n, 1)).await);
    }
    // Batches are filled in the order of time.
    sender.clock.advance(Duration::from_millis(1));
    sender.write(sender.bad(101, 1)).await;
    assert_eq!(
        relay.step(Service::Audit.into(), 100).await,
        Step::Sent {
            accepted: 100,
            parked: 0
        }
    );
    assert_eq!(
        relay.step(Service::Audit.into(), 100).await,
        Step::Sent {
            accepted: 0,
            parked: 1
        }
    );
    receiver.has_exactly(&ids).await;
    assert_eq!(
        relay.step(Service::Auth.into(), 100).await,
        Step::Failed,
        "no address is configured"
    );

    server_handle.stop(true).await;
    serving.await.unwrap().unwrap();
    sender.write(sender.updated(102, 1)).await;
    assert_eq!(
        relay.step(Service::Audit.into(), 100).await,
        Step::Failed,
        "nobody is there any more"
    );
}

/// A service as it is put together: what it is told, what it writes because of that, and what its guards
/// noticed all reach audit.
#[actix_web::test]
async fn a_service_with_its_background_work() {
    let clock = Clock::system();
    let (identities, gate) = identities(&clock);
    let receiver = Receiver::new(Backend::Sqlite, &clock).await;
    let audit_metrics = Metrics::new("audit");
    let (server, urls) = serve(configure(receiver.clone(), gate, audit_metrics));
    let server_handle = server.handle();
    let serving = tokio::spawn(server);

    let key = IdentityKey::from_private_jwk(Service::Role, &role_key(&identities)).unwrap();
    let identity = Identity::new(key, identities.peers(), &clock).unwrap();
    let tokens = TokenConfig {
        issuer: String::new(),
        audience: String::new(),
        shared_secret: None,
        jwks_url: None,
    };
    let base = ServiceContext::new(
        Service::Role,
        AppEnv::Development,
        identity,
        urls,
        tokens,
        clock.clone(),
        &Metrics::new("role"),
    )
    .unwrap();
    let fresh = Fresh::new(Backend::Sqlite);
    let events = SqlEvents::new(fresh.migrated().await, &base);
    let (stop, stopped) = StopSignal::pair();
    let tasks: Vec<_> = events
        .tasks()
        .into_iter()
        .map(|task| tokio::spawn(task(stopped.clone())))
        .collect();

    base.security_log.note(SecurityEvent {
        kind: EventType::PERMISSION_DENIED,
        origin: Provenance::default(),
        target_type: "operation",
        target_id: "GET /api/v1/roles".into(),
    });
    let told = event(EventType::USER_DELETED, Service::Profile);
    let batch = Batch {
        events: vec![told.clone()],
        parked: vec![],
    };
    let unassigned = NewEvent::about(
        Service::Role,
        EventType::ROLE_UNASSIGNED,
        AssignmentId::new(clock.now()),
        2,
        clock.now(),
        &told.origin(),
    );
    let consequence = unassigned.id();
    let receipt = events.receive(batch, move |conn, _| {
        Ok(ud_events::outbox::write(conn, unassigned.clone())?)
    });
    assert_eq!(receipt.await.unwrap().accepted, [told.id]);

    let mut arrived = receiver.arrived.subscribe();
    let waiting = arrived.wait_for(|n| *n >= 2);
    let _ = tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    stop.send_replace(true);
    for task in tasks {
        task.await.unwrap();
    }
    let effects = receiver.effects().await;
    assert_eq!((effects.len(), effects[&consequence]), (2, 1));
    server_handle.stop(true).await;
    serving.await.unwrap().unwrap();
}

/// Role's identity, as the file of its key holds it.
fn role_key(identities: &TestIdentities) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    identities.write_to(folder.path());
    std::fs::read(TestIdentities::key_file(folder.path(), Service::Role)).unwrap()
}

#[actix_web::test]
async fn only_services_may_send_and_only_their_own_events() {
    let clock = Clock::system();
    let receiver = Receiver::new(Backend::Sqlite, &clock).await;
    let (identities, gate) = identities(&clock);
    let metrics = Metrics::new("audit");
    let app = App::new().configure(configure(receiver.clone(), gate, metrics.clone()));
    let app = test::init_service(app).await;
    let post = |token: Option<String>, events: &[&Event]| {
        let mut request = test::TestRequest::post()
            .uri(EVENTS_PATH)
            .insert_header((header::CONTENT_TYPE, BATCH_CONTENT_TYPE))
            .set_payload(serde_json::to_vec(events).unwrap());
        if let Some(token) = token {
            request = request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
        }
        request.to_request()
    };
    let own = event(EventType::USER_DELETED, Service::Profile);
    let foreign = event(EventType::ROLE_CREATED, Service::Role);

    let response = test::call_service(&app, post(None, &[&own])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let for_another = identities.token(Service::Profile, Service::Role);
    let response = test::call_service(&app, post(Some(for_another), &[&own])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    receiver.has_exactly(&[]).await;

    let token = identities.token(Service::Profile, Service::Audit);
    let response = test::call_service(&app, post(Some(token), &[&foreign, &own])).await;
    assert_eq!(response.status(), StatusCode::OK);
    let receipt: Receipt = test::read_body_json(response).await;
    assert_eq!(
        receipt,
        Receipt {
            accepted: vec![own.id],
            parked: vec![foreign.id]
        }
    );
    receiver.has_exactly(&[own.id]).await;
    let text = metrics.render();
    for outcome in ["accepted", "parked"] {
        let line = format!(
            r#"event_inbox_received_total{{outcome="{outcome}",service="audit",source="profile"}} 1"#
        );
        assert!(text.contains(&line), "{line} not in\n{text}");
    }
}

#[actix_web::test]
async fn what_is_no_batch_is_refused() {
    let clock = Clock::system();
    let receiver = Receiver::new(Backend::Sqlite, &clock).await;
    let (identities, gate) = identities(&clock);
    let app = App::new().configure(configure(receiver.clone(), gate, Metrics::new("audit")));
    let app = test::init_service(app).await;
    let token = identities.token(Service::Role, Service::Audit);
    let many = format!("[{}]", vec!["{}"; 101].join(","));
    for (content_type, body, status) in [
        ("application/json", "[]".to_owned(), 415),
        ("text/plain", "[]".to_owned(), 415),
        (BATCH_CONTENT_TYPE, "[".to_owned(), 400),
        (BATCH_CONTENT_TYPE, String::new(), 400),
        (BATCH_CONTENT_TYPE, many, 422),
        (BATCH_CONTENT_TYPE, " ".repeat(MAX_BATCH_BYTES + 1), 413),
        (BATCH_CONTENT_TYPE, "[]".to_owned(), 200),
    ] {
        let request = test::TestRequest::post()
            .uri(EVENTS_PATH)
            .insert_header((header::CONTENT_TYPE, content_type))
            .insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
            .set_payload(body)
            .to_request();
        let response = test::call_service(&app, request).await;
        assert_eq!(response.status().as_u16(), status, "{content_type}");
    }
    let request = test::TestRequest::get().uri(EVENTS_PATH).to_request();
    let response = test::call_service(&app, request).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);

    receiver
        .store_down
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let denied = event(EventType::ROLE_CREATED, Service::Role);
    let request = test::TestRequest::post()
        .uri(EVENTS_PATH)
        .insert_header((header::CONTENT_TYPE, BATCH_CONTENT_TYPE))
        .insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
        .set_payload(serde_json::to_vec(&[denied]).unwrap())
        .to_request();
    let response = test::call_service(&app, request).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}
