//! Bodies of the audit operations.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ud_events::Outcome;
use ud_http::{FieldErrors, Validate};
use ud_kernel::{RecordId, Timestamp, UserId};

use super::metadata::Metadata;
use crate::models::{record::ClientRecord, record_store::Record};

/// How what was tried ended.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
// serde's own way of reading an enum would also take `{"success": null}`.
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum AuditOutcome {
    /// It was done.
    Success,
    /// It was refused, or went wrong.
    Failure,
}

impl TryFrom<String> for AuditOutcome {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "success" => Ok(Self::Success),
            "failure" => Ok(Self::Failure),
            _ => Err("not an outcome"),
        }
    }
}

/// What a client asks to be recorded.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAuditRequest {
    /// A name that is not one of the platform's own events.
    #[schema(pattern = "^[a-z][a-z0-9_.-]{0,63}$", example = "order_placed")]
    action: String,
    /// The user who did it.
    #[serde(default)]
    #[schema(nullable)]
    actor_id: Option<UserId>,
    /// Noun of what it was done to.
    #[schema(min_length = 1, max_length = 64, example = "order")]
    target_type: String,
    /// Which one.
    #[schema(min_length = 1, max_length = 128, example = "o-1234")]
    target_id: String,
    /// How it ended.
    outcome: AuditOutcome,
    /// Anything else, but ids rather than personal data: nothing is ever removed from the log. At most 16 KiB,
    /// each name once, integers at most 2^53 - 1 (larger ones as text).
    #[serde(default)]
    #[schema(nullable, value_type = Object)]
    metadata: Option<Metadata>,
}

impl Validate for CreateAuditRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        for fault in self.to_client().faults() {
            errors.push(fault);
        }
    }
}

impl CreateAuditRequest {
    /// As the model knows it.
    #[must_use]
    pub fn to_client(&self) -> ClientRecord {
        ClientRecord {
            action: self.action.clone(),
            actor_id: self.actor_id,
            target_type: self.target_type.clone(),
            target_id: self.target_id.clone(),
            outcome: match self.outcome {
                AuditOutcome::Success => Outcome::Success,
                AuditOutcome::Failure => Outcome::Failure,
            },
            metadata: self.metadata.clone().map(|m| m.0),
        }
    }
}

/// Filters of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAuditsQuery {
    /// Only what this user did.
    pub actor_id: Option<UserId>,
    /// Only what was done to this.
    #[param(min_length = 1, max_length = 128)]
    pub target_id: Option<String>,
    /// Only this action.
    #[param(min_length = 1, max_length = 64)]
    pub action: Option<String>,
    /// Only from this instant on (years 1000 to 9999).
    pub from: Option<Timestamp>,
    /// Only before this instant.
    pub to: Option<Timestamp>,
    /// At most so many, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A record of the audit log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AuditResponse {
    /// Its id.
    id: RecordId,
    /// Its place in the log.
    seq: i64,
    /// What happened.
    action: String,
    /// Who did it.
    actor_id: Option<UserId>,
    /// Noun of what it was done to.
    target_type: String,
    /// Which one.
    target_id: String,
    /// How it ended: `success` or `failure`.
    outcome: String,
    /// Who says so: a service's name or a user's id.
    reported_by: String,
    /// Client address.
    ip: Option<String>,
    /// `User-Agent`.
    user_agent: Option<String>,
    /// The request that caused it.
    request_id: Option<String>,
    /// Anything else: what a client gave, or `before`, `after` and `details` of an event.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// When it happened.
    occurred_at: Timestamp,
    /// When it was recorded.
    recorded_at: Timestamp,
}

impl From<Record> for AuditResponse {
    fn from(record: Record) -> Self {
        let Value::Object(mut whole) = serde_json::from_str(&record.record).unwrap_or_default()
        else {
            return Self::from_parts(record, Map::new(), Map::new());
        };
        // An event keeps its facts in `data`; a client's record keeps them at the top.
        if let Some(Value::Object(mut data)) = whole.remove("data") {
            let mut metadata = Map::new();
            for name in ["before", "after", "details"] {
                if let Some(value) = data.remove(name) {
                    metadata.insert(name.to_owned(), value);
                }
            }
            return Self::from_parts(record, data, metadata);
        }
        let metadata = match whole.remove("metadata") {
            Some(Value::Object(metadata)) => metadata,
            _ => Map::new(),
        };
        Self::from_parts(record, whole, metadata)
    }
}

impl AuditResponse {
    fn from_parts(
        record: Record,
        mut facts: Map<String, Value>,
        metadata: Map<String, Value>,
    ) -> Self {
        let mut text = |name| match facts.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        Self {
            ip: text("ip"),
            user_agent: text("user_agent"),
            request_id: text("request_id"),
            id: record.id,
            seq: record.seq,
            action: record.action,
            actor_id: record.actor_id,
            target_type: record.target_type,
            target_id: record.target_id,
            outcome: record.outcome,
            reported_by: record.reported_by,
            metadata,
            occurred_at: record.occurred_at,
            recorded_at: record.recorded_at,
        }
    }
}

/// A page of the log, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AuditListResponse {
    /// The records.
    pub items: Vec<AuditResponse>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
}
