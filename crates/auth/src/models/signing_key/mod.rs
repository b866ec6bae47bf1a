//! A stored signing key, and the life cycle of all of them together: published, active, retired, gone. The state
//! follows from the rows and the time alone: nothing has to be written, or told, at the moment a key begins to sign.

pub mod loaded;
pub mod rotation;
pub mod store;

use std::time::Duration;

use diesel::prelude::*;
use ud_config::SigningConfig;
use ud_kernel::Timestamp;

use super::schema::signing_keys;

/// A new key is in the JWK set for this long before it signs. Whoever caches the set for its `max-age` of 5 minutes
/// has it by then (SECURITY rule 16).
pub const PUBLISH_AHEAD: Duration = Duration::from_secs(600);
/// A retired key verifies for this long: the longest life of a token, and a margin for clocks and for replicas that
/// hear late of its successor.
pub const VERIFIES_FOR: Duration =
    SigningConfig::MAX_ACCESS_TTL.saturating_add(Duration::from_secs(300));
/// A revoked key is listed for this long. Longer than any key older than it verifies.
pub const REVOKED_LISTED_FOR: Duration = Duration::from_secs(30 * 86_400);
/// So many keys may be alive before one more is made in advance; a verifier takes at most 16.
const MAX_LIVING: usize = 12;

/// A signing key as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
pub struct StoredSigningKey {
    /// Key id.
    pub kid: String,
    /// Name of its algorithm.
    pub algorithm: String,
    /// PKCS#8, sealed. Empty once it is revoked.
    pub sealed_key: String,
    /// Each key has a higher one than those before it.
    pub generation: i64,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub activates_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Where in its life a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// In the JWK set; will sign.
    Published,
    /// Signs.
    Active,
    /// Signs no more; verifies until the last token it signed has ended.
    Retired,
    /// Its tokens are refused.
    Revoked,
}

/// All stored keys, by generation, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct KeyCycle<'a> {
    keys: &'a [StoredSigningKey],
    now: Timestamp,
}

impl<'a> KeyCycle<'a> {
    /// Of all stored keys in the order of their generations.
    #[must_use]
    pub const fn new(keys: &'a [StoredSigningKey], now: Timestamp) -> Self {
        Self { keys, now }
    }

