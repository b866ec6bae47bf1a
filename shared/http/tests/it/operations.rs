//! Operations over HTTP and in the process: the same answers, the same refusals, the same care for callers.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rstest::rstest;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use ud_config::PeersConfig;
use ud_http::{Call, FieldErrors, Internal, Problem, Validate};
use ud_kernel::{
    Clock, Code, FieldError, Service, UserId,
    operation::{Created, Method, Operation},
};
use ud_peer::{CallError, LocalOperations, Peers, ServiceClient};
use ud_service::callers;
use ud_telemetry::Metrics;

use crate::service::{Running, start_with};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    way: String,
}

/// `PUT /internal/v1/turns/{id}` at role, for profile.
enum MakeTurn {}

impl Operation for MakeTurn {
    const METHOD: Method = Method::Put;
    const ROUTE: &'static str = "/internal/v1/turns/{id}";
    type Key = UserId;
    type Body = Turn;
    type Output = Created<(UserId, Turn)>;
}

/// `GET /internal/v1/turns?…` at role, for profile: the body is the query.
enum FindTurn {}

impl Operation for FindTurn {
    const METHOD: Method = Method::Get;
    const ROUTE: &'static str = "/internal/v1/turns";
    type Key = ();
    type Body = Turn;
    type Output = String;
}

/// `GET /internal/v1/turns/{id}` at role, for profile.
enum ReadTurn {}

impl Operation for ReadTurn {
    const METHOD: Method = Method::Get;
    const ROUTE: &'static str = "/internal/v1/turns/{id}";
    type Key = UserId;
    type Body = ();
    type Output = Option<UserId>;
}

struct TurnBody(Turn);

impl From<Turn> for TurnBody {
    fn from(turn: Turn) -> Self {
        Self(turn)
    }
}

impl Validate for TurnBody {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.0.way.is_empty() {
            errors.push(FieldError::new("/way", "field.invalid", "no way"));
        }
    }
}

type Seen = (String, Option<Service>, bool);

/// Keeps what role's handlers were told.
#[derive(Clone, Default)]
struct Told {
    on_behalf_of: Arc<Mutex<Option<UserId>>>,
    /// Request id, service, and whether there is a deadline that has not passed.
    context: Arc<Mutex<Option<Seen>>>,
    /// The slow way has begun, and goes on.
    slow: Arc<(Notify, Notify)>,
    ended: Arc<Notify>,
}

async fn make_turn(
    told: Told,
    call: Call<MakeTurn, callers::Profile, TurnBody>,
) -> Result<Created<(UserId, Turn)>, Problem> {
    *told.on_behalf_of.lock().unwrap() = call.on_behalf_of;
    let context = ud_telemetry::current();
    *told.context.lock().unwrap() = context.map(|context| {
        let has_deadline = context.deadline().is_some_and(|at| at > Instant::now());
        (
            context.request_id().to_owned(),
            context.service(),
            has_deadline,
        )
    });
    let turn = call.body.0;
    match turn.way.as_str() {
        "refuse" => return Err(Problem::new(Code::ROLE_BUILT_IN)),
        "field" => {
            let error = FieldError::new("/way", "field.invalid", "not this one");
            return Err(Problem::validation(vec![error]));
        }
        "fail" => return Err(Problem::internal("on purpose")),
        "busy" => return Err(Problem::new(Code::SERVER_BUSY)),
        "limit" => return Err(Problem::new(Code::REQUEST_RATE_LIMITED)),
        "panic" => panic!("on purpose"),
        "slow" => {
            told.slow.0.notify_one();
            told.slow.1.notified().await;
            told.ended.notify_one();
        }
        _ => {}
    }
    Ok(Created {
        is_new: turn.way == "new",
        value: (call.key, turn),
    })
}

async fn read_turn(
    _: Told,
    call: Call<ReadTurn, callers::Profile>,
) -> Result<Option<UserId>, Problem> {
    Ok(Some(call.key))
}

/// Answers what was sent, and the id of the call.
async fn find_turn(
    _: Told,
    call: Call<FindTurn, callers::Profile, TurnBody>,
) -> Result<String, Problem> {
    Ok(format!(
        "{} {}",
        call.body.0.way,
        call.provenance().request_id
    ))
}

