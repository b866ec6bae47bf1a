//! An event in the making.

use serde::Serialize;
use serde_json::{Map, Value};
use ud_kernel::{EventId, Id, IdKind, Service, Timestamp, UserId, models::Provenance};
use uuid::Uuid;

use crate::{
    EnvelopeError, Event, EventData, EventType, Outcome,
    envelope::{MAX_ID_TEXT, MAX_USER_AGENT},
    personal,
};

/// An event that a service is about to write, within the transaction of the change it tells of. What comes
/// from a request (address, agent, request id) is cut to size, personal values are masked: a change never
/// fails because its event would not do.
#[derive(Debug, Clone)]
pub struct NewEvent {
    event: Event,
}

impl NewEvent {
    /// An event about the stored entity `subject`, which is also its target unless [`NewEvent::target`] says
    /// otherwise. `sequence` is the entity's own counter (column `event_seq`), raised for this event in the
    /// same transaction, from 1.
    #[must_use]
    pub fn about<K: IdKind>(
        reporter: Service,
        kind: EventType,
        subject: Id<K>,
        sequence: i64,
        now: Timestamp,
        origin: &Provenance,
    ) -> Self {
        let event = Event {
            id: EventId::new(now),
            source: reporter,
            kind,
            subject: *subject.as_uuid(),
            sequence,
            time: now,
            data: EventData {
                actor_id: origin.actor_id,
                reported_by: reporter,
                target_type: K::NOUN.to_owned(),
                target_id: subject.to_string(),
                outcome: Outcome::Success,
                ip: origin.ip.as_deref().and_then(|ip| ip.parse().ok()),
                user_agent: origin.user_agent.as_deref().map(|a| cut(a, MAX_USER_AGENT)),
                request_id: cut(&origin.request_id, MAX_ID_TEXT),
                before: None,
                after: None,
                details: Map::new(),
            },
        };
        Self { event }
    }

    /// An event about no stored entity (a failed login, a refused permission): its subject is its own id, so
    /// it waits for no other. Give it a target where there is one.
    #[must_use]
    pub fn alone(reporter: Service, kind: EventType, now: Timestamp, origin: &Provenance) -> Self {
        let id = EventId::new(now);
        let mut new = Self::about(reporter, kind, id, 1, now, origin);
        new.event.id = id;
        new
    }

    /// Its id, by which it will be known everywhere.
    #[must_use]
    pub const fn id(&self) -> EventId {
        self.event.id
    }

    /// The entity its order is kept by; its own id if there is none.
    #[must_use]
    pub const fn subject(&self) -> Uuid {
        self.event.subject
    }

    /// What was acted upon, where that is not the subject.
    #[must_use]
    pub fn target<K: IdKind>(self, id: Id<K>) -> Self {
        self.target_named(K::NOUN, &id.to_string())
    }

    /// What was acted upon, where it has no id of ours: an operation, an address. `noun` is lower-case
    /// letters and `_`; `id` is cut to 128 characters.
    #[must_use]
    pub fn target_named(mut self, noun: &'static str, id: &str) -> Self {
        self.event.data.target_type = noun.to_owned();
        self.event.data.target_id = cut(id, MAX_ID_TEXT);
        self
    }

    /// Who did it, where that is not who sent the request.
    #[must_use]
    pub fn actor(mut self, actor: UserId) -> Self {
        self.event.data.actor_id = Some(actor);
        self
    }

    /// It was tried in vain.
    #[must_use]
    pub fn failed(mut self) -> Self {
        self.event.data.outcome = Outcome::Failure;
        self
    }

    /// The members that change, as they were: an object. Personal values are masked.
    #[must_use]
    pub fn before(mut self, members: impl Serialize) -> Self {
        self.event.data.before = Some(object(members));
        self
    }

    /// The members that change, as they are now: an object. Personal values are masked.
    #[must_use]
    pub fn after(mut self, members: impl Serialize) -> Self {
        self.event.data.after = Some(object(members));
        self
    }

    /// What consumers of this type need ([`EventType`] says what that is): an object. Replaces earlier
    /// details.
    #[must_use]
    pub fn details(mut self, members: impl Serialize) -> Self {
        self.event.data.details = object(members);
        self
    }

    /// The event, ready to be stored. If it is too large, `before` and `after` give way.
    ///
    /// # Errors
    /// [`EnvelopeError`] for what only a defect of the calling service causes: a type that is not its own,
    /// a sequence below 1, details beyond [`crate::MAX_EVENT_BYTES`].
    pub fn finish(mut self) -> Result<Event, EnvelopeError> {
        self.event.check()?;
        if self.event.to_json().is_err() {
            let sides = [&mut self.event.data.before, &mut self.event.data.after];
            for members in sides.into_iter().flatten() {
                *members = Map::from_iter([("truncated".to_owned(), Value::Bool(true))]);
            }
            self.event.to_json()?;
        }
        Ok(self.event)
    }
}

/// The first `max` characters, control characters replaced: what remains is always accepted by a reader.
fn cut(text: &str, max: usize) -> String {
    text.chars()
        .take(max)
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .collect()
}

fn object(members: impl Serialize) -> Map<String, Value> {
    let mut map = match serde_json::to_value(members) {
        Ok(Value::Object(map)) => map,
        Ok(Value::Null) | Err(_) => Map::new(),
        Ok(value) => Map::from_iter([("value".to_owned(), value)]),
    };
    personal::mask(&mut map);
    map
}
