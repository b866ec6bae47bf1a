//! Typed identifiers: a UUIDv7 (RFC 9562 section 5.7) that knows what it identifies.

use std::{fmt, hash::Hash, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::{NoContext, Uuid};

use crate::Timestamp;

/// What an [`Id`] identifies. Implemented by the empty types in [`kinds`].
pub trait IdKind: 'static {
    /// Lower-case noun used in error messages and as `target_type` of events: `user`, `role`, ...
    const NOUN: &'static str;
}

/// The nouns that have ids.
pub mod kinds {
    use super::IdKind;

    macro_rules! kind {
        ($name:ident, $noun:literal) => {
            #[doc = concat!("Marks the id of a ", $noun, ".")]
            #[derive(Debug)]
            pub enum $name {}
            impl IdKind for $name {
                const NOUN: &'static str = $noun;
            }
        };
    }

    kind!(User, "user");
    kind!(Role, "role");
    kind!(Assignment, "role_assignment");
    kind!(Session, "session");
    kind!(Event, "event");
    kind!(Record, "audit_record");
}

/// Identifier of a `K`. Text form: 36 lower-case characters with hyphens.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

/// A user, the same in every service.
pub type UserId = Id<kinds::User>;
/// A role.
pub type RoleId = Id<kinds::Role>;
/// The assignment of a role to a user.
pub type AssignmentId = Id<kinds::Assignment>;
/// A session: one login of one user agent.
pub type SessionId = Id<kinds::Session>;
/// An event; also the deduplication key of its effects.
pub type EventId = Id<kinds::Event>;
/// A record of the audit log.
pub type RecordId = Id<kinds::Record>;

impl<K> Id<K> {
    /// A new UUIDv7 whose time part is `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        Self::from_uuid(Uuid::new_v7(uuid::Timestamp::from_unix(
            NoContext,
            millis / 1000,
            nanos,
        )))
    }

    /// Takes any UUID; ids that come from outside are not required to be version 7.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The bare UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }

    /// The same UUID as the id of something else, where one thing is named after another (an audit
    /// record has the id of the event it records).
    #[must_use]
    pub const fn cast<L>(self) -> Id<L> {
        Id::from_uuid(self.0)
    }
}

/// The text is not a UUID in its 36-character form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct IdError;

impl<K> FromStr for Id<K> {
    type Err = IdError;

    /// Accepts only the hyphenated form, in either case: braces, URNs and bare hex are other spellings
    /// of the same id, and two spellings of one id confuse caches and logs.
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 36 {
            return Err(IdError);
        }
        Uuid::try_parse(text)
            .map(Self::from_uuid)
            .map_err(|_| IdError)
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

// Written out, not derived: a derive would ask the same of `K`, which has no values.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl<K> utoipa::PartialSchema for Id<K> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(
                utoipa::openapi::KnownFormat::Uuid,
            )))
            .into()
    }
}

impl<K> utoipa::ToSchema for Id<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("Id")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_the_given_time_and_sort_by_it() {
        let early = UserId::new(Timestamp::from_millis(1_000_123));
        let late = UserId::new(Timestamp::from_millis(1_000_124));
        assert!(early < late);
        assert_eq!(early.as_uuid().get_version_num(), 7);
        let (secs, nanos) = early.as_uuid().get_timestamp().unwrap().to_unix();
        assert_eq!((secs, nanos / 1_000_000), (1_000, 123));
    }

    #[test]
    fn only_the_hyphenated_form_is_read() {
        let id = UserId::new(Timestamp::from_millis(5));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        for spelling in [
            id.as_uuid().simple().to_string(),
            id.as_uuid().braced().to_string(),
            id.as_uuid().urn().to_string(),
            String::new(),
            "x".repeat(36),
        ] {
            assert_eq!(spelling.parse::<UserId>(), Err(IdError), "{spelling}");
        }
    }
}
