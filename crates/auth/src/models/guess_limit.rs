//! How often a password may be guessed (SECURITY rule 11), counted per account and per address, in the database, so
//! that replicas count together.
//!
//! Accounts are counted under an HMAC of the identifier that was tried, whether it exists or not: known and unknown
//! ones behave the same, and the table tells nobody's name. A guess is counted before its password is hashed, and
//! taken back if it was right or was never looked at: of guesses sent all at once no more are hashed than of guesses
//! sent one by one. Beyond the free ones each has to wait, at first 1 s after the one before, then 2, 4, ... 900 s;
//! a guess that comes too early is not counted. Nobody is locked out for good.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_config::Limit;
use ud_db::{DbConn, StoreError};
use ud_kernel::{Timestamp, UserId};
use ud_seal::{SealError, Sealer};

use super::{
    error::AuthError,
    guess_count_store::{self, GuessCount},
    identifier::Identifier,
    identifier_store,
};

/// No guess waits longer.
const LONGEST_WAIT: Duration = Duration::from_secs(900);

/// The limit, and the key under which identifiers and addresses are counted.
#[derive(Clone)]
pub struct GuessLimit {
    key: hmac::Key,
    limit: Limit,
}

/// One attempt's two names in the count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    account: String,
    address: String,
}

impl Guess {
    /// What the account is counted under; tells it apart in the audit log without naming it.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Both, in one order for everybody, so that no two transactions wait for each other.
    fn names(&self) -> [&str; 2] {
        let mut names = [self.account.as_str(), self.address.as_str()];
        names.sort_unstable();
        names
    }
}

/// A guess that was counted.
#[derive(Debug, Clone)]
#[must_use = "a guess that was right, or never looked at, is taken back"]
pub struct Charge {
    guess: Guess,
    /// In the order of [`Guess::names`].
    charged: [Charged; 2],
}

impl Charge {
    fn rows(&self) -> impl Iterator<Item = (&str, Charged)> {
        self.guess.names().into_iter().zip(self.charged)
    }
}

/// What counting changed under one name.
#[derive(Debug, Clone, Copy)]
struct Charged {
    before: GuessCount,
    after: GuessCount,
}

impl GuessLimit {
    /// With a key derived from the first of `KEY_ENCRYPTION_KEYS`; when that changes, counting starts anew.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn new(sealer: &Sealer, limit: Limit) -> Result<Self, SealError> {
        let key = sealer.derive_hmac_key("count login failures")?;
        Ok(Self { key, limit })
    }

    /// An attempt to log in as `identifier` from `address` (an address, or the /64 of one).
    #[must_use]
    pub fn guess(&self, identifier: &str, address: &str) -> Guess {
        let account = match Identifier::parse(identifier) {
            Ok(identifier) => self.name(identifier.kind().as_str(), identifier.canonical()),
            Err(_) => self.name("other", identifier),
        };
        let address = self.name("address", address);
        Guess { account, address }
    }

    /// Seconds a guess has to wait, without counting it; none if it may be made. Spares a transaction where the
    /// answer is clear: [`GuessLimit::charge`] decides.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wait(
        &self,
        conn: &mut DbConn,
        guess: &Guess,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let mut wait = None;
        for name in guess.names() {
            let count = guess_count_store::find(conn, name)?;
            wait = wait.max(count.and_then(|count| self.wait_of(count, now)));
        }
        Ok(wait)
    }

    /// Counts a guess that is about to be made, in a transaction of its own.
    ///
    /// # Errors
    /// [`AuthError::TooManyAttempts`] if it has to wait; then the transaction is to be rolled back.
    pub fn charge(
        &self,
        conn: &mut DbConn,
        guess: &Guess,
        now: Timestamp,
    ) -> Result<Charge, AuthError> {
        let [first, second] = guess.names();
        let charged = [
            self.charge_one(conn, first, now)?,
            self.charge_one(conn, second, now)?,
        ];
        Ok(Charge {
            guess: guess.clone(),
            charged,
        })
    }

    fn charge_one(
        &self,
        conn: &mut DbConn,
        name: &str,
        now: Timestamp,
    ) -> Result<Charged, AuthError> {
        let stored = guess_count_store::add(conn, name, now)?;
        let none = GuessCount {
            failures: 0,
            counted_at: now,
        };
        let before = stored
            .filter(|count| !self.is_forgotten(*count, now))
            .unwrap_or(none);
        if let Some(wait) = self.wait_of(before, now) {
            return Err(AuthError::TooManyAttempts(wait));
        }
        let after = GuessCount {
            failures: before.failures + 1,
            // Replicas' clocks differ; the count never goes back.
            counted_at: before.counted_at.max(now),
        };
        if stored.is_some() {
            guess_count_store::set(conn, name, after)?;
        }
        Ok(Charged { before, after })
    }

    /// The password was right: nothing is held against the account any more. Other guesses from the address stay:
    /// who knows one password does not guess others for free.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle(&self, conn: &mut DbConn, charge: &Charge) -> Result<(), StoreError> {
        for (name, charged) in charge.rows() {
            if name == charge.guess.account {
                guess_count_store::forget(conn, name)?;
            } else {
                guess_count_store::take_back(conn, name, charged.before, charged.after)?;
            }
        }
        Ok(())
    }

    /// The password was not looked at: it was no guess.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_back(&self, conn: &mut DbConn, charge: &Charge) -> Result<(), StoreError> {
        for (name, charged) in charge.rows() {
            guess_count_store::take_back(conn, name, charged.before, charged.after)?;
        }
        Ok(())
    }

    /// Forgets the guesses at the account of a user, by whichever identifier and from whatever address.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_user(&self, conn: &mut DbConn, user_id: UserId) -> Result<(), StoreError> {
        let identifiers = identifier_store::of_user(conn, user_id)?;
        for identifier in [identifiers.email_canonical, identifiers.username]
            .into_iter()
            .flatten()
        {
            guess_count_store::forget(conn, &self.guess(&identifier, "").account)?;
        }
        Ok(())
    }

    /// What was counted last before this counts no more.
    #[must_use]
    pub fn horizon(&self, now: Timestamp) -> Timestamp {
        now.minus(self.limit.per)
    }

    fn is_forgotten(&self, count: GuessCount, now: Timestamp) -> bool {
        count.counted_at.plus(self.limit.per) <= now
    }

    /// Seconds until another guess is let through.
    fn wait_of(&self, count: GuessCount, now: Timestamp) -> Option<u32> {
        let over = count.failures - i64::from(self.limit.count);
        if over < 0 {
            return None;
        }
        let over = u32::try_from(over).unwrap_or(u32::MAX);
        let pause = 1_u64
            .checked_shl(over)
            .map_or(LONGEST_WAIT, Duration::from_secs)
            .min(LONGEST_WAIT)
            .min(self.limit.per);
        let until = count.counted_at.plus(pause);
        if until <= now {
            return None;
        }
        // A clock behind that of the replica that counted does not tell of longer waits than there are.
        let seconds = until.since(now).min(pause).as_millis().div_ceil(1000);
        u32::try_from(seconds).ok()
    }

    fn name(&self, kind: &str, text: &str) -> String {
        let tag = hmac::sign(&self.key, format!("{kind}\0{text}").as_bytes());
        URL_SAFE_NO_PAD.encode(tag)
    }
}

