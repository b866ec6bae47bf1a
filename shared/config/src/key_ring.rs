//! Keys of which the first is in use and the others still open what they closed.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretBox, zeroize::Zeroizing};

use crate::placeholder;

/// 32-byte keys with ids, at least one. Text form: `id:base64url,id:base64url`, without padding; an id is
/// `^[a-z0-9-]{1,16}$` and unique.
#[derive(Clone)]
pub struct KeyRing {
    current: Entry,
    older: Vec<Entry>,
}

/// Id and key; shared, because the key is not to be copied.
type Entry = Arc<(String, SecretBox<[u8; 32]>)>;

/// Why a text is not a [`KeyRing`]. Names ids at most, never a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// An entry without colon, or no entry.
    #[error("is not `id:key`, separated by commas")]
    Form,
    /// The entry of that number (from 1) has an id of other characters or length.
    #[error("key {0} has no id of 1 to 16 characters a-z, 0-9, -")]
    Id(usize),
    /// The id occurs twice.
    #[error("has the id {0} twice")]
    Twice(String),
    /// Not 32 bytes in base64url.
    #[error("key {0} is not 32 bytes in base64url without padding")]
    Key(String),
    /// A key that nobody drew at random.
    #[error("key {0} is a placeholder; `openssl rand 32 | basenc --base64url | tr -d =` makes one")]
    Placeholder(String),
}

impl KeyRing {
    /// From ids and keys, the current one first; for keys that were just drawn or read from a file.
    ///
    /// # Errors
    /// As for the text form.
    pub fn new(keys: impl IntoIterator<Item = (String, [u8; 32])>) -> Result<Self, KeyRingError> {
        let mut ring: Option<Self> = None;
        for (index, (id, key)) in keys.into_iter().enumerate() {
            let key = Zeroizing::new(key);
            let is_id_char = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if !(1..=16).contains(&id.len()) || !id.bytes().all(is_id_char) {
                return Err(KeyRingError::Id(index + 1));
            }
            if ring.as_ref().is_some_and(|ring| ring.get(&id).is_some()) {
                return Err(KeyRingError::Twice(id));
            }
            if placeholder::is_weak_key(&key) {
                return Err(KeyRingError::Placeholder(id));
            }
            let entry = Arc::new((id, SecretBox::new(Box::new(*key))));
            match &mut ring {
                None => {
                    ring = Some(Self {
                        current: entry,
                        older: Vec::new(),
                    });
                }
                Some(ring) => ring.older.push(entry),
            }
        }
        ring.ok_or(KeyRingError::Form)
    }

    /// The key that seals and signs, with its id.
    #[must_use]
    pub fn current(&self) -> (&str, &[u8; 32]) {
        (&self.current.0, self.current.1.expose_secret())
    }

    /// The key of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&[u8; 32]> {
        self.iter().find(|(other, _)| *other == id).map(|(_, k)| k)
    }

    /// Ids and keys, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8; 32])> {
        std::iter::once(&self.current)
            .chain(&self.older)
            .map(|entry| (entry.0.as_str(), entry.1.expose_secret()))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(id, _)| id))
            .finish()
    }
}

impl FromStr for KeyRing {
    type Err = KeyRingError;

    fn from_str(text: &str) -> Result<Self, KeyRingError> {
        let mut keys = Zeroizing::new(Vec::new());
        for (index, entry) in text.split(',').enumerate() {
            let (id, key) = entry.trim().split_once(':').ok_or(KeyRingError::Form)?;
            let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(key).unwrap_or_default());
            let Ok(key) = <[u8; 32]>::try_from(decoded.as_slice()) else {
                // What stands before the colon may be a key in the wrong place: told by number.
                return Err(KeyRingError::Key((index + 1).to_string()));
            };
            keys.push((id.to_owned(), key));
        }
        Self::new(keys.iter().cloned())
    }
}