    /// Those that sign or will sign, or may have to because a clock differs: never one older than a key that signed
    /// and was revoked.
    pub fn signers(self) -> impl Iterator<Item = &'a StoredSigningKey> {
        let signed_and_revoked = |key: &&StoredSigningKey| {
            key.revoked_at
                .is_some_and(|revoked| key.activates_at <= revoked)
        };
        let floor = self.keys.iter().rfind(signed_and_revoked);
        let floor = floor.map_or(i64::MIN, |key| key.generation);
        self.keys
            .iter()
            .filter(move |key| key.revoked_at.is_none() && key.generation > floor)
    }

    /// The key that signs: of [`KeyCycle::signers`] the last whose time has come, or else the first.
    #[must_use]
    pub fn active(self) -> Option<&'a StoredSigningKey> {
        let come = self.signers().filter(|key| key.activates_at <= self.now);
        come.last().or_else(|| self.signers().next())
    }

    /// The last one made of those that sign or will.
    #[must_use]
    pub fn newest(self) -> Option<&'a StoredSigningKey> {
        self.signers().last()
    }

    /// What verifies: published, active and retired keys.
    pub fn living(self) -> impl Iterator<Item = &'a StoredSigningKey> {
        self.keys
            .iter()
            .filter(move |key| key.revoked_at.is_none() && !self.is_gone(key))
    }

    /// The generation of the next key.
    #[must_use]
    pub fn next_generation(self) -> i64 {
        self.keys.last().map_or(1, |key| key.generation + 1)
    }

    /// Whether there are so many that no further one is made in advance.
    #[must_use]
    pub fn is_full(self) -> bool {
        self.living().count() >= MAX_LIVING
    }

    /// Where `key` is in its life.
    #[must_use]
    pub fn state(self, key: &StoredSigningKey) -> KeyState {
        let active = self.active().map_or(i64::MAX, |active| active.generation);
        match key.generation.cmp(&active) {
            _ if key.revoked_at.is_some() => KeyState::Revoked,
            std::cmp::Ordering::Less => KeyState::Retired,
            std::cmp::Ordering::Equal => KeyState::Active,
            std::cmp::Ordering::Greater => KeyState::Published,
        }
    }

    /// When a retired key stopped signing: when the next one that ever signed began to.
    #[must_use]
    pub fn retired_at(self, key: &StoredSigningKey) -> Option<Timestamp> {
        (self.state(key) == KeyState::Retired).then(|| {
            let later = self.keys.iter().filter(|k| k.generation > key.generation);
            let signed = later.filter(|k| k.activates_at <= k.revoked_at.unwrap_or(self.now));
            // Without one a clock differs: it has just retired.
            signed.map(|k| k.activates_at).min().unwrap_or(self.now)
        })
    }

    /// Whether nothing of `key` is needed any more.
    #[must_use]
    pub fn is_gone(self, key: &StoredSigningKey) -> bool {
        let since = |at: Timestamp, kept: Duration| self.now >= at.plus(kept);
        match key.revoked_at {
            Some(revoked_at) => since(revoked_at, REVOKED_LISTED_FOR),
            None => self
                .retired_at(key)
                .is_some_and(|at| since(at, VERIFIES_FOR)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 10_000_000;

    fn key(generation: i64, activates_at: i64, revoked_at: Option<i64>) -> StoredSigningKey {
        StoredSigningKey {
            kid: format!("key-{generation}"),
            algorithm: "EdDSA".to_owned(),
            sealed_key: String::new(),
            generation,
            created_at: Timestamp::from_secs(0),
            activates_at: Timestamp::from_secs(activates_at),
            revoked_at: revoked_at.map(Timestamp::from_secs),
        }
    }

    fn states(keys: &[StoredSigningKey], now: i64) -> Vec<KeyState> {
        let cycle = KeyCycle::new(keys, Timestamp::from_secs(now));
        keys.iter().map(|key| cycle.state(key)).collect()
    }

    #[test]
    fn a_key_goes_through_its_life_by_time_alone() {
        use KeyState::{Active, Published, Retired};
        let keys = [key(1, 0, None), key(2, NOW, None)];
        assert_eq!(states(&keys, NOW - 1), [Active, Published]);
        assert_eq!(states(&keys, NOW), [Retired, Active]);
        let at = |secs: u64| Timestamp::from_secs(NOW).plus(Duration::from_secs(secs));
        let until = VERIFIES_FOR.as_secs();
        for (now, living) in [(at(0), 2), (at(until - 1), 2), (at(until), 1)] {
            assert_eq!(KeyCycle::new(&keys, now).living().count(), living, "{now}");
        }
        assert!(VERIFIES_FOR > Duration::from_secs(3600));
    }

    #[test]
    fn no_older_key_signs_again_after_a_revocation_even_if_the_clock_lags() {
        let keys = [
            key(1, 0, None),
            key(2, NOW - 100, Some(NOW)),
            key(3, NOW + 5, None),
            key(4, NOW + 600, None),
        ];
        let active = |now| {
            let cycle = KeyCycle::new(&keys, Timestamp::from_secs(now));
            cycle.active().map(|key| key.generation)
        };
        assert_eq!((active(NOW - 50), active(NOW + 5)), (Some(3), Some(3)));
        assert_eq!(active(NOW + 600), Some(4));
        // One that never signed takes nothing along.
        let keys = [key(1, 0, None), key(2, NOW + 600, Some(NOW))];
        assert_eq!(states(&keys, NOW), [KeyState::Active, KeyState::Revoked]);
    }

    proptest! {
        /// Whatever was rotated and revoked: at most one key signs, it is neither revoked nor gone, and it is the
        /// only one of its kind for all who look at the same moment.
        #[test]
        fn one_living_key_signs(
            steps in prop::collection::vec((0_i64..2_000, any::<bool>(), prop::option::of(0_i64..2_000)), 1..8),
            now in 0_i64..20_000,
        ) {
            let mut at = 0;
            let keys: Vec<StoredSigningKey> = (1..).zip(&steps).map(|(generation, (pause, ahead, revoked))| {
                at += pause;
                let activates_at = if *ahead { at + 600 } else { at };
                key(generation, activates_at, revoked.map(|after| at + after))
            }).collect();
            let cycle = KeyCycle::new(&keys, Timestamp::from_secs(now));
            let active: Vec<_> = keys.iter().filter(|k| cycle.state(k) == KeyState::Active).collect();
            prop_assert!(active.len() <= 1);
            prop_assert_eq!(active.len() == 1, cycle.signers().next().is_some());
            for key in active {
                prop_assert!(key.revoked_at.is_none() && !cycle.is_gone(key));
                prop_assert!(cycle.living().any(|k| k.kid == key.kid));
            }
            prop_assert!(cycle.living().all(|k| k.revoked_at.is_none()));
        }
    }
}
