//! The revocation feed: what the session service tells everybody who verifies tokens (docs/ARCHITECTURE.md).
//!
//! `GET /internal/v1/revocations` at session (callers: all services), upgraded to a WebSocket (RFC 6455). Session sends
//! [`FeedMessage`]s, the verifier [`FeedPing`]s, each one JSON text. The first message is `hello`; unless it resumes,
//! the whole list follows. A `pong` says that everything stored before its ping was sent has been sent: by it alone
//! the verifier knows how fresh it is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{SessionId, Timestamp, UserId};

/// A place in the list of revocations. Only places of one incarnation of the store compare. Text form: two numbers
/// with a hyphen between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeedPosition(pub u64, pub u64);

impl fmt::Display for FeedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// The text is no [`FeedPosition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected two numbers with a hyphen between them")]
pub struct NotAPosition;

impl FromStr for FeedPosition {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (high, low) = text.split_once('-').ok_or(NotAPosition)?;
        let number = |text: &str| text.parse().map_err(|_| NotAPosition);
        Ok(Self(number(high)?, number(low)?))
    }
}

impl Serialize for FeedPosition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FeedPosition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// How far somebody knows the list: what a verifier returns when it connects again and when it asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedKnown {
    /// Incarnation of the store.
    pub incarnation: String,
    /// The last entry seen of it.
    pub position: FeedPosition,
    /// Session's own tag on both, as it was handed out with them. Session believes no claim without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// What tokens a revocation concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Revoked {
    /// Those of this session.
    Session {
        /// Its id.
        id: SessionId,
    },
    /// Those of this user with a smaller `pv`.
    User {
        /// Their id.
        id: UserId,
        /// The first policy version that is good.
        min_pv: i64,
    },
    /// Those carrying this role with a smaller `pv`.
    Role {
        /// The role's name.
        name: String,
        /// The first policy version that is good.
        min_pv: i64,
    },
    /// Those this signing key signed.
    Key {
        /// Its id, as in the JWK set.
        kid: String,
    },
}

/// One entry of the append-only list of revocations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedUntil {
    /// Which tokens.
    pub revoked: Revoked,
    /// When the last of them has expired everywhere: twice the leeway after its `exp`.
    pub until: Timestamp,
}

/// An entry and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// Where it stands.
    pub position: FeedPosition,
    /// What it says.
    #[serde(flatten)]
    pub revocation: RevokedUntil,
}

/// From session to a verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FeedMessage {
    /// The first message.
    Hello {
        /// The store's incarnation: tokens of another are not judged by this feed.
        incarnation: String,
        /// Entries follow from where the verifier left off; otherwise it forgets what it has.
        resumed: bool,
        /// Tag of the place the entries follow on. Session of the version before gives none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
    },
    /// Entries, in order.
    Entries {
        /// At most a few hundred.
        entries: Vec<FeedEntry>,
        /// Tag of the last one's place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
    },
    /// Every entry that was stored before ping `ping` was sent has been sent.
    Pong {
        /// Number of the ping.
        ping: u64,
    },
}

/// From a verifier to session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedPing {
    /// Grows with each ping of a connection.
    pub ping: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn positions_compare_as_numbers_and_have_one_form() {
        let at = |text: &str| text.parse::<FeedPosition>();
        assert!(at("9-5").unwrap() < at("10-0").unwrap());
        assert_eq!(
            at("1700000000000-12").unwrap().to_string(),
            "1700000000000-12"
        );
        for bad in ["", "-", "1", "1-", "-1", "1-2-3", "a-b", "1--2"] {
            assert_eq!(at(bad), Err(NotAPosition), "{bad}");
        }
    }

    #[test]
    fn messages_look_as_agreed() {
        let until = Timestamp::from_millis(1_700_000_000_000);
        let user = UserId::new(until);
        let revoked = Revoked::User {
            id: user,
            min_pv: 7,
        };
        let revocation = RevokedUntil { revoked, until };
        let position = FeedPosition(5, 1);
        let message = FeedMessage::Entries {
            entries: vec![FeedEntry {
                position,
                revocation,
            }],
            tag: None,
        };
        let json = serde_json::to_value(&message).unwrap();
        assert_eq!(
            json,
            json!({"type": "entries", "entries": [{
                "position": "5-1", "until": "2023-11-14T22:13:20.000Z",
                "revoked": {"kind": "user", "id": user, "min_pv": 7}
            }]})
        );
        assert_eq!(
            serde_json::from_value::<FeedMessage>(json).unwrap(),
            message
        );
        let hello = json!({"type": "hello", "incarnation": "i", "resumed": false});
        let expected = FeedMessage::Hello {
            incarnation: "i".into(),
            resumed: false,
            tag: None,
        };
        assert_eq!(
            serde_json::from_value::<FeedMessage>(hello).unwrap(),
            expected
        );
    }
}
