//! What networks are called in `account_places`: an HMAC over user and network under a ring used for nothing else.

pub mod store;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_kernel::{Source, UserId};
use ud_seal::{SealError, Sealer};

/// Makes the names of networks.
#[derive(Clone)]
pub struct Places {
    /// The first makes names that are stored; names of all are looked up.
    keys: Vec<hmac::Key>,
}

/// The names of one source for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceNames {
    /// Of the source itself, under every key of the ring, the current one first.
    pub exact: Vec<String>,
    current: [String; 2],
}

impl PlaceNames {
    /// Returns the names that are stored: of the source itself and of its wide network.
    #[must_use]
    pub fn current(&self) -> [&str; 2] {
        let [exact, wide] = &self.current;
        [exact, wide]
    }
}

impl Places {
    /// Derives a key from each of `AUTH_KEY_ENCRYPTION_KEYS`, so that a new first key makes no known source unknown.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn new(sealer: &Sealer) -> Result<Self, SealError> {
        let ring = sealer.derive_ring("name networks of logins")?;
        let key = |(_, key): (&str, &[u8; 32])| hmac::Key::new(hmac::HMAC_SHA256, key);
        Ok(Self {
            keys: ring.iter().map(key).collect(),
        })
    }

    /// Returns the names of `source` for `user_id`.
    #[must_use]
    pub fn names(&self, user_id: UserId, source: Source) -> PlaceNames {
        let name = |key: &hmac::Key, kind: &str, network: String| {
            let tag = hmac::sign(key, format!("{kind}\0{user_id}\0{network}").as_bytes());
            URL_SAFE_NO_PAD.encode(tag)
        };
        let exact = |key| name(key, "exact", source.exact().to_string());
        let wide = |key| name(key, "wide", source.wide().to_string());
        PlaceNames {
            exact: self.keys.iter().map(exact).collect(),
            current: [
                self.keys.first().map(exact).unwrap_or_default(),
                self.keys.first().map(wide).unwrap_or_default(),
            ],
        }
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Places").field(&self.keys.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use ud_kernel::Service;
    use uuid::Uuid;

    use super::*;
    use crate::models::test_rings::ring;

    fn names(ids: &[&str], user: u128, address: &str) -> PlaceNames {
        let sealer = Sealer::new(Service::Auth, ring(ids));
        let source = Source::of(address.parse().unwrap());
        let user = UserId::from_uuid(Uuid::from_u128(user));
        Places::new(&sealer).unwrap().names(user, source)
    }

    #[test]
    fn names_tell_neither_network_nor_that_two_users_share_one() {
        let one = names(&["a"], 1, "192.0.2.7");
        assert_eq!(one, names(&["a"], 1, "192.0.2.7"));
        assert_ne!(one.current(), names(&["a"], 2, "192.0.2.7").current());
        let [exact, wide] = one.current();
        let neighbour = names(&["a"], 1, "192.0.2.8");
        assert_eq!(neighbour.current()[1], wide);
        assert_ne!(neighbour.current()[0], exact);
        assert_ne!(exact, wide);
        assert!(!format!("{one:?}").contains("192"));
        let other = names(&["a"], 1, "192.0.3.7");
        assert_ne!(other.current()[1], wide);
    }

    #[test]
    fn a_new_first_key_looks_names_of_the_older_up() {
        let old = names(&["old"], 1, "2001:db8::1");
        let both = names(&["new", "old"], 1, "2001:db8::2");
        assert!(both.exact.contains(&old.exact[0]));
        assert_ne!(both.current(), old.current());
        assert_eq!(both.exact[0], both.current()[0]);
    }
}
