//! Login throttling (SECURITY rule 11): how often a password may be tried, counted in the database, so that replicas count
//! together.
//!
//! A try with evidence (an unlock code, a device token, an access token, a known source) counts under that alone. Without
//! evidence it counts three times: what was typed with the source; the account over all such sources, by user id where it
//! is known, otherwise by what was typed, which looks the same from outside; and, once it has failed, the source over all
//! accounts. Names are HMACs. The count is raised before the hash and settled after it, so that tries sent all at once are
//! no more than tries sent one by one. Beyond the free ones each has to wait; nobody is locked out for good.

pub mod rule;
pub mod store;

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_db::{DbConn, StoreError};
use ud_kernel::{SessionId, Source, Timestamp, UserId};
use ud_seal::{SealError, Sealer};

use super::{
    credential::identifier::Identifier,
    device::token::DeviceId,
    error::AuthError,
    throttle::{
        rule::{CLOCKS_APART, Rule, ThrottleLimits},
        store::Count,
    },
};

/// Why a try need not be counted with those of strangers; the best there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// A code of an operator, which has a count of its own.
    UnlockCode,
    /// A device token.
    Device(DeviceId),
    /// The account's own access token, on this very request.
    Session(SessionId),
    /// A completed login came from the same source lately.
    Place,
}

/// Makes names, and judges what is counted under them.
#[derive(Clone)]
pub struct LoginThrottle {
    key: hmac::Key,
    limits: ThrottleLimits,
}

/// One try, and what it counts under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    evidence: Option<Evidence>,
    /// Raised before the hash, in the order of names, so that no two transactions wait for each other.
    raised: Vec<(String, Rule)>,
    /// Raised after a failure.
    source: Option<String>,
    account: String,
}

impl Attempt {
    /// Returns the evidence it comes with.
    #[must_use]
    pub const fn evidence(&self) -> Option<Evidence> {
        self.evidence
    }

    /// Returns what the account is counted under for strangers; tells it apart in the audit log without naming it.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Returns the names of every count that it is judged by.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let raised = self.raised.iter().map(|(name, _)| name.clone());
        raised.chain(self.source.clone()).collect()
    }
}

/// A try that was counted.
#[derive(Debug, Clone)]
#[must_use = "a try that did not fail is settled or refunded"]
pub struct Charge {
    attempt: Attempt,
    /// In the order of `attempt.raised`.
    changes: Vec<Change>,
}

/// What counting changed under one name.
#[derive(Debug, Clone, Copy)]
struct Change {
    before: Option<Count>,
    after: Count,
}