/// Role with these operations, and the way to them.
struct Role {
    told: Told,
    way: Way,
}

enum Way {
    Http(Box<Running>),
    Local(LocalOperations),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Http,
    Local,
}
use Kind::{Http, Local};

impl Role {
    async fn start(kind: Kind) -> Self {
        let told = Told::default();
        let internal = Internal::default()
            .offer(&told, make_turn)
            .offer(&told, read_turn)
            .offer(&told, find_turn);
        let way = match kind {
            Http => Way::Http(Box::new(start_with(internal).await)),
            Local => {
                let operations = LocalOperations::new(&Metrics::new("standalone"));
                internal.offer_locally(Service::Role, &operations);
                Way::Local(operations)
            }
        };
        Self { told, way }
    }

    fn client_of(&self, caller: Service) -> ServiceClient {
        let peers = match &self.way {
            Way::Http(running) => {
                let mut urls = PeersConfig::default();
                let url = format!("http://{}", running.internal);
                urls.set(Service::Role, url.parse().unwrap());
                Peers::new(running.signer(caller).into(), urls).unwrap()
            }
            Way::Local(operations) => Peers::local(caller, operations.clone()),
        };
        peers.client(Service::Role)
    }

    async fn call(&self, way: &str) -> Result<Created<(UserId, Turn)>, CallError> {
        let user = UserId::new(Clock::system().now());
        let client = self.client_of(Service::Profile);
        let way = way.to_owned();
        client.call::<MakeTurn>(user, Turn { way }).await
    }
}

#[rstest]
#[tokio::test]
async fn what_is_answered_arrives(#[values(Http, Local)] kind: Kind) {
    let role = Role::start(kind).await;
    for (way, is_new) in [("new", true), ("known", false)] {
        let answer = role.call(way).await.unwrap();
        assert_eq!((answer.is_new, answer.value.1.way.as_str()), (is_new, way));
    }
    let user = UserId::new(Clock::system().now());
    let client = role.client_of(Service::Profile);
    let read = client.on_behalf_of(user).call::<ReadTurn>(user, ()).await;
    assert_eq!(read.unwrap(), Some(user));
    let turn = Turn {
        way: "new".to_owned(),
    };
    let context = ud_telemetry::RequestContext::new("r-17");
    let acting = client.on_behalf_of(user);
    let made = ud_telemetry::scope(context, acting.call::<MakeTurn>(user, turn)).await;
    assert_eq!(made.unwrap().value.0, user);
    assert_eq!(*role.told.on_behalf_of.lock().unwrap(), Some(user));
    let context = role.told.context.lock().unwrap().clone();
    let expected = ("r-17".to_owned(), Some(Service::Role), true);
    assert_eq!(context, Some(expected), "request id, service, deadline");
    let way = "a&b=c d%20\u{e9}".to_owned();
    let context = ud_telemetry::RequestContext::new("r-18");
    let finding = client.call::<FindTurn>((), Turn { way: way.clone() });
    let found = ud_telemetry::scope(context, finding).await;
    assert_eq!(found.unwrap(), format!("{way} r-18"));
    let nothing = client
        .call::<FindTurn>((), Turn { way: String::new() })
        .await;
    assert!(nothing.unwrap_err().is(Code::REQUEST_VALIDATION_FAILED));
}

/// A panic is counted, whoever waits for the answer, and a caller whose time has passed begins nothing.
#[tokio::test]
async fn a_panic_in_the_process_is_counted_and_what_is_late_is_not_begun() {
    let metrics = Metrics::new("standalone");
    let operations = LocalOperations::new(&metrics);
    let told = Told::default();
    let internal = Internal::default().offer(&told, make_turn);
    internal.offer_locally(Service::Role, &operations);
    let client = Peers::local(Service::Profile, operations).client(Service::Role);
    let user = UserId::new(Clock::system().now());
    let call = async |way: &str| {
        let way = way.to_owned();
        client.call::<MakeTurn>(user, Turn { way }).await
    };
    assert!(matches!(
        call("panic").await,
        Err(CallError::Unavailable { .. })
    ));
    let counted = "http_server_panics_total{method=\"PUT\",service=\"role\"} 1";
    let rendered = metrics.render();
    assert!(rendered.contains(counted), "{rendered}");
    *told.context.lock().unwrap() = None;
    let late = ud_telemetry::RequestContext::new("r").until(Instant::now());
    let answer = ud_telemetry::scope(late, call("new")).await;
    assert!(
        matches!(answer, Err(CallError::Unavailable { .. })),
        "{answer:?}"
    );
    assert_eq!(*told.context.lock().unwrap(), None, "nothing was done");
}

