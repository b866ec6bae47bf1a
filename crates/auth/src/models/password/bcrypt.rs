//! bcrypt itself, for our own hashes and for foreign ones.

use base64::{
    alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};

/// bcrypt has its own alphabet.
pub(super) const BCRYPT_64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);
/// Characters of bcrypt's digest.
pub(super) const DIGEST_LEN: usize = 31;

/// The smallest cost bcrypt knows; for tests.
pub const MIN_COST: u32 = 4;
/// The largest cost accepted: 3 s of a core.
pub const MAX_COST: u32 = 15;

/// Returns bcrypt's digest of the first 72 bytes of `key`, 31 characters of bcrypt's base64; none for a cost that bcrypt does
/// not know.
pub(super) fn bcrypt_digest(key: &[u8], cost: u32, salt: [u8; 16]) -> Option<String> {
    let parts = ::bcrypt::hash_with_salt(key, cost, salt).ok()?;
    let whole = parts.format_for_version(::bcrypt::Version::TwoB);
    // `$2b$12$`, 22 characters of salt, 31 of digest.
    let digest = whole.get(whole.len().saturating_sub(DIGEST_LEN)..)?;
    Some(digest.to_owned())
}
