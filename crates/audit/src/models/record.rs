//! One record of the audit log: what it says, and the rules for what it may say.

use serde::Serialize;
use serde_json::{Map, Value};
use ud_events::{Event, EventType, Outcome};
use ud_kernel::{FieldError, RecordId, Timestamp, UserId, check_line, models::Provenance};

use super::error::AuditError;

/// Longest action, in characters.
pub const MAX_ACTION: usize = 64;
/// Longest `target_id`, in characters.
pub const MAX_TARGET_ID: usize = 128;
/// Longest `target_type`, in characters.
const MAX_TARGET_TYPE: usize = 64;
/// Largest metadata, in bytes of canonical JSON.
const MAX_METADATA: usize = 16 * 1024;
/// Largest record, in bytes of canonical JSON: what its column holds.
const MAX_RECORD: usize = 32 * 1024;
/// Largest integer that JSON keeps exactly, 2^53 - 1 (RFC 7493 section 2.2).
const MAX_INTEGER: u64 = (1 << 53) - 1;
/// The years 1000 to 9999: what all three databases hold.
const FIRST_INSTANT: Timestamp = Timestamp::from_millis(-30_610_224_000_000);
const LAST_INSTANT: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// A record that is not yet stored. Made by the constructors only, which refuse what the log does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// The event's id, so that an event is recorded once.
    pub id: RecordId,
    /// When it happened, by the writer's clock.
    pub occurred_at: Timestamp,
    /// Event type, or a name of the client's own.
    pub action: String,
    /// Who did it.
    pub actor_id: Option<UserId>,
    /// Noun of what it was done to.
    pub target_type: String,
    /// Which one.
    pub target_id: String,
    /// `success` or `failure`.
    pub outcome: Outcome,
    /// Who says so: a service's name, or the id of the user who wrote it.
    pub reported_by: String,
    /// Canonical JSON (RFC 8785) of what was received.
    pub record: String,
}

/// What a client asks to be recorded.
#[derive(Debug, Clone, Serialize)]
pub struct ClientRecord {
    /// A name that is not one of the platform's own events.
    pub action: String,
    /// Who did it, as the client says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<UserId>,
    /// Noun of what it was done to.
    pub target_type: String,
    /// Which one.
    pub target_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

impl ClientRecord {
    /// What is wrong with its members, beside a reserved action.
    #[must_use]
    pub fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        faults.extend(check_action(&self.action).err());
        faults.extend(check_line("/target_type", &self.target_type, MAX_TARGET_TYPE).err());
        faults.extend(check_line("/target_id", &self.target_id, MAX_TARGET_ID).err());
        if let Some(metadata) = &self.metadata {
            faults.extend(check_metadata(metadata).err());
        }
        faults
    }
}

/// `^[a-z][a-z0-9_.-]{0,63}$`
fn check_action(action: &str) -> Result<(), FieldError> {
    check_line("/action", action, MAX_ACTION)?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b);
    if action.starts_with(|c: char| c.is_ascii_lowercase()) && action.bytes().all(allowed) {
        Ok(())
    } else {
        Err(FieldError::new(
            "/action",
            "field.invalid",
            "lower-case letters, digits, `_`, `.` and `-`, beginning with a letter",
        ))
    }
}

fn check_metadata(metadata: &Map<String, Value>) -> Result<(), FieldError> {
    let size = serde_json_canonicalizer::to_vec(metadata).map_or(usize::MAX, |json| json.len());
    if size > MAX_METADATA {
        let detail = format!("at most {MAX_METADATA} bytes");
        return Err(FieldError::new("/metadata", "field.too-long", detail));
    }
    if !metadata.values().all(is_exact) {
        let detail =
            "integers beyond 2^53 - 1 would be stored as others: send them as text (RFC 7493)";
        return Err(FieldError::new("/metadata", "field.invalid", detail));
    }
    Ok(())
}

