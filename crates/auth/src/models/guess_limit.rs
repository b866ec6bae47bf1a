//! How often a password may be guessed (SECURITY rule 11): so many failures in so long a time, counted per
//! account and per address, in the database, so that replicas count together.
//!
//! Accounts are counted under an HMAC of the identifier that was tried, whether it exists or not: known and
//! unknown ones behave the same, and the table tells nobody's name. Only failures are counted. The limit is
//! looked at before the password is hashed, and once more after a right one: of guesses sent all at once only
//! as many are of use as the limit and the hash pool's threads allow.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_config::Limit;
use ud_db::{DbConn, StoreError};
use ud_kernel::Timestamp;
use ud_seal::{SealError, Sealer};

use super::{error::AuthError, identifier::Identifier, login_failure_store};

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

    /// Lets a guess go on unless its account or its address has had too many failures.
    ///
    /// # Errors
    /// [`AuthError::TooManyAttempts`].
    pub fn check(&self, conn: &mut DbConn, guess: &Guess, now: Timestamp) -> Result<(), AuthError> {
        let since = now.minus(self.limit.per);
        let mut wait = None;
        for name in [&guess.account, &guess.address] {
            let oldest = login_failure_store::nth_newest(conn, name, since, self.limit.count)?;
            wait = wait.max(oldest.map(|at| at.plus(self.limit.per).since(now)));
        }
        match wait {
            None => Ok(()),
            Some(wait) => {
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                Err(AuthError::TooManyAttempts(seconds))
            }
        }
    }

    /// Counts a failed guess.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count(
        &self,
        conn: &mut DbConn,
        guess: &Guess,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        login_failure_store::insert(conn, &guess.account, now)?;
        login_failure_store::insert(conn, &guess.address, now)
    }

    /// Forgets the failures of the account of `identifier`, from whatever address.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_account(&self, conn: &mut DbConn, identifier: &str) -> Result<(), StoreError> {
        login_failure_store::forget(conn, &self.guess(identifier, "").account)
    }

    /// Failures before this count no more.
    #[must_use]
    pub fn horizon(&self, now: Timestamp) -> Timestamp {
        now.minus(self.limit.per)
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
    use std::time::Duration;

    use ud_kernel::Service;

    use super::*;
    use crate::models::test_rings::ring;

    #[test]
    fn spellings_of_one_account_are_counted_together_and_kinds_apart() {
        let sealer = Sealer::new(Service::Auth, ring(&["a"]));
        let limit = Limit {
            count: 10,
            per: Duration::from_secs(900),
        };
        let limit = GuessLimit::new(&sealer, limit).unwrap();
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
}
