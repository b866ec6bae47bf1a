//! `record` is RFC 8785: it says what was received, and there is one way to say it.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Map, Value, json};
use testkit::Backend;
use ud_events::{EventType, NewEvent};
use ud_kernel::{Service, models::Provenance};
use user_audit_service::models::record::NewRecord;

use crate::world::{START, World, client, user};

/// Any JSON the log takes.
fn value() -> impl Strategy<Value = Value> {
    let exact = -9_007_199_254_740_991_i64..=9_007_199_254_740_991;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        exact.prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no others", |f| f.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            object(inner).prop_map(Value::Object),
        ]
    })
}

fn object(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(any::<String>(), values, 0..5).prop_map(Map::from_iter)
}

/// The same JSON: numbers are doubles, so `1` is `1.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn canonical(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap();
    serde_json_canonicalizer::to_string(&value).unwrap()
}

proptest! {
    #[test]
    fn a_client_s_record_reads_as_it_was_written(metadata in object(value())) {
        let mut client = client("order_placed");
        client.metadata = Some(metadata.clone());
        prop_assume!(client.faults().is_empty());
        let record = NewRecord::of_client(&client, user(), &Provenance::default(), START).unwrap();
        prop_assert_eq!(canonical(&record.record), record.record.clone());
        let read: Value = serde_json::from_str(&record.record).unwrap();
        prop_assert!(same(&read["metadata"], &Value::Object(metadata)), "{}", record.record);
    }

    #[test]
    fn an_event_s_record_reads_as_it_was_sent(details in object(value())) {
        let origin = Provenance::default();
        let new = NewEvent::about(Service::Profile, EventType::USER_UPDATED, user(), 1, START, &origin);
        let event = new.details(&details).finish().unwrap();
        let sent = serde_json::to_value(&event).unwrap();
        let record = NewRecord::of_event(&event).unwrap();
        prop_assert_eq!(canonical(&record.record), record.record.clone());
        let read: Value = serde_json::from_str(&record.record).unwrap();
        prop_assert!(same(&read, &sent), "{}", record.record);
    }
}

#[rstest]
#[tokio::test]
async fn every_database_gives_back_the_same_bytes(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let texts = [
        "".to_owned(),
        "\u{0}\u{1}\u{7f}\u{85}".to_owned(),
        "'; DROP TABLE records; --".to_owned(),
        r#"\ \\ \' \" % _ $1 ?"#.to_owned(),
        "é ß 漢字 \u{1F512} \u{10FFFF} \u{FFFD} e\u{301}".to_owned(),
        "\u{202E}gnp.exe\u{2028}".to_owned(),
        "x".repeat(16_000),
    ];
    let world = World::on(backend).await;
    for text in &texts {
        let mut body = client("order_placed");
        body.metadata = json!({ "t": text }).as_object().cloned();
        let record = NewRecord::of_client(&body, user(), &Provenance::default(), START).unwrap();
        world.append(vec![record.clone()]).await.unwrap();
        let stored = world.flow.read(record.id).await.unwrap();
        assert_eq!(stored.record, record.record, "{}", world.database.backend);
    }
}
