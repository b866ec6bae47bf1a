//! `POST /internal/v1/events`: who may send, what is taken, and from whom.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_events::{
    BATCH_CONTENT_TYPE, EVENTS_PATH, Event, EventType, MAX_BATCH, MAX_BATCH_BYTES, NewEvent,
};
use ud_kernel::{Clock, Service, models::Provenance};

use crate::{
    service::{AUDITS, Answer, Running},
    world::{START, event, event_at, user},
};

fn sent(event: &Event) -> Value {
    serde_json::to_value(event).unwrap()
}

/// An event of `kind` by `reporter`, about no stored entity.
fn alone(reporter: Service, kind: EventType) -> Event {
    NewEvent::alone(reporter, kind, START, &Provenance::default())
        .finish()
        .unwrap()
}

fn ids(events: &[Event]) -> Value {
    events.iter().map(|e| json!(e.id)).collect()
}

#[rstest]
#[tokio::test]
async fn each_service_writes_its_own_events_only(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let backend = app.database.backend;
    for caller in Service::ALL {
        let token = app.identities.token(caller, Service::Audit);
        let of = |reporter: Service| {
            let own = EventType::all().filter(move |kind| kind.may_come_from(reporter));
            own.map(move |kind| alone(reporter, kind))
        };
        let own: Vec<_> = of(caller).collect();
        let others = Service::ALL.into_iter().filter(|other| *other != caller);
        let foreign: Vec<_> = others.flat_map(of).collect();
        let mut batch: Vec<_> = foreign.iter().map(sent).collect();
        batch.extend(own.iter().map(sent));
        // Foreign types in its own name, and the other way round.
        for event in &foreign {
            if !event.kind.may_come_from(caller) {
                let mut forged = sent(&alone(event.source, event.kind));
                forged["source"] = json!(format!("/{caller}"));
                forged["data"]["reported_by"] = json!(caller);
                batch.push(forged);
            }
        }
        for member in ["source", "reported_by"] {
            let mut forged = sent(&alone(caller, EventType::RATE_LIMITED));
            let other = if caller == Service::Auth {
                "role"
            } else {
                "auth"
            };
            match member {
                "source" => forged["source"] = json!(format!("/{other}")),
                _ => forged["data"]["reported_by"] = json!(other),
            }
            batch.push(forged);
        }
        let (mut accepted, mut parked) = (0, 0);
        for batch in batch.chunks(MAX_BATCH) {
            let answer = app.send(&token, &json!(batch)).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            accepted += answer.body["accepted"].as_array().unwrap().len();
            parked += answer.body["parked"].as_array().unwrap().len();
        }
        assert_eq!(accepted, own.len(), "{backend} {caller}");
        assert_eq!(parked, batch.len() - own.len(), "{backend} {caller}");
        let mut log = app.log().await;
        log.retain(|r| r.reported_by == caller.as_str());
        let expected: Vec<_> = own.iter().map(|e| e.id.cast()).collect();
        let found: Vec<_> = log.iter().map(|r| r.id).collect();
        assert_eq!(found, expected, "{backend} {caller}");
        for (record, event) in log.iter().zip(&own) {
            assert_eq!(record.action, event.kind.as_str());
        }
    }
}

#[rstest]
#[tokio::test]
async fn only_services_send(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let batch = json!([sent(&event())]);
    let late = app.identities.token(Service::Profile, Service::Audit);
    app.clock.advance(std::time::Duration::from_secs(120));
    // The same services with other keys.
    let impostors = testkit::TestIdentities::new(app.clock.clone());
    let good = app.identities.token(Service::Profile, Service::Audit);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let refused = [
        String::new(),
        "rubbish".to_owned(),
        app.token(user(), &["*"]),
        app.identities.token(Service::Profile, Service::Auth),
        impostors.token(Service::Profile, Service::Audit),
        late,
        format!("{head}."),
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
    ];
    for token in refused {
        let answer = app.send(&token, &batch).await;
        answer.is(401, "service.token-invalid");
    }
    app.log_of("service_token_refused", |log| log.len() == 8)
        .await;
    let log = app.log().await;
    assert!(
        log.iter()
            .all(|r| r.reported_by == "audit" && r.outcome == "failure")
    );
    assert!(
        log.iter()
            .all(|r| r.target_id == "POST /internal/v1/events")
    );
    assert_eq!(app.send(&good, &batch).await.status, 200);

    // A service's token opens nothing that is public, and the public listener has no internal route.
    app.get(AUDITS, &good).await.is(401, "auth.token-invalid");
    let public = Answer::of(app.call(Method::POST, EVENTS_PATH, &good).json(&batch)).await;
    public.is(404, "request.not-found");
}

