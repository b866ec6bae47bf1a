//! The services by name. A further one is two lines here: its declaration, and its place in the order.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::declaration::Declaration;

#[path = "../../../crates/audit/declaration.rs"]
mod audit;
#[path = "../../../crates/auth/declaration.rs"]
mod auth;
#[path = "../../../crates/profile/declaration.rs"]
mod profile;
#[path = "../../../crates/role/declaration.rs"]
mod role;
#[path = "../../../crates/session/declaration.rs"]
mod session;

macro_rules! services {
    ($($(#[$doc:meta])* $service:ident = $declaration:ident;)+) => {
        /// One of the services. Its text form is its [`Declaration::name`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Service {
            $($(#[$doc])* $service),+
        }

        impl Service {
            /// All of them, in the order of their ports.
            pub const ALL: [Self; [$(stringify!($service)),+].len()] = [$(Self::$service),+];

            /// Returns what it declares.
            #[must_use]
            pub const fn declaration(self) -> &'static Declaration {
                match self {
                    $(Self::$service => &$declaration::DECLARATION),+
                }
            }
        }

        /// Each service as a type.
        pub(crate) mod types {
            $(
                $(#[$doc])*
                #[derive(Debug)]
                pub enum $service {}

                impl crate::callers::ServiceType for $service {
                    const SERVICE: crate::Service = crate::Service::$service;
                }

                impl crate::callers::Callers for $service {
                    const ALLOWED: &'static [crate::Service] = &[crate::Service::$service];
                }
            )+
        }

        /// The configuration keys of all services.
        pub(crate) mod keys {
            $(pub use super::$declaration::keys::*;)+
        }

        /// The permissions of all services.
        pub(crate) mod permissions {
            $(pub use super::$declaration::permissions::*;)+
        }
    };
}

services! {
    /// Identifiers, passwords, tokens.
    Auth = auth;
    /// Roles, permissions, assignments.
    Role = role;
    /// Sessions and the revocation list.
    Session = session;
    /// The append-only audit log.
    Audit = audit;
    /// Users and their personal data.
    Profile = profile;
}

impl Service {
    /// Returns its name: `auth`, ...
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.declaration().name
    }

    /// Returns the prefix of its own configuration keys: `AUTH`, ...
    #[must_use]
    pub const fn config_prefix(self) -> &'static str {
        self.declaration().config_prefix
    }

    /// Returns the service of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Service {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| D::Error::custom("unknown service"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn declarations() -> impl Iterator<Item = &'static Declaration> {
        Service::ALL.into_iter().map(Service::declaration)
    }

    #[test]
    fn no_two_services_share_a_name_a_prefix_or_a_port() {
        let names: HashSet<_> = declarations().map(|d| d.name).collect();
        let prefixes: HashSet<_> = declarations().map(|d| d.config_prefix).collect();
        let ports: Vec<u16> = declarations()
            .flat_map(|d| [d.public_port, Some(d.internal_port)])
            .flatten()
            .collect();
        let distinct: HashSet<_> = ports.iter().collect();
        assert_eq!(names.len(), Service::ALL.len());
        assert_eq!(prefixes.len(), Service::ALL.len());
        assert_eq!(distinct.len(), ports.len(), "{ports:?}");
    }

    #[test]
    fn names_are_lower_case_and_prefixes_are_the_same_in_upper_case() {
        for one in declarations() {
            let is_plain = |b: u8| b.is_ascii_lowercase() || b == b'-';
            assert!(one.name.bytes().all(is_plain), "{}", one.name);
            let prefix = one.name.to_ascii_uppercase().replace('-', "_");
            assert_eq!(one.config_prefix, prefix);
            assert_eq!(*one.url.name, format!("{prefix}_URL"));
            let address = format!("http://127.0.0.1:{}", one.internal_port);
            assert_eq!(one.url.example, Some(&*address));
            let has_document = one
                .openapi
                .is_some_and(|path| path.ends_with("/openapi.json"));
            assert_eq!(has_document, one.public_port.is_some(), "{}", one.name);
        }
    }

    #[test]
    fn what_a_service_declares_is_its_own() {
        for service in Service::ALL {
            let declared = service.declaration();
            for event in declared.events {
                assert_eq!(event.owner(), Some(service), "{event}");
            }
            let seals = declared.key_rings.contains(&"key-encryption-keys");
            assert_eq!(seals, declared.key_encryption_keys.is_some(), "{service}");
            assert_eq!(Service::from_name(declared.name), Some(service));
            let json = serde_json::to_string(&service).unwrap();
            assert_eq!(serde_json::from_str::<Service>(&json).unwrap(), service);
        }
        assert_eq!(Service::from_name("Auth"), None);
        assert!(serde_json::from_str::<Service>("\"nobody\"").is_err());
    }
}