impl LoginThrottle {
    /// With a key derived from the first of `AUTH_KEY_ENCRYPTION_KEYS`; when that changes, counting starts anew.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn new(sealer: &Sealer, limits: ThrottleLimits) -> Result<Self, SealError> {
        let key = sealer.derive_hmac_key("count login tries")?;
        Ok(Self { key, limits })
    }

    /// Returns a try as `typed` from `source`, at the account of `user_id` if there is one.
    #[must_use]
    pub fn attempt(
        &self,
        evidence: Option<Evidence>,
        typed: &str,
        user_id: Option<UserId>,
        source: Source,
    ) -> Attempt {
        let typed = match Identifier::parse(typed) {
            Ok(parsed) => format!("{}\0{}", parsed.kind().as_str(), parsed.canonical()),
            Err(_) => format!("other\0{typed}"),
        };
        let identifier = self.name("identifier", &typed);
        let account = match user_id {
            Some(user_id) => self.name("user", &user_id.to_string()),
            // As many rows for an identifier that is nobody's, and as much work.
            None => self.name("user", &typed),
        };
        let mut by_source = None;
        let mut raised = match evidence {
            Some(Evidence::UnlockCode) => vec![],
            Some(Evidence::Device(id)) => {
                vec![(self.name("device", &id.to_string()), Rule::Tries)]
            }
            Some(Evidence::Session(id)) => {
                vec![(self.name("session", &id.to_string()), Rule::Tries)]
            }
            Some(Evidence::Place) => {
                let place = format!("{account}\0{source}");
                vec![(self.name("place", &place), Rule::Tries)]
            }
            None => {
                by_source = Some(self.name("source", &source.to_string()));
                let pair = self.name("typed", &format!("{source}\0{typed}"));
                // By what was typed as well: an account that begins or ends leaves strangers' waits as they are.
                vec![
                    (pair, Rule::Tries),
                    (identifier, Rule::Account),
                    (account.clone(), Rule::Account),
                ]
            }
        };
        raised.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Attempt {
            evidence,
            raised,
            source: by_source,
            account,
        }
    }

    /// Returns the seconds a try has to wait by the `counts` that were read; none if it may be made. Spares a transaction
    /// where the answer is clear: [`LoginThrottle::raise`] decides.
    #[must_use]
    pub fn wait(
        &self,
        attempt: &Attempt,
        counts: &[(String, Count)],
        now: Timestamp,
    ) -> Option<u32> {
        let wait = |name: &str, rule: Rule| {
            let (_, count) = counts.iter().find(|(other, _)| other == name)?;
            rule.wait(&self.limits, *count, now)
        };
        let raised = attempt.raised.iter().filter_map(|(n, rule)| wait(n, *rule));
        let source = attempt.source.as_deref();
        let source = source.and_then(|name| wait(name, Rule::Source));
        raised.chain(source).max()
    }

    /// Counts a try that is about to be made, in a transaction of its own.
    ///
    /// # Errors
    /// [`AuthError::TooManyAttempts`] if it has to wait; then the transaction is to be rolled back.
    pub fn raise(
        &self,
        conn: &mut DbConn,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<Charge, AuthError> {
        let mut changes = Vec::with_capacity(attempt.raised.len());
        let mut wait = None;
        for (name, rule) in &attempt.raised {
            let first = rule.after(&self.limits, None, now);
            let before = store::add(conn, name, first)?;
            let after = rule.after(&self.limits, before, now);
            if let Some(before) = before {
                wait = wait.max(rule.wait(&self.limits, before, now));
                store::set(conn, name, after)?;
            }
            changes.push(Change { before, after });
        }
        match wait {
            Some(seconds) => Err(AuthError::TooManyAttempts(seconds)),
            None => Ok(Charge {
                attempt: attempt.clone(),
                changes,
            }),
        }
    }

    /// Counts a failure against the source, where that is counted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn fail(
        &self,
        conn: &mut DbConn,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(name) = &attempt.source else {
            return Ok(());
        };
        let rule = Rule::Source;
        let first = rule.after(&self.limits, None, now);
        let before = store::add(conn, name, first)?;
        if before.is_some() {
            store::set(conn, name, rule.after(&self.limits, before, now))?;
        }
        Ok(())
    }

    /// The login is complete. What came under its own evidence is forgotten. Without evidence it takes back its own
    /// increment and nothing else: the strangers' counts decay by time alone, so that nobody can see the owner come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle(conn: &mut DbConn, charge: &Charge) -> Result<(), StoreError> {
        if charge.attempt.evidence.is_none() {
            return Self::refund(conn, charge);
        }
        for (name, _) in &charge.attempt.raised {
            store::forget(conn, name)?;
        }
        Ok(())
    }

    /// The try did not fail, or its password was not looked at: it was none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn refund(conn: &mut DbConn, charge: &Charge) -> Result<(), StoreError> {
        for ((name, _), change) in charge.attempt.raised.iter().zip(&charge.changes) {
            store::refund(conn, name, change.before, change.after)?;
        }
        Ok(())
    }

    /// Removes what counts no more; returns how many rows, at most a thousand.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_old(&self, conn: &mut DbConn, now: Timestamp) -> Result<usize, StoreError> {
        let oldest = now.minus(self.limits.tries.per.max(Duration::from_secs(86_400)));
        let old = store::forget_of_release_before(conn, oldest, now.plus(CLOCKS_APART))?;
        Ok(old + store::forget_old(conn, now)?)
    }

    /// Corrects rows that a clock wrote which was ahead, so that they count as now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn correct_future(&self, conn: &mut DbConn, now: Timestamp) -> Result<usize, StoreError> {
        let longest = Rule::longest(&self.limits);
        store::correct_future(conn, now, longest, CLOCKS_APART)
    }

    fn name(&self, kind: &str, text: &str) -> String {
        let tag = hmac::sign(&self.key, format!("{kind}\0{text}").as_bytes());
        URL_SAFE_NO_PAD.encode(tag)
    }
}

impl std::fmt::Debug for LoginThrottle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LoginThrottle").field(&self.limits).finish()
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