#[rstest]
#[tokio::test]
async fn refusals_are_the_same(#[values(Http, Local)] kind: Kind) {
    let role = Role::start(kind).await;
    for (way, status, code, pointers) in [
        ("refuse", 409, "role.built-in", &[][..]),
        ("field", 422, "request.validation-failed", &["/way"]),
        // The rules of the body.
        ("", 422, "request.validation-failed", &["/way"]),
    ] {
        match role.call(way).await {
            Err(CallError::Refused {
                service: Service::Role,
                problem,
            }) => {
                assert_eq!(
                    (problem.status, problem.code.as_str()),
                    (status, code),
                    "{way:?}"
                );
                let found: Vec<_> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
                assert_eq!(found, pointers, "{way:?}");
            }
            other => panic!("{way:?}: {other:?}"),
        }
    }
    for way in ["fail", "busy", "limit", "panic"] {
        let answer = role.call(way).await;
        assert!(
            matches!(
                answer,
                Err(CallError::Unavailable {
                    service: Service::Role,
                    ..
                })
            ),
            "{way}: {answer:?}"
        );
    }
    // And it goes on.
    assert!(role.call("new").await.unwrap().is_new);
}

#[rstest]
#[tokio::test]
async fn only_those_of_the_set_may_call(#[values(Http, Local)] kind: Kind) {
    let role = Role::start(kind).await;
    let user = UserId::new(Clock::system().now());
    let turn = Turn {
        way: "new".to_owned(),
    };
    let refused = role
        .client_of(Service::Audit)
        .call::<MakeTurn>(user, turn)
        .await;
    let refused = refused.unwrap_err();
    assert!(refused.is(Code::SERVICE_CALLER_NOT_ALLOWED), "{refused}");
    assert_eq!(*role.told.context.lock().unwrap(), None, "nothing was done");
}

#[rstest]
#[tokio::test]
async fn a_caller_that_goes_away_ends_nothing(#[values(Http, Local)] kind: Kind) {
    let role = Role::start(kind).await;
    let client = role
        .client_of(Service::Profile)
        .within(Duration::from_millis(500));
    let user = UserId::new(Clock::system().now());
    let turn = Turn {
        way: "slow".to_owned(),
    };
    let began = Instant::now();
    let answer = client.call::<MakeTurn>(user, turn).await;
    assert!(
        matches!(answer, Err(CallError::Unavailable { .. })),
        "{answer:?}"
    );
    assert!(began.elapsed() >= Duration::from_millis(500));
    role.told.slow.0.notified().await;
    role.told.slow.1.notify_one();
    role.told.ended.notified().await;
    // A caller that is dropped is one that goes away.
    let turn = Turn {
        way: "slow".to_owned(),
    };
    let call = client.call::<MakeTurn>(user, turn);
    let begun = role.told.slow.0.notified();
    tokio::select! {
        answer = call => panic!("{answer:?}"),
        () = begun => {}
    }
    role.told.slow.1.notify_one();
    role.told.ended.notified().await;
}

#[tokio::test]
async fn what_has_not_started_is_unavailable() {
    let operations = LocalOperations::new(&Metrics::new("standalone"));
    let client = Peers::local(Service::Profile, operations.clone()).client(Service::Role);
    let user = UserId::new(Clock::system().now());
    let answer = client.call::<ReadTurn>(user, ()).await;
    assert!(
        matches!(answer, Err(CallError::Unavailable { .. })),
        "{answer:?}"
    );
    // Offered by another service it is not role's.
    let internal = Internal::default().offer(&Told::default(), read_turn);
    internal.offer_locally(Service::Audit, &operations);
    let answer = client.call::<ReadTurn>(user, ()).await;
    assert!(
        matches!(answer, Err(CallError::Unavailable { .. })),
        "{answer:?}"
    );
    internal.offer_locally(Service::Role, &operations);
    assert_eq!(client.call::<ReadTurn>(user, ()).await.unwrap(), Some(user));
}
