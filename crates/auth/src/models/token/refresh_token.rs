//! The refresh token: derived, not stored (docs/ARCHITECTURE.md, refresh).
//!
//! `udr_` and base64url, without padding, of
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 + n | length and id of the key of `REFRESH_TOKEN_KEYS` that made the tag |
//! | 16 | user id |
//! | 16 | session id |
//! | 8 | counter, big-endian |
//! | 16 | nonce of the session, made at login |
//! | 32 | HMAC-SHA-256 over everything before it, domain-separated |
//!
//! The same members under the same key are the same bytes, so that a rotation repeated inside the grace window
//! gives the same successor.

use aws_lc_rs::{digest, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_config::KeyRing;
use ud_kernel::{SessionId, UserId};
use uuid::Uuid;

use super::tagged_token::TokenKind;

const KIND: TokenKind = TokenKind {
    prefix: "udr_",
    domain: b"user-domain refresh token\0",
};

/// 16 random bytes that bind a refresh token to the session it was made for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub(in crate::models) [u8; 16]);

impl Nonce {
    /// A new one from the system's generator.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut bytes = [0_u8; 16];
        rand::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// What the session service keeps: SHA-256, base64url without padding.
    #[must_use]
    pub fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &self.0))
    }
}

impl std::fmt::Debug for Nonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonce(..)")
    }
}

/// What a refresh token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// Whose.
    pub user_id: UserId,
    /// Which session.
    pub session_id: SessionId,
    /// How many times the session was refreshed before this token was made.
    pub counter: i64,
    /// The session's nonce.
    pub nonce: Nonce,
}

/// The text is not a refresh token of this issuer. Why is not told: not even to ourselves, so that no
/// caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token of this issuer")]
pub struct RefreshTokenError;

impl RefreshToken {
    /// The token's text, tagged with the key `key_id` of `ring`; none if the ring has no such key, or one
    /// whose id has more than 16 bytes.
    #[must_use]
    pub fn encode(&self, ring: &KeyRing, key_id: &str) -> Option<String> {
        KIND.encode(ring, key_id, &self.members())
    }

    /// Reads a token and checks its tag, in constant time, before anything it says is looked at.
    ///
    /// # Errors
    /// [`RefreshTokenError`] for a wrong form, version, key id or tag alike.
    pub fn decode(ring: &KeyRing, text: &str) -> Result<Self, RefreshTokenError> {
        KIND.decode(ring, text)
            .and_then(|members| Self::from_members(&members))
            .ok_or(RefreshTokenError)
    }

    fn members(&self) -> Vec<u8> {
        [
            self.user_id.as_uuid().as_bytes().as_slice(),
            self.session_id.as_uuid().as_bytes(),
            &self.counter.to_be_bytes(),
            &self.nonce.0,
        ]
        .concat()
    }

    fn from_members(bytes: &[u8]) -> Option<Self> {
        let (user, rest) = bytes.split_first_chunk::<16>()?;
        let (session, rest) = rest.split_first_chunk::<16>()?;
        let (counter, rest) = rest.split_first_chunk::<8>()?;
        let nonce: [u8; 16] = rest.try_into().ok()?;
        Some(Self {
            user_id: UserId::from_uuid(Uuid::from_bytes(*user)),
            session_id: SessionId::from_uuid(Uuid::from_bytes(*session)),
            counter: i64::from_be_bytes(*counter),
            nonce: Nonce(nonce),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::{test_rings::ring, token::tagged_token::MAX_LEN};

    const PREFIX: &str = KIND.prefix;

    fn any_token() -> impl Strategy<Value = RefreshToken> {
        (
            any::<u128>(),
            any::<u128>(),
            any::<i64>(),
            any::<[u8; 16]>(),
        )
            .prop_map(|(user, session, counter, nonce)| RefreshToken {
                user_id: UserId::from_uuid(Uuid::from_u128(user)),
                session_id: SessionId::from_uuid(Uuid::from_u128(session)),
                counter,
                nonce: Nonce(nonce),
            })
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded_and_is_always_the_same_bytes(token in any_token()) {
            let ring = ring(&["new", "old"]);
            for key_id in ["new", "old"] {
                let text = token.encode(&ring, key_id).unwrap();
                prop_assert!(text.len() <= MAX_LEN);
                prop_assert_eq!(RefreshToken::decode(&ring, &text), Ok(token));
                prop_assert_eq!(token.encode(&ring, key_id).unwrap(), text);
            }
        }

        #[test]
        fn any_changed_bit_is_refused(token in any_token(), at: prop::sample::Index, bit in 0_u32..8) {
            let ring = ring(&["a", "b"]);
            let text = token.encode(&ring, "a").unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX).unwrap()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let forged = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert_eq!(RefreshToken::decode(&ring, &forged), Err(RefreshTokenError));
        }

        #[test]
        fn any_changed_character_is_refused(token in any_token(), at: prop::sample::Index, with in "[A-Za-z0-9_.=+/-]") {
            let ring = ring(&["a"]);
            let text = token.encode(&ring, "a").unwrap();
            let at = at.index(text.len());
            let forged = format!("{}{with}{}", &text[..at], &text[at + 1..]);
            prop_assume!(forged != text);
            prop_assert_eq!(RefreshToken::decode(&ring, &forged), Err(RefreshTokenError));
        }

        #[test]
        fn rubbish_is_refused(text in "(udr_)?.{0,160}") {
            prop_assert_eq!(RefreshToken::decode(&ring(&["a"]), &text), Err(RefreshTokenError));
        }
    }

    #[test]
    fn a_token_of_a_removed_key_is_refused_and_cannot_be_made() {
        let token = RefreshToken {
            user_id: UserId::from_uuid(Uuid::nil()),
            session_id: SessionId::from_uuid(Uuid::max()),
            counter: 3,
            nonce: Nonce([1; 16]),
        };
        let text = token.encode(&ring(&["old"]), "old").unwrap();
        assert!(RefreshToken::decode(&ring(&["new", "old"]), &text).is_ok());
        assert!(RefreshToken::decode(&ring(&["new"]), &text).is_err());
        assert!(token.encode(&ring(&["new"]), "old").is_none());
    }

    #[test]
    fn a_key_of_the_same_id_but_other_bytes_is_refused() {
        let token = RefreshToken {
            user_id: UserId::from_uuid(Uuid::nil()),
            session_id: SessionId::from_uuid(Uuid::max()),
            counter: 0,
            nonce: Nonce([1; 16]),
        };
        let other = KeyRing::new([("a".to_owned(), *ring(&["other"]).current().1)]).unwrap();
        let text = token.encode(&ring(&["a"]), "a").unwrap();
        assert!(RefreshToken::decode(&other, &text).is_err());
    }

    #[test]
    fn the_longest_key_id_fits() {
        let id = "k".repeat(16);
        let ring = ring(&[&id]);
        let token = RefreshToken {
            user_id: UserId::from_uuid(Uuid::nil()),
            session_id: SessionId::from_uuid(Uuid::nil()),
            counter: i64::MAX,
            nonce: Nonce::random().unwrap(),
        };
        let text = token.encode(&ring, &id).unwrap();
        assert_eq!(text.len(), MAX_LEN);
        assert_eq!(RefreshToken::decode(&ring, &text), Ok(token));
    }
}
