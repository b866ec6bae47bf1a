//! What a verifier knows from the revocation feed.

use std::collections::HashMap;

use ud_kernel::{
    SessionId, Timestamp, UserId,
    models::{FeedEntry, FeedKnown, FeedPosition, Revoked, SessionState},
};

use crate::VerifiedToken;

/// The living revocations of one incarnation of the session store.
#[derive(Debug, Default)]
pub(super) struct RevocationSet {
    incarnation: Option<String>,
    /// The newest place session has tagged, and its tag.
    tagged: Option<(FeedPosition, String)>,
    sessions: HashMap<SessionId, Timestamp>,
    users: HashMap<UserId, NotBefore>,
    roles: HashMap<String, NotBefore>,
    keys: HashMap<String, Timestamp>,
}

/// Below `min_pv` tokens are stale.
#[derive(Debug, Clone, Copy)]
struct NotBefore {
    min_pv: i64,
    until: Timestamp,
}

impl NotBefore {
    /// Not-befores only grow, and last as long as the longest of them.
    fn raise(self, by: Self) -> Self {
        Self {
            min_pv: self.min_pv.max(by.min_pv),
            until: self.until.max(by.until),
        }
    }
}

impl RevocationSet {
    /// How far the feed is known, as session believes it; none before it has tagged anything.
    pub(super) fn known(&self) -> Option<FeedKnown> {
        let (position, tag) = self.tagged.clone()?;
        Some(FeedKnown {
            incarnation: self.incarnation.clone()?,
            position,
            tag: Some(tag),
        })
    }

    /// A connection begins. Unless it resumes, what was known before counts no more. `tag` is of the place from which it
    /// goes on.
    pub(super) fn hello(&mut self, incarnation: String, resumed: bool, tag: Option<String>) {
        if !resumed {
            *self = Self {
                incarnation: Some(incarnation),
                tagged: tag.map(|tag| (FeedPosition::default(), tag)),
                ..Self::default()
            };
        } else if let (Some(tagged), Some(tag)) = (&mut self.tagged, tag) {
            tagged.1 = tag;
        }
    }

    /// Takes entries in, and the tag of the last one's place.
    pub(super) fn apply(&mut self, entries: Vec<FeedEntry>, tag: Option<String>) {
        let last = entries.last().map(|entry| entry.position);
        if let Some(tagged) = last.zip(tag) {
            self.tagged = Some(tagged);
        }
        for entry in entries {
            let until = entry.revocation.until;
            match entry.revocation.revoked {
                Revoked::Session { id } => {
                    self.sessions.insert(id, until);
                }
                Revoked::User { id, min_pv } => {
                    let not_before = NotBefore { min_pv, until };
                    let known = self.users.entry(id).or_insert(not_before);
                    *known = known.raise(not_before);
                }
                Revoked::Role { name, min_pv } => {
                    let not_before = NotBefore { min_pv, until };
                    let known = self.roles.entry(name).or_insert(not_before);
                    *known = known.raise(not_before);
                }
                Revoked::Key { kid } => {
                    self.keys.insert(kid, until);
                }
            }
        }
    }

    /// What the feed says of a token; none if it is of another incarnation, of which this feed says nothing.
    pub(super) fn state(&self, token: &VerifiedToken) -> Option<SessionState> {
        let claims = token.claims();
        // First: with a leaked key anybody writes any incarnation into a token.
        if !self.keys.is_empty() && self.keys.contains_key(token.kid()) {
            return Some(SessionState::Stale);
        }
        if self.incarnation.as_ref() != Some(&claims.inc) {
            return None;
        }
        if self.sessions.contains_key(&claims.sid) {
            return Some(SessionState::Closed);
        }
        let is_below = |not_before: Option<&NotBefore>| {
            not_before.is_some_and(|not_before| claims.pv < not_before.min_pv)
        };
        let stale = is_below(self.users.get(&claims.sub))
            || (!self.roles.is_empty() && claims.roles.iter().any(|r| is_below(self.roles.get(r))));
        Some(if stale {
            SessionState::Stale
        } else {
            SessionState::Good
        })
    }

    /// Forgets what concerns no token that can be alive.
    pub(super) fn purge(&mut self, now: Timestamp) {
        self.sessions.retain(|_, until| *until > now);
        self.users.retain(|_, not_before| not_before.until > now);
        self.roles.retain(|_, not_before| not_before.until > now);
        self.keys.retain(|_, until| *until > now);
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        self.sessions.len() + self.users.len() + self.roles.len() + self.keys.len()
    }
}
