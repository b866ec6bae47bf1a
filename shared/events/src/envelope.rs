//! The event as it travels: CloudEvents 1.0 in its JSON format, read strictly.

use std::net::IpAddr;

use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Map, Value};
use ud_kernel::{EventId, Service, Timestamp, UserId, models::Provenance};
use uuid::Uuid;

use crate::{EventType, personal};

/// Largest event, in bytes of JSON. Larger ones are neither written nor read.
pub const MAX_EVENT_BYTES: usize = 16 * 1024;
/// Longest `user_agent`, in characters.
pub(crate) const MAX_USER_AGENT: usize = 256;
/// Longest `request_id` and `target_id`, in characters.
pub(crate) const MAX_ID_TEXT: usize = 128;
/// Longest `target_type`, in characters.
const MAX_TARGET_TYPE: usize = 32;

/// Why a document is not one of our events. Never holds a value of the document: it is logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// More than [`MAX_EVENT_BYTES`].
    #[error("the event is larger than {MAX_EVENT_BYTES} bytes")]
    TooLarge,
    /// Not JSON, or a member is missing, of the wrong type, unknown within `data`, or there twice.
    #[error("not an event: {problem} at line {line} column {column}")]
    Malformed {
        /// `syntax`, `data` or `eof`.
        problem: &'static str,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// An attribute, or a member of `data`, has a value that no event has.
    #[error("invalid `{0}`")]
    Invalid(&'static str),
    /// The type belongs to another service than the one that says it (SECURITY rule 32).
    #[error("the type is not the reporting service's to write")]
    Foreign,
    /// Personal data in clear (SECURITY rule 32).
    #[error("personal data in clear")]
    Personal,
}

impl From<serde_json::Error> for EnvelopeError {
    fn from(error: serde_json::Error) -> Self {
        // serde's own message may quote the document.
        let problem = match error.classify() {
            serde_json::error::Category::Eof => "eof",
            serde_json::error::Category::Data => "data",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "syntax",
        };
        Self::Malformed {
            problem,
            line: error.line(),
            column: error.column(),
        }
    }
}

/// Whether what was tried succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused, or went wrong.
    Failure,
}

impl Outcome {
    /// As stored and as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// The member `data` of an event: who did what to what, and from where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventData {
    /// The user who asked for it; none for the platform's own doing and for anonymous requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<UserId>,
    /// The service that says so; always the source of the event.
    pub reported_by: Service,
    /// Noun of what was acted upon: `user`, `role`, `session`, ...
    pub target_type: String,
    /// Its id; at most 128 characters.
    pub target_id: String,
    /// Whether it succeeded.
    pub outcome: Outcome,
    /// Client address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// `User-Agent`, at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The request that caused it.
    pub request_id: String,
    /// Members that changed, as they were; personal values masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Map<String, Value>>,
    /// Members that changed, as they are now; personal values masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Map<String, Value>>,
    /// What a consumer needs beside, by type; [`EventType`] documents it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// One event. In JSON: CloudEvents 1.0 (`specversion`, `id`, `source`, `type`, `subject`, `time`,
/// `datacontenttype`, `data`) and its extension attribute `sequence`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unique; what receivers deduplicate by. A UUIDv7 of the moment it was made.
    pub id: EventId,
    /// The service that wrote it; `/auth`, ... in JSON.
    pub source: Service,
    /// What happened.
    pub kind: EventType,
    /// The entity it is about, or its own id if it is about no stored one. Order is kept per source and
    /// subject, and nowhere else.
    pub subject: Uuid,
    /// The subject's own counter, from 1. In JSON 19 digits, so that texts sort as the numbers do, which
    /// the CloudEvents sequence extension asks for.
    pub sequence: i64,
    /// When it happened, by the writer's clock.
    pub time: Timestamp,
    /// The rest.
    pub data: EventData,
}

impl Event {
    /// Reads one event, accepting nothing that [`crate::NewEvent`] could not have written. Context
    /// attributes that are not known are ignored, as CloudEvents asks; members of `data` are not.
    ///
    /// # Errors
    /// [`EnvelopeError`], for any bytes that are not an event of this platform.
    pub fn from_json(json: &[u8]) -> Result<Self, EnvelopeError> {
        if json.len() > MAX_EVENT_BYTES {
            return Err(EnvelopeError::TooLarge);
        }
        let event = serde_json::from_slice::<Wire<EventData>>(json)?.into_event()?;
        event.check()?;
        Ok(event)
    }

