//! Opaque page cursors. A cursor holds a position only; rights and filters come from the request.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// Longest cursor text that is looked at.
const MAX_LEN: usize = 512;

/// The text is not a cursor this service handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct CursorError;

/// A position `P` in a list, for instance `(Timestamp, UserId)`, as text that clients only hand back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<P>(pub P);

impl<P: Serialize + DeserializeOwned> Cursor<P> {
    /// The text a client gets as `next_cursor`.
    #[must_use]
    pub fn encode(&self) -> String {
        // A position is made of ids, times and numbers: writing it cannot fail.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&self.0).unwrap_or_default())
    }

    /// Reads what [`Cursor::encode`] wrote.
    ///
    /// # Errors
    /// [`CursorError`] for anything else.
    pub fn decode(text: &str) -> Result<Self, CursorError> {
        if text.len() > MAX_LEN {
            return Err(CursorError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|_| CursorError)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(n: i64, s in ".{0,40}") {
            let cursor = Cursor((n, s));
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }
    }

    #[test]
    fn rubbish_is_refused() {
        for text in ["", "x", "AAAA", "e30", &"A".repeat(MAX_LEN + 1)] {
            assert_eq!(
                Cursor::<(i64, i64)>::decode(text),
                Err(CursorError),
                "{text}"
            );
        }
    }
}