/// Whether the canonical form, whose numbers are doubles, says the same.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let size = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            size.is_none_or(|size| size <= MAX_INTEGER)
        }
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// Whether all three databases can hold `at`, or compare with it.
#[must_use]
pub fn is_storable(at: Timestamp) -> bool {
    (FIRST_INSTANT..=LAST_INSTANT).contains(&at)
}

/// The canonical form of a client's record, with what the server adds.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    client: &'a ClientRecord,
    id: RecordId,
    occurred_at: Timestamp,
    reported_by: UserId,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
}

impl NewRecord {
    /// Of an event of the platform.
    ///
    /// # Errors
    /// [`AuditError::Unrecordable`].
    pub fn of_event(event: &Event) -> Result<Self, AuditError> {
        let data = &event.data;
        let free = [
            data.before.as_ref(),
            data.after.as_ref(),
            Some(&data.details),
        ];
        if !free.into_iter().flatten().all(|m| m.values().all(is_exact)) {
            return Err(AuditError::Unrecordable("an integer beyond 2^53 - 1"));
        }
        if !is_storable(event.time) {
            return Err(AuditError::Unrecordable("a time beyond the calendar"));
        }
        Ok(Self {
            id: event.id.cast(),
            occurred_at: event.time,
            action: event.kind.as_str().to_owned(),
            actor_id: data.actor_id,
            target_type: data.target_type.clone(),
            target_id: data.target_id.clone(),
            outcome: data.outcome,
            reported_by: event.source.as_str().to_owned(),
            record: canonical(event)?,
        })
    }

    /// Of what a user asked to be recorded; `reported_by` is that user, whoever they say acted.
    ///
    /// # Errors
    /// [`AuditError::ActionReserved`]; [`AuditError::Unrecordable`] for what
    /// [`faults`](ClientRecord::faults) would have told.
    pub fn of_client(
        client: &ClientRecord,
        writer: UserId,
        origin: &Provenance,
        now: Timestamp,
    ) -> Result<Self, AuditError> {
        if EventType::is_reserved(&client.action) {
            return Err(AuditError::ActionReserved);
        }
        let id = RecordId::new(now);
        let written = Written {
            client,
            id,
            occurred_at: now,
            reported_by: writer,
            request_id: &origin.request_id,
            ip: origin.ip.as_deref(),
            user_agent: origin.user_agent.as_deref(),
        };
        Ok(Self {
            id,
            occurred_at: now,
            action: client.action.clone(),
            actor_id: client.actor_id,
            target_type: client.target_type.clone(),
            target_id: client.target_id.clone(),
            outcome: client.outcome,
            reported_by: writer.to_string(),
            record: canonical(&written)?,
        })
    }
}

