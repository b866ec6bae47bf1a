//! Every operation there and back over HTTP: what a service passes on in the process, where nothing is written, it could
//! also send to another one, and what comes back is what was given.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ud_kernel::{
    Clock, SessionId, UserId,
    operation::{self, Created, Key as _, Method, OPERATIONS, Operation, Reply as _},
};

/// Values for the members of bodies.
#[derive(Debug)]
struct Values {
    text: String,
    texts: Vec<String>,
    number: i64,
    small: u32,
    flag: bool,
    /// Whether members that may be absent are there.
    is_whole: bool,
}

fn values() -> impl Strategy<Value = Values> {
    let texts = prop::collection::vec(any::<String>(), 0..4);
    let whole = (any::<bool>(), any::<bool>());
    (any::<String>(), texts, any::<i64>(), any::<u32>(), whole).prop_map(
        |(text, texts, number, small, (flag, is_whole))| Values {
            text,
            texts,
            number,
            small,
            flag,
            is_whole,
        },
    )
}

impl Values {
    /// `value`, or no member at all.
    fn perhaps(&self, value: Value) -> Value {
        if self.is_whole { value } else { Value::Null }
    }

    fn origin(&self) -> Value {
        let text = self.perhaps(json!(self.text));
        without_null(json!({"request_id": self.text, "ip": text, "user_agent": text}))
    }
}

fn without_null(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

fn of<T: DeserializeOwned>(value: Value) -> T {
    let text = value.to_string();
    serde_json::from_value(without_null(value)).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn both_ways<O: Operation>(
    tried: &mut BTreeSet<&str>,
    key: O::Key,
    body: Value,
    output: &O::Output,
) {
    let name = std::any::type_name::<O>().rsplit("::").next().unwrap();
    assert!(tried.insert(name), "{name} twice");
    let path = key.path(O::ROUTE);
    assert!(
        path.starts_with("/internal/v1/") && !path.contains('{'),
        "{path}"
    );
    let body: O::Body = if body.is_null() {
        serde_json::from_value(body).unwrap()
    } else {
        of(body)
    };
    let received: O::Body = if O::METHOD == Method::Get {
        let query = serde_urlencoded::to_string(&body).unwrap();
        if query.is_empty() {
            serde_json::from_value(Value::Null).unwrap()
        } else {
            serde_urlencoded::from_str(&query).unwrap()
        }
    } else {
        serde_json::from_slice(&serde_json::to_vec(&body).unwrap()).unwrap()
    };
    assert_eq!(
        serde_json::to_value(&received).unwrap(),
        serde_json::to_value(&body).unwrap(),
        "{name}"
    );
    let (status, bytes) = output.write().unwrap();
    assert!(matches!(status, 200 | 201 | 204), "{name}: {status}");
    let read = O::Output::read(status, &bytes).unwrap();
    assert_eq!(read.write().unwrap(), (status, bytes), "{name}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_operation_is_the_same_there_and_back(v in values()) {
        let now = Clock::system().now();
        let (user, session) = (UserId::new(now), SessionId::new(now));
        let origin = v.origin();
        let credential = || of(json!({
            "user_id": user, "email": v.text, "username": v.perhaps(json!(v.text)), "status": "suspended",
            "epoch": v.number, "created_at": now,
        }));
        let grant = || of(json!({
            "session_id": session, "counter": v.number, "key_id": v.text, "issued_at": now, "access_expires_at": now,
            "refresh_expires_at": now, "authenticated_at": now, "amr": v.texts, "incarnation": v.text,
        }));
        let session_body = json!({
            "user_id": user, "epoch": v.number, "pv": v.number, "roles": v.texts, "nonce_hash": v.text,
            "key_id": v.text, "now": now, "access_ttl": v.small, "access_until": v.perhaps(json!(now)),
            "idle": v.small, "absolute": v.small, "origin": origin,
        });
        let also = |more: Value| {
            let mut body = session_body.clone();
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let mut tried = BTreeSet::new();
        let t = &mut tried;
        let create = json!({
            "email": v.text, "username": v.perhaps(json!(v.text)), "password": v.text,
            "context": {"words": v.texts}, "origin": origin,
        });
        let (is_new, standing) = (v.flag, json!({"state": "reserved", "sequence": v.number}));
        both_ways::<operation::CreateCredential>(t, user, create, &Created { is_new, value: credential() });
        both_ways::<operation::ReadCredential>(t, user, Value::Null, &credential());
        let status = json!({"status": "deleted", "sequence": v.number, "origin": origin});
        let changed = of(json!({"epoch": v.number, "sessions_closed": v.flag}));
        both_ways::<operation::SetCredentialStatus>(t, user, status, &changed);
        let unlocked = of(json!({"unlock_code": v.text, "expires_in": v.small}));
        both_ways::<operation::UnlockCredential>(t, user, json!({"origin": origin}), &unlocked);
        let access = of(json!({
            "roles": v.texts, "permissions": v.texts, "policy_version": v.number,
            "valid_until": v.perhaps(json!(now)),
        }));
        both_ways::<operation::ReadAccess>(t, user, Value::Null, &access);
        both_ways::<operation::SetStanding>(t, user, standing.clone(), &of(standing));
        let first = json!({"user_id": user, "origin": origin});
        both_ways::<operation::CreateAdministrator>(t, (), first, &Created { is_new, value: () });
        let body = also(json!({"amr": v.texts}));
        both_ways::<operation::CreateSession>(t, session, body, &Created { is_new, value: grant() });
        let body = also(json!({
            "session_id": session, "counter": v.number, "reauthenticated": v.flag, "privileged": v.flag,
            "key_ids": v.texts,
        }));
        both_ways::<operation::RotateSession>(t, (), body.clone(), &grant());
        both_ways::<operation::StepSession>(t, (), body, &grant());
        let close = json!({
            "user_id": user, "min_epoch": v.perhaps(json!(v.number)),
            "except_session_id": v.perhaps(json!(session)), "session_id": v.perhaps(json!(session)),
            "origin": origin,
        });
        both_ways::<operation::CloseSessions>(t, (), close, &of(json!({"closed": v.small})));
        let query = json!({
            "user_id": user, "pv": v.number, "inc": v.text, "roles": v.text, "kid": v.text,
            "feed_incarnation": v.perhaps(json!(v.text)), "feed_position": v.perhaps(json!("7-9")),
            "feed_tag": v.perhaps(json!(v.text)),
        });
        both_ways::<operation::ReadSessionState>(t, session, query, &of(json!({"state": "stale"})));
        let not_before = json!({
            "user_id": v.perhaps(json!(user)), "role": v.perhaps(json!(v.text)), "min_pv": v.number,
        });
        both_ways::<operation::SetNotBefore>(t, (), not_before.clone(), &());
        both_ways::<operation::SetMark>(t, (), not_before, &());
        both_ways::<operation::RevokeKey>(t, (), json!({"kid": v.text, "until": now}), &());
        let all: BTreeSet<_> = OPERATIONS.iter().map(|(name, ..)| *name).collect();
        prop_assert_eq!(tried, all, "an operation that nobody tried");
    }
}

#[test]
fn no_two_operations_have_one_method_and_path() {
    let routes: BTreeSet<_> = OPERATIONS
        .iter()
        .map(|(_, method, route)| format!("{method:?} {route}"))
        .collect();
    assert_eq!(routes.len(), OPERATIONS.len());
}
