use proptest::prelude::*;
use serde_json::json;
use ud_kernel::{SessionId, models::NotBefore};

use super::*;
use crate::NewEvent;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_007);

fn origin() -> Provenance {
    Provenance {
        request_id: "req-1".into(),
        ip: Some("2001:db8::7".into()),
        user_agent: Some("curl/8".into()),
        actor_id: Some(UserId::from_uuid(Uuid::from_u128(9))),
    }
}

fn user() -> UserId {
    UserId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
}

fn deleted() -> NewEvent {
    NewEvent::about(
        Service::Profile,
        EventType::USER_DELETED,
        user(),
        42,
        NOW,
        &origin(),
    )
}

#[test]
fn the_json_is_a_cloudevent() {
    let event = deleted()
        .before(json!({"status": "active", "email": "a@example.org"}))
        .after(json!({"status": "deleted"}))
        .finish()
        .unwrap();
    let json: Value = serde_json::from_str(&event.to_json().unwrap()).unwrap();
    assert_eq!(
        json,
        json!({
            "specversion": "1.0",
            "id": event.id.to_string(),
            "source": "/profile",
            "type": "user_deleted",
            "subject": "01900000-0000-7000-8000-000000000001",
            "sequence": "0000000000000000042",
            "time": "2023-11-14T22:13:20.007Z",
            "datacontenttype": "application/json",
            "data": {
                "actor_id": "00000000-0000-0000-0000-000000000009",
                "reported_by": "profile",
                "target_type": "user",
                "target_id": "01900000-0000-7000-8000-000000000001",
                "outcome": "success",
                "ip": "2001:db8::7",
                "user_agent": "curl/8",
                "request_id": "req-1",
                "before": {"status": "active", "email": "[personal]"},
                "after": {"status": "deleted"}
            }
        })
    );
    for name in json.as_object().unwrap().keys() {
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "CloudEvents attribute names: {name}"
        );
    }
}

#[test]
fn what_was_written_is_read() {
    let session = SessionId::from_uuid(Uuid::from_u128(5));
    let events = [
        deleted().finish().unwrap(),
        NewEvent::alone(
            Service::Auth,
            EventType::LOGIN_FAILED,
            NOW,
            &Provenance::default(),
        )
        .failed()
        .target(user())
        .finish()
        .unwrap(),
        NewEvent::about(
            Service::Session,
            EventType::USER_LOGGED_IN,
            session,
            1,
            NOW,
            &origin(),
        )
        .actor(user())
        .details(json!({"amr": ["pwd"]}))
        .finish()
        .unwrap(),
        NewEvent::alone(Service::Audit, EventType::PERMISSION_DENIED, NOW, &origin())
            .target_named("operation", "GET /api/v1/audits")
            .finish()
            .unwrap(),
    ];
    for event in events {
        assert_eq!(
            Event::from_json(event.to_json().unwrap().as_bytes()),
            Ok(event)
        );
    }
}

#[test]
fn an_event_about_no_entity_is_its_own_subject() {
    let new = NewEvent::alone(Service::Auth, EventType::RATE_LIMITED, NOW, &origin());
    let id = new.id();
    let event = new.finish().unwrap();
    assert_eq!(
        (event.id, event.subject, event.sequence),
        (id, *id.as_uuid(), 1)
    );
}

#[test]
fn details_and_origin_come_back_typed() {
    let not_before = NotBefore {
        user_id: None,
        role: Some("editor".into()),
        min_pv: 7,
    };
    let event = NewEvent::about(
        Service::Role,
        EventType::ROLE_DELETED,
        user(),
        2,
        NOW,
        &origin(),
    )
    .details(&not_before)
    .finish()
    .unwrap();
    assert_eq!(event.details::<NotBefore>(), Ok(not_before));
    assert_eq!(event.origin(), origin());
    assert_eq!(
        deleted().finish().unwrap().details::<NotBefore>(),
        Err(EnvelopeError::Invalid("details"))
    );
}

