//! The device token: evidence that a login comes from a device that completed one before (SECURITY rule 11). It opens
//! nothing.
//!
//! `udd_` and a tagged token (`tagged_token.rs`) under a ring of auth's own, with the members: 16 bytes device id, 16 bytes
//! user id, 8 bytes counter (big-endian), 16 bytes nonce. The counter is 0 until tokens are rotated.

use ud_config::KeyRing;
use ud_kernel::{Id, IdKind, Timestamp, UserId};
use uuid::Uuid;

use crate::models::token::{refresh_token::Nonce, tagged_token::TokenKind};

const KIND: TokenKind = TokenKind {
    prefix: "udd_",
    domain: b"user-domain device token\0",
};

/// Marks the id of a device.
#[derive(Debug)]
pub enum Device {}

impl IdKind for Device {
    const NOUN: &'static str = "device";
}

/// A device that a user logged in from.
pub type DeviceId = Id<Device>;

/// The content of a device token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceToken {
    /// Which device.
    pub device_id: DeviceId,
    /// Whose.
    pub user_id: UserId,
    /// How many times the token was rotated.
    pub counter: i64,
    /// Binds the token to what is stored.
    pub nonce: Nonce,
}

impl DeviceToken {
    /// Returns the token of a new device of `user_id`.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(user_id: UserId, now: Timestamp) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(Self {
            device_id: DeviceId::new(now),
            user_id,
            counter: 0,
            nonce: Nonce::random()?,
        })
    }

    /// Returns the token's text, tagged with the first key of `ring`; none if that key's id has more than 16 bytes.
    #[must_use]
    pub fn encode(&self, ring: &KeyRing) -> Option<String> {
        let members = [
            self.device_id.as_uuid().as_bytes().as_slice(),
            self.user_id.as_uuid().as_bytes(),
            &self.counter.to_be_bytes(),
            &self.nonce.0,
        ]
        .concat();
        KIND.encode(ring, ring.current().0, &members)
    }

    /// Returns what the token in `text` says after its tag was checked, in constant time; none for any other text.
    #[must_use]
    pub fn decode(ring: &KeyRing, text: &str) -> Option<Self> {
        let members = KIND.decode(ring, text)?;
        let (device, rest) = members.split_first_chunk::<16>()?;
        let (user, rest) = rest.split_first_chunk::<16>()?;
        let (counter, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            device_id: DeviceId::from_uuid(Uuid::from_bytes(*device)),
            user_id: UserId::from_uuid(Uuid::from_bytes(*user)),
            counter: i64::from_be_bytes(*counter),
            nonce: Nonce(rest.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use ud_kernel::SessionId;

    use super::*;
    use crate::models::{test_rings::ring, token::refresh_token::RefreshToken};

    fn token() -> DeviceToken {
        DeviceToken::new(UserId::from_uuid(Uuid::max()), Timestamp::from_secs(1)).unwrap()
    }

    #[test]
    fn a_token_is_read_under_every_key_and_made_under_the_first() {
        let token = token();
        let (old, both) = (ring(&["old"]), ring(&["new", "old"]));
        let text = token.encode(&old).unwrap();
        assert!(text.starts_with("udd_"));
        assert_eq!(token.encode(&old).as_ref(), Some(&text));
        assert_eq!(DeviceToken::decode(&both, &text), Some(token));
        let renewed = token.encode(&both).unwrap();
        assert_eq!(DeviceToken::decode(&ring(&["new"]), &renewed), Some(token));
        assert_eq!(DeviceToken::decode(&ring(&["new"]), &text), None);
    }

    #[test]
    fn every_changed_bit_and_every_shorter_text_is_no_token() {
        let ring = ring(&["a"]);
        let text = token().encode(&ring).unwrap();
        for end in 0..text.len() {
            assert_eq!(DeviceToken::decode(&ring, &text[..end]), None);
        }
        let bytes = URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let forged = format!("udd_{}", URL_SAFE_NO_PAD.encode(forged));
            assert_eq!(DeviceToken::decode(&ring, &forged), None);
        }
    }

    #[test]
    fn a_refresh_token_is_no_device_token_even_under_the_same_key() {
        let ring = ring(&["a"]);
        let refresh = RefreshToken {
            user_id: UserId::from_uuid(Uuid::nil()),
            session_id: SessionId::from_uuid(Uuid::nil()),
            counter: 0,
            nonce: Nonce([1; 16]),
        };
        let text = refresh.encode(&ring, "a").unwrap();
        assert_eq!(DeviceToken::decode(&ring, &text), None);
        let renamed = text.replacen("udr_", "udd_", 1);
        assert_eq!(DeviceToken::decode(&ring, &renamed), None);
        let device = token().encode(&ring).unwrap().replacen("udd_", "udr_", 1);
        assert!(RefreshToken::decode(&ring, &device).is_err());
    }
}