    /// The event in the JSON format of CloudEvents, one line.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLarge`]; nothing [`crate::NewEvent::finish`] made is.
    pub fn to_json(&self) -> Result<String, EnvelopeError> {
        let json = serde_json::to_string(self)?;
        if json.len() > MAX_EVENT_BYTES {
            return Err(EnvelopeError::TooLarge);
        }
        Ok(json)
    }

    /// `data.details` as the type its [`EventType`] promises.
    ///
    /// # Errors
    /// [`EnvelopeError::Invalid`] if it is not that.
    pub fn details<T: DeserializeOwned>(&self) -> Result<T, EnvelopeError> {
        serde_json::from_value(Value::Object(self.data.details.clone()))
            .map_err(|_| EnvelopeError::Invalid("details"))
    }

    /// Where the request that caused it came from, for the events and calls it leads to.
    #[must_use]
    pub fn origin(&self) -> Provenance {
        Provenance {
            request_id: self.data.request_id.clone(),
            ip: self.data.ip.map(|ip| ip.to_string()),
            user_agent: self.data.user_agent.clone(),
            actor_id: self.data.actor_id,
        }
    }

    /// What must be true of every event, written or read, beyond its form.
    pub(crate) fn check(&self) -> Result<(), EnvelopeError> {
        let data = &self.data;
        if data.reported_by != self.source || !self.kind.may_come_from(self.source) {
            return Err(EnvelopeError::Foreign);
        }
        let is_noun = (1..=MAX_TARGET_TYPE).contains(&data.target_type.len())
            && data
                .target_type
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_');
        let is_text = |text: &str, max: usize| {
            text.chars().count() <= max && !text.chars().any(char::is_control)
        };
        let rules = [
            (self.sequence >= 1, "sequence"),
            (is_noun, "target_type"),
            (
                !data.target_id.is_empty() && is_text(&data.target_id, MAX_ID_TEXT),
                "target_id",
            ),
            (is_text(&data.request_id, MAX_ID_TEXT), "request_id"),
            (
                data.user_agent
                    .as_deref()
                    .is_none_or(|agent| is_text(agent, MAX_USER_AGENT)),
                "user_agent",
            ),
        ];
        if let Some((_, name)) = rules.iter().find(|(holds, _)| !holds) {
            return Err(EnvelopeError::Invalid(name));
        }
        let maps = [
            data.before.as_ref(),
            data.after.as_ref(),
            Some(&data.details),
        ];
        if maps.into_iter().flatten().any(personal::in_clear) {
            return Err(EnvelopeError::Personal);
        }
        Ok(())
    }
}

/// The members in the order they are written.
#[derive(Serialize, Deserialize)]
struct Wire<D> {
    specversion: String,
    id: EventId,
    source: String,
    #[serde(rename = "type")]
    kind: EventType,
    subject: Uuid,
    sequence: String,
    time: Timestamp,
    #[serde(default)]
    datacontenttype: Option<String>,
    data: D,
}

const SPEC_VERSION: &str = "1.0";
const CONTENT_TYPE: &str = "application/json";

impl Wire<EventData> {
    fn into_event(self) -> Result<Event, EnvelopeError> {
        if self.specversion != SPEC_VERSION {
            return Err(EnvelopeError::Invalid("specversion"));
        }
        if self.datacontenttype.is_some_and(|t| t != CONTENT_TYPE) {
            return Err(EnvelopeError::Invalid("datacontenttype"));
        }
        let source = self
            .source
            .strip_prefix('/')
            .and_then(Service::from_name)
            .ok_or(EnvelopeError::Invalid("source"))?;
        // `parse` alone would take a sign.
        let sequence = Some(self.sequence.as_str())
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .ok_or(EnvelopeError::Invalid("sequence"))?;
        Ok(Event {
            id: self.id,
            source,
            kind: self.kind,
            subject: self.subject,
            sequence,
            time: self.time,
            data: self.data,
        })
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            specversion: SPEC_VERSION.to_owned(),
            id: self.id,
            source: format!("/{}", self.source),
            kind: self.kind,
            subject: self.subject,
            sequence: format!("{:019}", self.sequence),
            time: self.time,
            datacontenttype: Some(CONTENT_TYPE.to_owned()),
            data: &self.data,
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