#[test]
fn what_a_client_sends_cannot_spoil_an_event() {
    let hostile = Provenance {
        request_id: "r\n".repeat(500),
        ip: Some("not an address".into()),
        user_agent: Some("\u{1F98A}\u{0}".repeat(9000)),
        actor_id: None,
    };
    let event = NewEvent::alone(Service::Auth, EventType::LOGIN_FAILED, NOW, &hostile)
        .target_named("path", &"/\r".repeat(4000))
        .before(json!({"x": "y".repeat(20_000)}))
        .after(json!({"z": 1}))
        .finish()
        .unwrap();
    assert_eq!(event.data.ip, None);
    assert_eq!(
        event.data.user_agent.as_ref().unwrap().chars().count(),
        MAX_USER_AGENT
    );
    assert_eq!(
        event.data.before,
        json!({"truncated": true}).as_object().cloned()
    );
    assert_eq!(
        Event::from_json(event.to_json().unwrap().as_bytes()),
        Ok(event)
    );
}

#[test]
fn defects_of_the_writer_are_refused() {
    let foreign = NewEvent::about(
        Service::Role,
        EventType::USER_DELETED,
        user(),
        1,
        NOW,
        &origin(),
    );
    assert_eq!(foreign.finish(), Err(EnvelopeError::Foreign));
    let unnumbered = NewEvent::about(
        Service::Profile,
        EventType::USER_DELETED,
        user(),
        0,
        NOW,
        &origin(),
    );
    assert_eq!(unnumbered.finish(), Err(EnvelopeError::Invalid("sequence")));
    let huge = deleted().details(json!({"x": "y".repeat(MAX_EVENT_BYTES)}));
    assert_eq!(huge.finish(), Err(EnvelopeError::TooLarge));
}

/// Every way to spoil one member of a good event, and what is said about it.
#[test]
fn anything_else_is_refused() {
    let good: Value = serde_json::to_value(deleted().finish().unwrap()).unwrap();
    let spoil = |pointer: &str, value: Value| {
        let mut json = good.clone();
        *json.pointer_mut(pointer).unwrap() = value;
        Event::from_json(json.to_string().as_bytes())
    };
    use EnvelopeError::{Foreign, Invalid};
    for (pointer, value, error) in [
        ("/specversion", json!("0.3"), Invalid("specversion")),
        ("/source", json!("profile"), Invalid("source")),
        ("/source", json!("/orders"), Invalid("source")),
        ("/source", json!("/auth"), Foreign),
        ("/type", json!("role_created"), Foreign),
        ("/data/reported_by", json!("audit"), Foreign),
        ("/sequence", json!("+1"), Invalid("sequence")),
        ("/sequence", json!("-1"), Invalid("sequence")),
        ("/sequence", json!(""), Invalid("sequence")),
        ("/sequence", json!("0"), Invalid("sequence")),
        ("/sequence", json!("9".repeat(20)), Invalid("sequence")),
        (
            "/datacontenttype",
            json!("text/xml"),
            Invalid("datacontenttype"),
        ),
        ("/data/target_type", json!("User"), Invalid("target_type")),
        ("/data/target_type", json!(""), Invalid("target_type")),
        ("/data/target_id", json!(""), Invalid("target_id")),
        (
            "/data/target_id",
            json!("x".repeat(129)),
            Invalid("target_id"),
        ),
        ("/data/request_id", json!("a\nb"), Invalid("request_id")),
        (
            "/data/user_agent",
            json!("x".repeat(257)),
            Invalid("user_agent"),
        ),
    ] {
        assert_eq!(
            spoil(pointer, value.clone()),
            Err(error),
            "{pointer} {value}"
        );
    }
    for (pointer, value) in [
        ("/id", json!("1")),
        ("/type", json!("user_erased")),
        ("/subject", json!(null)),
        ("/sequence", json!(42)),
        ("/time", json!("yesterday")),
        ("/data", json!([])),
        ("/data/ip", json!("999.1.1.1")),
        ("/data/outcome", json!("maybe")),
        ("/data/actor_id", json!(7)),
    ] {
        let result = spoil(pointer, value.clone());
        assert!(
            matches!(
                result,
                Err(EnvelopeError::Malformed {
                    problem: "data",
                    ..
                })
            ),
            "{pointer} {value}: {result:?}"
        );
    }
}

