//! Every event of the platform: its name, the one service that may write it, and who else is told. Each service declares
//! its own; those that any service writes are declared here.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{Service, declaration::events};

/// Says what happened. The text form (`user_created`) is the attribute `type` of the event and the `action` of
/// its audit record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventType(&'static Row);

/// What is known of an event.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) text: &'static str,
    pub(crate) owner: Option<Service>,
    pub(crate) to: &'static [Service],
    pub(crate) has_lane: bool,
}

/// In a declaration: what has a lane of its own.
#[expect(non_upper_case_globals, reason = "a word of the declarations")]
pub(crate) const lane: bool = true;

impl EventType {
    pub(crate) const fn declare(row: &'static Row) -> Self {
        Self(row)
    }

    /// Returns every type, service by service.
    pub fn all() -> impl Iterator<Item = Self> {
        let of_services = Service::ALL
            .into_iter()
            .flat_map(|service| service.declaration().events);
        of_services.chain(EVENTS).copied()
    }

    /// Returns its name: `user_created`, ...
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0.text
    }

    /// Returns the one service that writes it; none for security events that any service reports.
    #[must_use]
    pub const fn owner(self) -> Option<Service> {
        self.0.owner
    }

    /// Returns whether `service` may write it (SECURITY rule 32).
    #[must_use]
    pub fn may_come_from(self, service: Service) -> bool {
        self.owner().is_none_or(|owner| owner == service)
    }

    /// Returns whether it has a lane of its own among security events, so that a flood of others does not hide it.
    #[must_use]
    pub const fn has_lane(self) -> bool {
        self.0.has_lane
    }

    /// Returns the services that are told: audit always, then those that act on it.
    pub fn services(self) -> impl Iterator<Item = Service> {
        std::iter::once(Service::Audit).chain(self.0.to.iter().copied())
    }

    /// Returns every service that `service` ever tells something, each once, in the order of [`Service::ALL`].
    #[must_use]
    pub fn services_told_by(service: Service) -> Vec<Service> {
        Service::ALL
            .into_iter()
            .filter(|told| {
                Self::all()
                    .filter(|kind| kind.may_come_from(service))
                    .any(|kind| kind.services().any(|one| one == *told))
            })
            .collect()
    }

    /// Returns the type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.as_str() == name)
    }

    /// Returns whether `name` is one of ours, so that nobody writes it through `POST /audits` (SECURITY rule 33).
    #[must_use]
    pub fn is_reserved(name: &str) -> bool {
        Self::from_name(name).is_some()
    }
}

events! {
    of everybody;
    /// Somebody was refused for want of a permission. About no stored entity; any service.
    PERMISSION_DENIED = "permission_denied";
    /// A call to an internal route carried no good service token. About no stored entity; any service.
    SERVICE_TOKEN_REFUSED = "service_token_refused" in lane;
    /// A limit was reached. About no stored entity; any service.
    RATE_LIMITED = "rate_limited";
    /// Somebody read another's data by permission. About no stored entity; any service.
    ADMIN_READ = "admin_read" in lane;
}

impl Hash for EventType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl std::fmt::Debug for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| D::Error::custom("unknown event type"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_lower_case_words() {
        let mut seen = HashSet::new();
        for kind in EventType::all() {
            let name = kind.as_str();
            assert!(seen.insert(name), "{name} twice");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && name.len() <= 64,
                "{name}"
            );
            assert_eq!(EventType::from_name(name), Some(kind));
            assert!(EventType::is_reserved(name));
        }
        assert!(!EventType::is_reserved("order_placed"));
        assert!(!EventType::is_reserved("User_created"));
    }

    #[test]
    fn everything_goes_to_audit_and_nothing_twice_or_to_its_owner() {
        for kind in EventType::all() {
            let told: Vec<_> = kind.services().collect();
            assert_eq!(told.first(), Some(&Service::Audit), "{kind}");
            let distinct: HashSet<_> = told.iter().collect();
            assert_eq!(distinct.len(), told.len(), "{kind}");
            assert!(!kind.owner().is_some_and(|o| told.contains(&o)), "{kind}");
        }
    }

    #[test]
    fn routing_is_that_of_the_design() {
        let to = |service: Service| -> Vec<&str> {
            EventType::all()
                .filter(|k| k.services().any(|d| d == service))
                .map(EventType::as_str)
                .collect()
        };
        assert_eq!(
            to(Service::Auth),
            ["user_deleted", "user_suspended", "user_reactivated"]
        );
        assert_eq!(to(Service::Role), ["user_deleted"]);
        assert_eq!(to(Service::Profile), ["credentials_created"]);
        assert_eq!(
            to(Service::Session),
            [
                "credentials_epoch_raised",
                "logout_requested",
                "signing_key_revoked",
                "role_updated",
                "role_deleted",
                "role_unassigned"
            ]
        );
        assert_eq!(
            EventType::services_told_by(Service::Auth),
            [Service::Session, Service::Audit, Service::Profile]
        );
        assert_eq!(
            EventType::services_told_by(Service::Audit),
            [Service::Audit],
            "its own security events go through its own inbox"
        );
    }
}