impl std::fmt::Debug for GuessLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("GuessLimit").field(&self.limit).finish()
    }
}

#[cfg(test)]
mod tests {
    use ud_kernel::Service;

    use super::*;
    use crate::models::test_rings::ring;

    fn limit(count: u32, seconds: u64) -> GuessLimit {
        let sealer = Sealer::new(Service::Auth, ring(&["a"]));
        let limit = Limit {
            count,
            per: Duration::from_secs(seconds),
        };
        GuessLimit::new(&sealer, limit).unwrap()
    }

    #[test]
    fn spellings_of_one_account_are_counted_together_and_kinds_apart() {
        let limit = limit(5, 900);
        let account = |identifier| limit.guess(identifier, "192.0.2.1").account;
        assert_eq!(account("Ada@Example.com"), account("ada@example.com"));
        assert_eq!(account("ADA"), account("ada"));
        assert_ne!(account("ada"), account("ada@example.com"));
        assert_ne!(
            account("a"),
            account("b"),
            "not even identifiers, and still two"
        );
        let guess = limit.guess("ada", "ada");
        assert_ne!(guess.account, guess.address);
        assert!(!format!("{guess:?}").contains("ada"));
    }

    #[test]
    fn waits_double_from_one_second_to_the_longest() {
        let at = Timestamp::from_secs;
        let wait = |limit: &GuessLimit, failures, now| {
            let counted_at = at(1000);
            limit.wait_of(
                GuessCount {
                    failures,
                    counted_at,
                },
                now,
            )
        };
        let quarter = limit(5, 900);
        let waits: Vec<_> = (4..17).map(|n| wait(&quarter, n, at(1000))).collect();
        let told = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900].map(Some);
        assert_eq!(waits[0], None);
        assert_eq!(waits[1..], told);
        assert_eq!(wait(&quarter, i64::MAX, at(1000)), Some(900));
        assert_eq!(wait(&quarter, 80, at(1000)), Some(900));
        assert_eq!(wait(&quarter, 7, at(1003)), Some(1));
        assert_eq!(wait(&quarter, 7, at(1004)), None);
        assert_eq!(
            wait(&quarter, 7, Timestamp::from_millis(1_003_999)),
            Some(1)
        );
        // By a clock that is behind.
        assert_eq!(wait(&quarter, 7, at(700)), Some(4));
        assert_eq!(
            wait(&limit(5, 60), 80, at(1000)),
            Some(60),
            "never longer than it counts"
        );
    }
}
