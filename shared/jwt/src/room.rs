//! How much of an access token is left for the names of roles and permissions (SECURITY rule 14).

use crate::{
    ACCESS_TOKEN_TYPE, AccessClaims, Algorithm,
    compact::{self, MAX_SIGNED_BYTES},
    encoding,
    signing_key::KID_BYTES,
};

/// Fewest bytes that a configuration has to leave for names: enough for 20 roles with the longest names (1,320
/// bytes), `user` and `admin`, and 25 to 30 permissions of ordinary length.
pub const MIN_NAMES_ROOM: usize = 2_000;

/// Returns the bytes that `name` counts in a token: itself, its quotes and a comma. Its characters are those of roles
/// and permissions, none of which JSON escapes.
#[must_use]
pub const fn name_bytes(name: &str) -> usize {
    name.len() + 3
}

/// Returns how many bytes of names, counted by [`name_bytes`], every access token of this issuer, audience and
/// algorithm has room for, whatever the values of its other claims are: such a token has at most
/// [`MAX_SIGNED_BYTES`]. The last name of each of the two lists has no comma, so that up to two bytes more may fit.
#[must_use]
pub fn names_room(issuer: &str, audience: &str, algorithm: Algorithm) -> usize {
    let header = compact::encode_header(algorithm, ACCESS_TOKEN_TYPE, &"k".repeat(KID_BYTES));
    let claims = serde_json::to_vec(&AccessClaims::largest(issuer, audience));
    let (Ok(header), Ok(claims)) = (header, claims) else {
        // Neither has anything that JSON cannot say.
        return 0;
    };
    let signature = encoding::encoded_bytes(algorithm.signature_bytes());
    let around = header.len() + signature + ".".len() * 2;
    let payload = encoding::decodable_bytes(MAX_SIGNED_BYTES.saturating_sub(around));
    payload.saturating_sub(claims.len())
}
