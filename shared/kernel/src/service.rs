//! The five services by name.

use serde::{Deserialize, Serialize};

/// One of the five services. Its text form is the `iss` and `aud` of service tokens, the `kid` of its
/// identity key, the name of an event destination and the `service` label of metrics.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::EnumIter,
)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Identifiers, passwords, tokens.
    Auth,
    /// Roles, permissions, assignments.
    Role,
    /// Sessions and the revocation list.
    Session,
    /// The append-only audit log.
    Audit,
    /// Users and their personal data.
    Profile,
}

impl Service {
    /// All five, in the order of their ports.
    pub const ALL: [Self; 5] = [
        Self::Auth,
        Self::Role,
        Self::Session,
        Self::Audit,
        Self::Profile,
    ];

    /// `auth`, `role`, `session`, `audit` or `profile`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Role => "role",
            Self::Session => "session",
            Self::Audit => "audit",
            Self::Profile => "profile",
        }
    }

    /// Prefix of its own configuration keys: `AUTH`, `ROLE`, `SESSION`, `AUDIT` or `PROFILE`.
    #[must_use]
    pub const fn config_prefix(self) -> &'static str {
        match self {
            Self::Auth => "AUTH",
            Self::Role => "ROLE",
            Self::Session => "SESSION",
            Self::Audit => "AUDIT",
            Self::Profile => "PROFILE",
        }
    }

    /// Default public port; the internal one is 100 higher.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Auth => 8001,
            Self::Role => 8002,
            Self::Session => 8003,
            Self::Audit => 8004,
            Self::Profile => 8005,
        }
    }

    /// The service of that name.
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
