//! Tokens that carry their own members and a tag: the form that refresh tokens and device tokens share.
//!
//! A prefix and base64url, without padding, of: 1 byte version; 1 + n bytes length and id of the key that made the tag;
//! the members; 32 bytes HMAC-SHA-256 over everything before it, domain-separated. The same members under the same key are
//! the same bytes.

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_config::KeyRing;

const VERSION: u8 = 1;
const TAG_LEN: usize = 32;
/// Longest key id that fits a token, in bytes.
const MAX_ID_LEN: u8 = 16;
/// Longest text that is looked at: both kinds of token with the longest key id have 146 characters.
pub const MAX_LEN: usize = 146;

/// What tells one kind of token from another.
#[derive(Debug, Clone, Copy)]
pub struct TokenKind {
    /// Begins the text.
    pub prefix: &'static str,
    /// Separates the tags from any other use of HMAC.
    pub domain: &'static [u8],
}

impl TokenKind {
    /// Returns the text of a token with `members`, tagged with the key `key_id` of `ring`; none if the ring has no such
    /// key, or one whose id has more than 16 bytes.
    #[must_use]
    pub fn encode(self, ring: &KeyRing, key_id: &str, members: &[u8]) -> Option<String> {
        let key = ring.get(key_id)?;
        let id_len = u8::try_from(key_id.len())
            .ok()
            .filter(|n| *n <= MAX_ID_LEN)?;
        let mut bytes = Vec::with_capacity(160);
        bytes.extend_from_slice(&[VERSION, id_len]);
        bytes.extend_from_slice(key_id.as_bytes());
        bytes.extend_from_slice(members);
        let tag = self.tag(key, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        Some(format!("{}{}", self.prefix, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Returns the members of a token after its tag was checked, in constant time; none for a wrong form, version, key id
    /// or tag alike.
    #[must_use]
    pub fn decode(self, ring: &KeyRing, text: &str) -> Option<Vec<u8>> {
        if text.len() > MAX_LEN {
            return None;
        }
        let encoded = text.strip_prefix(self.prefix)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (body, tag) = bytes.split_last_chunk::<TAG_LEN>()?;
        let (&[version, id_len], rest) = body.split_first_chunk::<2>()?;
        if version != VERSION {
            return None;
        }
        let (id, members) = rest.split_at_checked(usize::from(id_len))?;
        let key = std::str::from_utf8(id).ok().and_then(|id| ring.get(id))?;
        constant_time::verify_slices_are_equal(self.tag(key, body).as_ref(), tag).ok()?;
        Some(members.to_vec())
    }

    fn tag(self, key: &[u8; 32], body: &[u8]) -> hmac::Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, &[self.domain, body].concat())
    }
}
