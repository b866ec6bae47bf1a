//! Session's own tags on places in the list of revocations (SECURITY rule 19). A verifier gets them with the places and
//! returns them; it cannot make one. So nobody talks session into the belief that its store has gone back.

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_config::KeyRing;
use ud_kernel::models::{FeedKnown, FeedPosition};

use super::seen::Seen;

/// Separates these tags from any other use of HMAC.
const DOMAIN: &[u8] = b"user-domain feed position\0";

/// The ring that all replicas of session share: its first key tags, all verify. Clones share it.
#[derive(Debug, Clone)]
pub struct FeedTags(KeyRing);

impl FeedTags {
    /// Under these keys.
    #[must_use]
    pub const fn new(ring: KeyRing) -> Self {
        Self(ring)
    }

    /// The tag of a place: the id of the key, `.`, and HMAC-SHA-256 (RFC 2104) in base64url without padding.
    #[must_use]
    pub fn of(&self, incarnation: &str, position: FeedPosition) -> String {
        let (id, key) = self.0.current();
        let tag = tag(key, incarnation, position);
        format!("{id}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// What a verifier claims to have seen, if it has session's tag on it; in constant time.
    #[must_use]
    pub fn believe(&self, claim: FeedKnown) -> Option<Seen> {
        let (id, encoded) = claim.tag.as_deref()?.split_once('.')?;
        let key = self.0.get(id)?;
        let given = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let right = tag(key, &claim.incarnation, claim.position);
        constant_time::verify_slices_are_equal(right.as_ref(), &given).ok()?;
        Some(Seen {
            incarnation: claim.incarnation,
            position: claim.position,
        })
    }
}

fn tag(key: &[u8; 32], incarnation: &str, position: FeedPosition) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    // A position has no NUL: the last one is where it begins.
    let place = format!("{incarnation}\0{position}");
    hmac::sign(&key, &[DOMAIN, place.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[&str]) -> KeyRing {
        let key = |id: &&str| {
            let mut key = *b"7Hq2pLz9Xv4RkT1mWc8BnYs5GdJf3QaE";
            key.iter_mut()
                .zip(id.bytes())
                .for_each(|(k, b)| *k ^= b & 15);
            ((*id).to_owned(), key)
        };
        KeyRing::new(ids.iter().map(key)).unwrap()
    }

    fn claim(incarnation: &str, position: FeedPosition, tag: Option<String>) -> FeedKnown {
        FeedKnown {
            incarnation: incarnation.to_owned(),
            position,
            tag,
        }
    }

    #[test]
    fn only_what_was_tagged_is_believed() {
        let tags = FeedTags::new(ring(&["a", "b"]));
        let here = FeedPosition(1_700, 5);
        let tag = tags.of("i-1", here);
        let seen = tags.believe(claim("i-1", here, Some(tag.clone()))).unwrap();
        assert_eq!((seen.incarnation.as_str(), seen.position), ("i-1", here));
        let (id, encoded) = tag.split_once('.').unwrap();
        let forged = [
            claim("i-1", here, None),
            claim("i-1", FeedPosition(u64::MAX, u64::MAX), Some(tag.clone())),
            claim("i-1", FeedPosition(1_700, 6), Some(tag.clone())),
            claim("i-2", here, Some(tag.clone())),
            claim("i-1\x001", here, Some(tag.clone())),
            claim("i-1", here, Some(tag[..tag.len() - 1].to_owned())),
            claim("i-1", here, Some(tag[..tag.len() - 22].to_owned())),
            claim("i-1", here, Some(format!("{id}."))),
            claim("i-1", here, Some(format!("b.{encoded}"))),
            claim("i-1", here, Some(format!("c.{encoded}"))),
            claim("i-1", here, Some(encoded.to_owned())),
            claim("i-1", here, Some(format!("{tag}="))),
            claim("i-1", here, Some(String::new())),
        ];
        for forged in forged {
            assert_eq!(tags.believe(forged.clone()), None, "{forged:?}");
        }
    }

    #[test]
    fn tags_outlive_a_change_of_the_first_key_and_end_with_their_own() {
        let here = FeedPosition(1, 0);
        let tag = FeedTags::new(ring(&["old"])).of("i", here);
        let believes = |ids: &[&str]| {
            let claim = claim("i", here, Some(tag.clone()));
            FeedTags::new(ring(ids)).believe(claim).is_some()
        };
        assert!(believes(&["new", "old"]));
        assert!(!believes(&["new"]));
        assert_ne!(FeedTags::new(ring(&["new", "old"])).of("i", here), tag);
    }
}
