//! base64url and SHA-256, in the forms needed here.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// base64url without padding (RFC 7515 section 2).
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the length of what [`encode`] makes of `bytes` bytes.
pub(crate) fn encoded_bytes(bytes: usize) -> usize {
    base64::encoded_len(bytes, false).unwrap_or(usize::MAX)
}

/// Returns the most bytes that [`encode`] makes at most `encoded` characters of: six bits a character.
pub(crate) const fn decodable_bytes(encoded: usize) -> usize {
    encoded.saturating_mul(3) / 4
}

/// The bytes, unless `text` is anything but canonical base64url: padding, foreign characters and set bits
/// beyond the last byte are refused, so that bytes have one spelling.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// RFC 7638 thumbprint: base64url of SHA-256 over the canonical JSON of the required members.
pub(crate) fn thumbprint(canonical: &str) -> String {
    encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
}
