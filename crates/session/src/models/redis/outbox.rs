//! The outbox of sessions in Redis: a stream that the scripts of [`super::store`] write in the same
//! step as the change, with one consumer group per destination. What every destination has is deleted at
//! once, and cut off at the lowest id that some group has not acknowledged.

use std::collections::HashMap;

use redis::Script;
use serde_json::{Value, json};
use ud_events::{
    Claimed, Destination, EnvelopeError, Event, EventType, LEASE, LONGEST_LEASE, LONGEST_WAIT,
    Outbox, OutboxError, Postponed,
};
use ud_kernel::{Clock, EventId, Service, Timestamp, models::Provenance};

use super::{connection::Redis, scripts::script, store::RedisStore};
use crate::models::{
    error::SessionError,
    session_event::{SessionEvent, Source},
};

/// Claim: entry, lease, attempts, fields.
type Row = (String, String, u32, HashMap<String, String>);

/// The outbox. Clones are the same one.
#[derive(Clone)]
pub struct RedisOutbox {
    redis: Redis,
    namespace: String,
    clock: Clock,
    claim: Script,
    settle: Script,
    tidy: Script,
    oldest: Script,
}

impl RedisOutbox {
    /// Of the sessions in `store`.
    #[must_use]
    pub fn new(store: &RedisStore, clock: Clock) -> Self {
        let (redis, namespace) = store.redis();
        Self {
            redis,
            namespace,
            clock,
            claim: script(include_str!("claim.lua")),
            settle: script(include_str!("settle.lua")),
            tidy: script(include_str!("tidy.lua")),
            oldest: script(include_str!("oldest.lua")),
        }
    }

    async fn run<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        argument: &Value,
    ) -> Result<T, OutboxError> {
        self.redis
            .run(script, &self.namespace, &argument.to_string())
            .await
            .map_err(failed)
    }
}

/// Returns the names of all destinations: each has a consumer group.
fn told() -> Vec<&'static str> {
    let told = Destination::told_by(Service::Session);
    told.into_iter().map(Destination::as_str).collect()
}

impl Outbox for RedisOutbox {
    async fn claim(
        &self,
        destination: Destination,
        max: usize,
    ) -> Result<Vec<Claimed>, OutboxError> {
        let now = self.clock.now();
        let argument = json!({
            "destination": destination.as_str(), "max": max, "now": now.as_millis(),
            "until_": now.plus(LEASE).as_millis(), "lease": EventId::new(now),
            "longest_lease": LONGEST_LEASE.as_millis(), "longest_wait": LONGEST_WAIT.as_millis(),
        });
        let rows: Vec<Row> = self.run(&self.claim, &argument).await?;
        Ok(rows.into_iter().filter_map(read).collect())
    }

    async fn delivered(
        &self,
        destination: Destination,
        claimed: &[Claimed],
    ) -> Result<(), OutboxError> {
        let argument = json!({
            "destination": destination.as_str(), "claims": claims(claimed),
            "destinations": told(),
        });
        self.run::<i64>(&self.settle, &argument).await?;
        self.tidy().await
    }

    async fn postpone(
        &self,
        destination: Destination,
        claimed: &[Claimed],
        until: Timestamp,
        _: Postponed,
    ) -> Result<(), OutboxError> {
        let argument = json!({
            "destination": destination.as_str(), "claims": claims(claimed), "free_at": until.as_millis(),
        });
        self.run::<i64>(&self.settle, &argument).await.map(drop)
    }

    async fn oldest(&self, destination: Destination) -> Result<Option<Timestamp>, OutboxError> {
        let argument = json!({ "destination": destination.as_str() });
        let at: Option<i64> = self.run(&self.oldest, &argument).await?;
        Ok(at.map(Timestamp::from_millis))
    }

    async fn tidy(&self) -> Result<(), OutboxError> {
        let destinations = told();
        self.run::<i64>(&self.tidy, &json!({ "destinations": destinations }))
            .await
            .map(drop)
    }
}

/// What settles claims: the entry, and who holds it.
fn claims(claimed: &[Claimed]) -> Vec<Value> {
    let parts = claimed
        .iter()
        .filter_map(|claimed| claimed.lease.split_once(' '));
    parts
        .map(|(id, lease)| json!({ "id": id, "lease": lease }))
        .collect()
}

/// The delivery of one entry. An entry that is no event stays, holds back its session, and is logged: only a
/// defect, or somebody else's hand in the store, makes one.
fn read((entry, lease, attempts, fields): Row) -> Option<Claimed> {
    let event = match event(&fields) {
        Ok(event) => event,
        Err(error) => {
            log::error!("outbox entry {entry} is no event: {error}");
            return None;
        }
    };
    let (id, kind) = (event.id, event.kind.to_string());
    let body = event.to_json().ok()?;
    Some(Claimed {
        id,
        kind,
        body,
        attempts,
        lease: format!("{entry} {lease}"),
    })
}

fn event(fields: &HashMap<String, String>) -> Result<Event, EnvelopeError> {
    if let Some(body) = fields.get("body") {
        return Event::from_json(body.as_bytes());
    }
    let field = |name: &'static str| {
        fields
            .get(name)
            .map(String::as_str)
            .ok_or(EnvelopeError::Invalid(name))
    };
    let number = |name: &'static str| -> Result<i64, EnvelopeError> {
        field(name)?
            .parse()
            .map_err(|_| EnvelopeError::Invalid(name))
    };
    let filled = |name| fields.get(name).filter(|text| !text.is_empty()).cloned();
    let kind = EventType::from_name(field("type")?).ok_or(EnvelopeError::Invalid("type"))?;
    let new = SessionEvent {
        kind,
        session_id: field("session_id")?
            .parse()
            .map_err(|_| EnvelopeError::Invalid("session_id"))?,
        user_id: field("user_id")?
            .parse()
            .map_err(|_| EnvelopeError::Invalid("user_id"))?,
        sequence: number("sequence")?,
        at: Timestamp::from_millis(number("at")?),
        reason: Some(field("reason")?.to_owned()).filter(|reason| !reason.is_empty()),
        origin: serde_json::from_str::<Provenance>(field("origin")?)?,
        rotated_from: fields.contains_key("before_ip").then(|| Source {
            ip: filled("before_ip"),
            user_agent: filled("before_agent"),
        }),
    };
    let mut event = new.into_new_event().finish()?;
    event.id = field("id")?
        .parse()
        .map_err(|_| EnvelopeError::Invalid("id"))?;
    Ok(event)
}

fn failed(error: SessionError) -> OutboxError {
    OutboxError(error.to_string())
}
