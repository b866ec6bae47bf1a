//! The code that `unlock` hands out: 8 characters of 32, 40 random bits.

use aws_lc_rs::{constant_time, hmac, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ud_kernel::UserId;
use ud_seal::{SealError, Sealer};
use zeroize::Zeroizing;

/// Without 0, 1, I and O, which look like others.
const ALPHABET: [char; 32] = [
    '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'L',
    'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z',
];
const LEN: usize = 8;

/// A code, in its one spelling.
#[derive(Clone, PartialEq, Eq)]
pub struct UnlockCode(Zeroizing<String>);

impl UnlockCode {
    /// Returns a new code.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut bytes = Zeroizing::new([0_u8; LEN]);
        rand::fill(bytes.as_mut_slice())?;
        // 256 is a multiple of 32: each character is as likely as any other.
        let letters = bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
        Ok(Self(Zeroizing::new(letters.collect())))
    }

    /// Reads a code as people type it: in either case, with spaces and hyphens. None for anything that is no code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let code: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .take(LEN + 1)
            .collect();
        let is_code = code.len() == LEN && code.chars().all(|c| ALPHABET.contains(&c));
        is_code.then(|| Self(Zeroizing::new(code)))
    }

    /// Returns the code, to be shown once.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for UnlockCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnlockCode(..)")
    }
}

/// The key under which codes are stored, which is used for nothing else.
#[derive(Clone)]
pub struct UnlockKey(hmac::Key);

impl UnlockKey {
    /// Derives it from the first of `AUTH_KEY_ENCRYPTION_KEYS`; when that changes, codes given out before are void.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn new(sealer: &Sealer) -> Result<Self, SealError> {
        sealer.derive_hmac_key("unlock codes").map(Self)
    }

    /// Returns what is stored of `code` for `user_id`.
    #[must_use]
    pub fn hash(&self, user_id: UserId, code: &UnlockCode) -> String {
        let text = Zeroizing::new(format!("unlock\0{user_id}\0{}", code.as_str()));
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, text.as_bytes()))
    }

    /// Returns whether `stored` is what is stored of `code` for `user_id`, in constant time.
    #[must_use]
    pub fn matches(&self, user_id: UserId, code: &UnlockCode, stored: &str) -> bool {
        let hash = self.hash(user_id, code);
        constant_time::verify_slices_are_equal(hash.as_bytes(), stored.as_bytes()).is_ok()
    }
}

impl std::fmt::Debug for UnlockKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnlockKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ud_kernel::Service;
    use uuid::Uuid;

    use super::*;
    use crate::models::test_rings::ring;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = UnlockCode::random().unwrap();
        let text = code.as_str();
        assert_eq!(text.len(), 8);
        let (left, right) = text.split_at(4);
        for typed in [
            text.to_lowercase(),
            format!(" {left}-{right} "),
            format!("{left} {right}\n"),
        ] {
            assert_eq!(UnlockCode::parse(&typed).as_ref(), Some(&code), "{typed:?}");
        }
        for wrong in [
            "",
            "2222222",
            "222222222",
            "2222222O",
            "2222222I",
            "2222222\u{130}",
        ] {
            assert_eq!(UnlockCode::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn codes_use_the_whole_alphabet() {
        let codes: Vec<_> = (0..200).map(|_| UnlockCode::random().unwrap()).collect();
        let letters: HashSet<char> = codes.iter().flat_map(|c| c.as_str().chars()).collect();
        assert_eq!(letters.len(), 32);
        let different: HashSet<&str> = codes.iter().map(UnlockCode::as_str).collect();
        assert_eq!(different.len(), 200);
    }

    #[test]
    fn what_is_stored_belongs_to_one_user_and_key() {
        let key = |id| UnlockKey::new(&Sealer::new(Service::Auth, ring(&[id]))).unwrap();
        let user = |n| UserId::from_uuid(Uuid::from_u128(n));
        let code = UnlockCode::parse("ABCDEFGH").unwrap();
        let stored = key("a").hash(user(1), &code);
        assert!(key("a").matches(user(1), &code, &stored));
        assert!(!key("a").matches(user(2), &code, &stored));
        assert!(!key("b").matches(user(1), &code, &stored));
        let other = UnlockCode::parse("ABCDEFGJ").unwrap();
        assert!(!key("a").matches(user(1), &other, &stored));
        assert!(!stored.contains("ABCD") && !format!("{code:?}").contains("ABCD"));
    }
}