#[test]
fn unknown_attributes_are_ignored_but_unknown_data_is_not() {
    let mut json = serde_json::to_value(deleted().finish().unwrap()).unwrap();
    json["traceparent"] = json!("00-1-2-01");
    assert!(Event::from_json(json.to_string().as_bytes()).is_ok());
    json["data"]["surprise"] = json!(1);
    assert!(Event::from_json(json.to_string().as_bytes()).is_err());
}

#[test]
fn personal_data_in_clear_is_refused() {
    for place in ["before", "after", "details"] {
        let mut json = serde_json::to_value(deleted().finish().unwrap()).unwrap();
        json["data"][place] = json!({"list": [{"email": "a@example.org"}]});
        assert_eq!(
            Event::from_json(json.to_string().as_bytes()),
            Err(EnvelopeError::Personal),
            "{place}"
        );
    }
}

#[test]
fn a_repeated_member_is_refused() {
    let json = deleted().finish().unwrap().to_json().unwrap();
    let twice = json.replacen('{', r#"{"source":"/profile","#, 1);
    assert!(matches!(
        Event::from_json(twice.as_bytes()),
        Err(EnvelopeError::Malformed { .. })
    ));
}

#[test]
fn an_error_never_quotes_the_document() {
    let json = deleted().finish().unwrap().to_json().unwrap();
    let json = json.replace("user_deleted", "hunter2");
    let error = Event::from_json(json.as_bytes()).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn size_is_limited() {
    let json = deleted().finish().unwrap().to_json().unwrap();
    let padded = |total: usize| format!("{json}{}", " ".repeat(total - json.len()));
    assert!(Event::from_json(padded(MAX_EVENT_BYTES).as_bytes()).is_ok());
    assert_eq!(
        Event::from_json(padded(MAX_EVENT_BYTES + 1).as_bytes()),
        Err(EnvelopeError::TooLarge)
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        ".{0,20}".prop_map(Value::from),
        Just(json!("user_deleted")),
        Just(json!("1.0")),
        Just(json!("/profile")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![
            "[a-z_]{1,8}",
            prop::sample::select(vec!["id", "data", "email", "type", "details"])
                .prop_map(str::to_owned),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Event::from_json(&bytes);
    }

    #[test]
    fn no_json_panics(json in any_json()) {
        let _ = Event::from_json(json.to_string().as_bytes());
    }

    /// One member of a good event replaced by anything: never a panic, and what is accepted says the same
    /// when written and read again.
    #[test]
    fn no_spoiled_event_panics(
        pointer in prop::sample::select(vec![
            "/specversion", "/id", "/source", "/type", "/subject", "/sequence", "/time", "/datacontenttype",
            "/data", "/data/actor_id", "/data/reported_by", "/data/target_type", "/data/target_id",
            "/data/outcome", "/data/ip", "/data/user_agent", "/data/request_id", "/data/before",
        ]),
        value in any_json(),
    ) {
        let mut json = serde_json::to_value(deleted().before(json!({})).finish().unwrap()).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        if let Ok(event) = Event::from_json(json.to_string().as_bytes()) {
            let again = Event::from_json(event.to_json().unwrap().as_bytes());
            prop_assert_eq!(again, Ok(event));
        }
    }

    /// Whatever a service puts in, what it writes is read by the others.
    #[test]
    fn whatever_is_written_is_readable(
        before in any_json(), after in any_json(), details in any_json(),
        request_id in any::<String>(), ip in any::<String>(), agent in any::<String>(), sequence in 1..i64::MAX,
    ) {
        let origin = Provenance { request_id, ip: Some(ip), user_agent: Some(agent), actor_id: None };
        let event = NewEvent::about(Service::Profile, EventType::USER_UPDATED, user(), sequence, NOW, &origin)
            .before(before).after(after).details(details)
            .finish()
            .unwrap();
        let read = Event::from_json(event.to_json().unwrap().as_bytes());
        prop_assert!(read.is_ok(), "{:?}", read);
        prop_assert_eq!(read.unwrap().to_json(), event.to_json());
    }
}