#[rstest]
#[tokio::test]
async fn what_is_no_batch_is_refused_whole(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let token = app.identities.token(Service::Profile, Service::Audit);
    let good = sent(&event()).to_string();
    let many = format!("[{}]", vec![good.as_str(); MAX_BATCH + 1].join(","));
    let large = format!("[{}]", " ".repeat(MAX_BATCH_BYTES));
    let cases = [
        (BATCH_CONTENT_TYPE, "", 400, "request.malformed"),
        (BATCH_CONTENT_TYPE, good.as_str(), 400, "request.malformed"),
        (BATCH_CONTENT_TYPE, "[{]", 400, "request.malformed"),
        (BATCH_CONTENT_TYPE, &many, 422, "request.validation-failed"),
        (BATCH_CONTENT_TYPE, &large, 413, "request.body-too-large"),
        (
            "application/json",
            "[]",
            415,
            "request.unsupported-media-type",
        ),
    ];
    for (kind, body, status, code) in cases {
        let url = format!("{}{EVENTS_PATH}", app.internal);
        let request = app.http.post(url).bearer_auth(&token);
        let request = request.header("content-type", kind).body(body.to_owned());
        Answer::of(request).await.is(status, code);
    }
    assert!(app.log().await.is_empty(), "{}", app.database.backend);
}

#[rstest]
#[tokio::test]
async fn a_bad_event_is_parked_and_spoils_no_other(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let token = app.identities.token(Service::Profile, Service::Audit);
    let good = [event(), event()];
    let mut bad = Vec::new();
    for (member, value) in [
        ("outcome", json!("perhaps")),
        ("target_id", json!("")),
        ("request_id", json!("a\u{0}")),
        ("details", json!({"email": "a@example.org"})),
        ("details", json!({"n": "@"})),
        ("details", json!({"n": u64::MAX})),
        ("colour", json!("red")),
    ] {
        let event = event();
        let mut json = sent(&event);
        json["data"][member] = value;
        bad.push((event, json));
    }
    for time in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"] {
        let event = event_at(time.parse().unwrap());
        let mut json = sent(&event);
        json["time"] = json!(time);
        bad.push((event, json));
    }
    let mut batch = vec![sent(&good[0])];
    batch.extend(bad.iter().map(|(_, json)| json.clone()));
    batch.push(sent(&good[1]));
    // 10 KiB as sent, five times that in canonical form.
    let numbers = format!("[{}]", vec!["1e20"; 2000].join(","));
    let batch = json!(batch).to_string().replace("\"@\"", &numbers);
    let answer = app.send(&token, batch).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        answer.body["accepted"],
        ids(&good),
        "{}",
        app.database.backend
    );
    let mut parked: Vec<_> = bad.into_iter().map(|(event, _)| json!(event.id)).collect();
    let mut told = answer.body["parked"].as_array().unwrap().clone();
    parked.sort_by_key(Value::to_string);
    told.sort_by_key(Value::to_string);
    assert_eq!(told, parked, "{}", app.database.backend);
    assert_eq!(app.log().await.len(), 2);
}

#[rstest]
#[tokio::test]
async fn a_batch_sent_again_is_recorded_once_and_shown_as_it_was(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let token = app.identities.token(Service::Profile, Service::Audit);
    let (ann, admin) = (user(), user());
    let origin = Provenance {
        request_id: "request-7".to_owned(),
        ip: Some("2001:db8::7".to_owned()),
        user_agent: Some("shop/1".to_owned()),
        actor_id: Some(admin),
    };
    let kind = EventType::USER_UPDATED;
    let happened = Clock::manual(START).now();
    let event = NewEvent::about(Service::Profile, kind, ann, 3, happened, &origin)
        .before(json!({"locale": "de"}))
        .after(json!({"locale": "fr", "given_name": "Ann"}))
        .finish()
        .unwrap();
    let batch = json!([sent(&event)]);
    for _ in 0..3 {
        app.clock.advance(std::time::Duration::from_secs(1));
        let token = app.identities.token(Service::Profile, Service::Audit);
        let answer = app.send(&token, &batch).await;
        assert_eq!(answer.body["accepted"], json!([event.id]));
    }
    drop(token);
    let path = format!("{AUDITS}/{}", event.id);
    let read = app.get(&path, &app.token(admin, &[])).await;
    let recorded = START.plus(std::time::Duration::from_secs(1));
    let expected = json!({
        "id": event.id, "seq": 1, "action": "user_updated", "actor_id": admin,
        "target_type": "user", "target_id": ann, "outcome": "success", "reported_by": "profile",
        "ip": "2001:db8::7", "user_agent": "shop/1", "request_id": "request-7",
        "metadata": {
            "before": {"locale": "de"},
            "after": {"locale": "fr", "given_name": "[personal]"},
        },
        "occurred_at": START, "recorded_at": recorded,
    });
    assert_eq!(read.body, expected, "{}", app.database.backend);
    assert_eq!(app.log().await.len(), 1);
}