/// Numbers grow by it (`1e20` becomes 21 digits), so that its length is not bounded by what was received.
fn canonical<T: Serialize>(value: &T) -> Result<String, AuditError> {
    let json = serde_json_canonicalizer::to_string(value)
        .map_err(|_| AuditError::Unrecordable("no canonical form"))?;
    if json.len() > MAX_RECORD {
        return Err(AuditError::Unrecordable("more than 32 KiB"));
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use ud_events::NewEvent;
    use ud_kernel::Service;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn client(action: &str) -> ClientRecord {
        ClientRecord {
            action: action.to_owned(),
            actor_id: None,
            target_type: "order".to_owned(),
            target_id: "o-1".to_owned(),
            outcome: Outcome::Success,
            metadata: json!({"b": 1.0, "a": "é"}).as_object().cloned(),
        }
    }

    fn sample(details: Value) -> Event {
        let user = UserId::new(NOW);
        let origin = Provenance::default();
        NewEvent::about(
            Service::Profile,
            EventType::USER_UPDATED,
            user,
            1,
            NOW,
            &origin,
        )
        .details(details)
        .finish()
        .unwrap()
    }

    fn event(details: Value, time: Timestamp) -> Result<NewRecord, AuditError> {
        let mut event = sample(details);
        event.time = time;
        NewRecord::of_event(&event)
    }

    #[test]
    fn the_platforms_own_events_cannot_be_written_by_a_client() {
        for kind in EventType::all() {
            let record = NewRecord::of_client(
                &client(kind.as_str()),
                UserId::new(NOW),
                &Provenance::default(),
                NOW,
            );
            assert!(matches!(record, Err(AuditError::ActionReserved)), "{kind}");
        }
    }

    #[test]
    fn the_record_is_canonical_and_names_its_writer() {
        let writer = UserId::new(NOW);
        let origin = Provenance {
            request_id: "r".to_owned(),
            ..Provenance::default()
        };
        let record = NewRecord::of_client(&client("order_placed"), writer, &origin, NOW).unwrap();
        assert_eq!(
            record.record,
            format!(
                r#"{{"action":"order_placed","id":"{}","metadata":{{"a":"é","b":1}},"occurred_at":"{NOW}","outcome":"success","reported_by":"{writer}","request_id":"r","target_id":"o-1","target_type":"order"}}"#,
                record.id
            )
        );
    }

    #[test]
    fn members_have_limits() {
        let mut bad = client("Order");
        bad.target_id = "x".repeat(MAX_TARGET_ID + 1);
        bad.target_type = "a\nb".to_owned();
        bad.metadata = json!({"a": "x".repeat(MAX_METADATA)}).as_object().cloned();
        let codes: Vec<_> = bad
            .faults()
            .into_iter()
            .map(|f| (f.pointer, f.code))
            .collect();
        let expected = [
            ("/action", "field.invalid"),
            ("/target_type", "field.control-character"),
            ("/target_id", "field.too-long"),
            ("/metadata", "field.too-long"),
        ];
        assert_eq!(codes, expected.map(|(p, c)| (p.to_owned(), c.to_owned())));
        assert_eq!(client("order.placed-1_x").faults(), []);
    }

    #[test]
    fn a_number_is_stored_as_it_is_or_not_at_all() {
        let faults = |number: Value| {
            let mut client = client("a");
            client.metadata = json!({"a": [{"b": number}]}).as_object().cloned();
            client.faults().len()
        };
        for exact in [json!(MAX_INTEGER), json!(-9_007_199_254_740_991_i64)] {
            assert_eq!(faults(exact), 0);
        }
        assert_eq!(faults(json!(1e300)), 0);
        for beyond in [json!(MAX_INTEGER + 1), json!(u64::MAX), json!(i64::MIN)] {
            assert_eq!(faults(beyond.clone()), 1, "{beyond}");
            let record = event(json!({"n": beyond}), NOW);
            assert!(matches!(record, Err(AuditError::Unrecordable(_))));
        }
    }

    #[test]
    fn an_event_that_no_database_holds_is_refused_before() {
        assert!(event(json!({}), NOW).is_ok());
        for time in ["0999-12-31T23:59:59.999Z", "9999-12-31T23:59:59-01:00"] {
            let record = event(json!({}), time.parse().unwrap());
            assert!(matches!(record, Err(AuditError::Unrecordable(_))), "{time}");
        }
        for time in ["1000-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"] {
            assert!(event(json!({}), time.parse().unwrap()).is_ok(), "{time}");
        }
    }

    #[test]
    fn a_record_too_long_for_its_column_is_refused() {
        // 10 KiB as received, five times that in canonical form.
        let numbers = format!("[{}]", vec!["1e20"; 2000].join(","));
        let json = sample(json!({"n": "@"}))
            .to_json()
            .unwrap()
            .replace("\"@\"", &numbers);
        let record = NewRecord::of_event(&Event::from_json(json.as_bytes()).unwrap());
        assert!(matches!(record, Err(AuditError::Unrecordable(_))));
    }
}
