use serde::{Deserialize, Serialize};

use crate::{LimitKey, Source};

/// Where a change came from, carried along internal calls so that the event and the audit record tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The gateway's id of the request that caused it; of our own making where no request did.
    pub request_id: String,
    /// Client address, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// `User-Agent`, at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The user who asked for it; none for the platform's own doing and for anonymous requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<crate::UserId>,
}

impl Provenance {
    /// Under what this is counted: the user who asked, otherwise where the request came from. `None` for the
    /// platform's own doing.
    #[must_use]
    pub fn limit_key(&self) -> Option<LimitKey> {
        if let Some(actor) = self.actor_id {
            return Some(LimitKey::User(actor));
        }
        let address = self.ip.as_deref()?.parse().ok()?;
        Some(LimitKey::Source(Source::of(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, UserId};

    #[test]
    fn one_subscriber_is_one_key_and_a_user_is_one_wherever_they_are() {
        let key = |ip: &str, actor_id| {
            let ip = Some(ip.to_owned());
            let origin = Provenance {
                ip,
                actor_id,
                ..Provenance::default()
            };
            origin.limit_key()
        };
        assert_eq!(
            key("2001:db8:1:2::7", None),
            key("2001:db8:1:2:9:9:9:9", None)
        );
        assert_ne!(key("2001:db8:1:2::7", None), key("2001:db8:1:3::7", None));
        assert_eq!(key("::ffff:192.0.2.1", None), key("192.0.2.1", None));
        let user = Some(UserId::new(Timestamp::from_millis(7)));
        assert_eq!(key("192.0.2.1", user), key("192.0.2.2", user));
        assert_eq!(key("rubbish", None), None);
        assert_eq!(Provenance::default().limit_key(), None);
    }
}
