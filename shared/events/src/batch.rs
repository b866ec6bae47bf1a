//! A batch as it arrives: read event by event, so that a bad one spoils nothing but its own subject.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use ud_kernel::{EventId, Service};

use crate::{EnvelopeError, Event, MAX_BATCH, MAX_EVENT_BYTES};

/// Largest batch, in bytes: the most and largest events, brackets and commas.
pub const MAX_BATCH_BYTES: usize = MAX_BATCH * (MAX_EVENT_BYTES + 1) + 1;

/// The body is no batch at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// More than [`MAX_BATCH_BYTES`].
    #[error("the batch is larger than {MAX_BATCH_BYTES} bytes")]
    TooLarge,
    /// Not a JSON array.
    #[error("not a JSON array")]
    Malformed,
    /// More than [`MAX_BATCH`] events.
    #[error("more than {MAX_BATCH} events")]
    TooMany,
}

/// The events of one batch, all from the service that sent it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Good ones, each subject's in the order of its sequence. None follows a parked one of its subject.
    pub events: Vec<Event>,
    /// Those that are not events, or not the sender's to tell (SECURITY rule 32), as far as they have an id.
    pub parked: Vec<EventId>,
}

/// As much of a bad event as can be made out.
#[derive(Deserialize)]
struct Outline {
    id: Option<Value>,
    subject: Option<Value>,
}

/// Reads what `caller`, known by its service token, sent. Bad events are logged and listed, without their
/// content.
///
/// # Errors
/// [`BatchError`] if the whole is no batch.
pub fn parse_batch(caller: Service, body: &[u8]) -> Result<Batch, BatchError> {
    if body.len() > MAX_BATCH_BYTES {
        return Err(BatchError::TooLarge);
    }
    let raw: Vec<&RawValue> = serde_json::from_slice(body).map_err(|_| BatchError::Malformed)?;
    if raw.len() > MAX_BATCH {
        return Err(BatchError::TooMany);
    }
    let mut batch = Batch::default();
    let mut held: HashSet<String> = HashSet::new();
    for json in raw {
        let read = Event::from_json(json.get().as_bytes()).and_then(|event| {
            if event.source == caller {
                Ok(event)
            } else {
                Err(EnvelopeError::Foreign)
            }
        });
        match read {
            Ok(event) => batch.events.push(event),
            Err(error) => {
                let (id, subject) = outline(json.get());
                let name = id.map_or_else(|| "without id".to_owned(), |id| id.to_string());
                log::warn!("event {name} from {caller} is parked: {error}");
                batch.parked.extend(id);
                held.extend(subject);
            }
        }
    }
    batch
        .events
        .retain(|event| !held.contains(&event.subject.to_string()));
    // Stable: subjects stay where they were, each in its own order.
    batch.events.sort_by_key(|event| event.sequence);
    Ok(batch)
}

fn outline(json: &str) -> (Option<EventId>, Option<String>) {
    let Ok(outline) = serde_json::from_str::<Outline>(json) else {
        return (None, None);
    };
    let text = |value: Option<Value>| {
        value
            .as_ref()
            .and_then(Value::as_str)
            .map(str::to_lowercase)
    };
    (
        text(outline.id).and_then(|id| id.parse().ok()),
        text(outline.subject),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use ud_kernel::{Timestamp, UserId, models::Provenance};
    use uuid::Uuid;

    use super::*;
    use crate::{EventType, NewEvent};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn event(user: u128, sequence: i64) -> Event {
        let user = UserId::from_uuid(Uuid::from_u128(user));
        NewEvent::about(
            Service::Profile,
            EventType::USER_UPDATED,
            user,
            sequence,
            NOW,
            &Provenance::default(),
        )
        .finish()
        .unwrap()
    }

    fn parse(events: &[Value]) -> Batch {
        parse_batch(
            Service::Profile,
            Value::from(events.to_vec()).to_string().as_bytes(),
        )
        .unwrap()
    }

    fn json(event: &Event) -> Value {
        serde_json::to_value(event).unwrap()
    }

    #[test]
    fn a_bad_event_holds_back_only_its_subject() {
        let (a1, mut a2, a3) = (event(1, 1), json(&event(1, 2)), event(1, 3));
        let (b1, b2) = (event(2, 1), event(2, 2));
        a2["data"]["outcome"] = json!("perhaps");
        let id: EventId = a2["id"].as_str().unwrap().parse().unwrap();
        let batch = parse(&[json(&b2), a2, json(&a3), json(&a1), json(&b1)]);
        assert_eq!(batch.parked, [id]);
        // The whole subject waits, earlier ones too: the sender sends them again and nothing is lost.
        let expected = [b1, b2];
        assert_eq!(batch.events, expected);
    }

    #[test]
    fn only_the_caller_s_own_events_are_taken() {
        let own = event(1, 1);
        let mut foreign = json(&event(2, 1));
        foreign["source"] = json!("/auth");
        foreign["data"]["reported_by"] = json!("auth");
        foreign["type"] = json!("password_changed");
        assert!(Event::from_json(foreign.to_string().as_bytes()).is_ok());
        let batch = parse(&[foreign, json(&own)]);
        assert_eq!((batch.events, batch.parked.len()), (vec![own], 1));

        let body = Value::from(vec![json(&event(1, 1))]).to_string();
        let batch = parse_batch(Service::Role, body.as_bytes()).unwrap();
        assert_eq!((batch.events.len(), batch.parked.len()), (0, 1));
    }

    #[test]
    fn what_is_no_batch_is_refused_whole() {
        let parse = |body: &str| parse_batch(Service::Profile, body.as_bytes());
        for body in ["", "{}", "[", "null", "[1,]", "\u{0}"] {
            assert_eq!(parse(body), Err(BatchError::Malformed), "{body}");
        }
        let many = format!("[{}]", vec!["1"; MAX_BATCH + 1].join(","));
        assert_eq!(parse(&many), Err(BatchError::TooMany));
        let large = format!("[{}]", " ".repeat(MAX_BATCH_BYTES));
        assert_eq!(parse(&large), Err(BatchError::TooLarge));
        assert_eq!(parse("[]"), Ok(Batch::default()));
        assert_eq!(
            parse(r#"[1, null, "x", {}, {"id": 1}]"#),
            Ok(Batch::default())
        );
    }

    #[test]
    fn the_largest_batch_is_taken() {
        let full = |i: u128| {
            let empty = json(&event(i, 1));
            let mut text = empty.to_string();
            text.insert_str(1, &" ".repeat(MAX_EVENT_BYTES - text.len()));
            text
        };
        let body = format!(
            "[{}]",
            (1..=MAX_BATCH as u128)
                .map(full)
                .collect::<Vec<_>>()
                .join(",")
        );
        assert_eq!(body.len(), MAX_BATCH_BYTES);
        assert_eq!(
            parse_batch(Service::Profile, body.as_bytes())
                .unwrap()
                .events
                .len(),
            MAX_BATCH
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_batch(Service::Profile, &bytes);
        }

        #[test]
        fn no_text_panics(items in prop::collection::vec("[ -~]{0,40}", 0..5)) {
            let _ = parse_batch(Service::Profile, format!("[{}]", items.join(",")).as_bytes());
        }
    }
}
