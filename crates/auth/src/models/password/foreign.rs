//! Password hashes other systems made, as they stored them (SECURITY rule 10): they verify, and the login that
//! does so puts one of our own in their place.
//!
//! Every parameter is checked when the text is read, before any work: whoever can bring hashes in cannot make a
//! login cost more than the bounds say.

use std::num::NonZeroU32;

use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, PasswordHash as PhcHash, Version};
use aws_lc_rs::{constant_time, pbkdf2};
use base64::Engine as _;

use super::bcrypt::{BCRYPT_64, DIGEST_LEN, MAX_COST, MIN_COST, bcrypt_digest};

/// No accepted hash is longer.
pub const MAX_LEN: usize = 512;
/// KiB that argon2id may ask for, and scrypt's 128 bytes times `N` times `r` with them.
const ARGON2_KIB: std::ops::RangeInclusive<u32> = 4 * 1024..=128 * 1024;
const ARGON2_PASSES: std::ops::RangeInclusive<u32> = 1..=10;
const ARGON2_LANES: std::ops::RangeInclusive<u32> = 1..=8;
const PBKDF2_ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=2_000_000;
const SCRYPT_LOG_N: std::ops::RangeInclusive<u32> = 12..=17;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: std::ops::RangeInclusive<u32> = 1..=4;
/// Bytes; shorter is no salt, longer nobody makes.
const SALT_LEN: std::ops::RangeInclusive<usize> = 8..=64;
const ARGON2_DIGEST_LEN: std::ops::RangeInclusive<usize> = 16..=64;
/// What werkzeug asks of scrypt.
const SCRYPT_DIGEST_LEN: usize = 64;

/// A well-formed hash of a foreign scheme, within the bounds.
#[derive(Clone)]
pub enum ForeignHash {
    /// `$2a$`, `$2b$` or `$2y$`, which differ in the bugs of implementations long gone. As the originals do it: what
    /// stands behind byte 72 does not count.
    Bcrypt {
        /// 2 to this power rounds.
        cost: u32,
        /// Random.
        salt: [u8; 16],
        /// 31 characters of bcrypt's base64.
        digest: String,
    },
    /// A PHC string, as argon2-cffi and passlib write it (RFC 9106).
    Argon2id {
        /// Memory, passes and lanes.
        params: argon2::Params,
        /// Random.
        salt: Vec<u8>,
        /// The tag.
        digest: Vec<u8>,
    },
    /// `pbkdf2:sha256:ROUNDS$salt$hex` of werkzeug, and with `sha512` (RFC 8018).
    Pbkdf2 {
        /// The HMAC.
        algorithm: pbkdf2::Algorithm,
        /// Iterations.
        rounds: NonZeroU32,
        /// Its characters are the salt.
        salt: String,
        /// As long as the HMAC's output.
        digest: Vec<u8>,
    },
    /// `scrypt:N:r:p$salt$hex` of werkzeug (RFC 7914).
    Scrypt {
        /// N, r and p.
        params: scrypt::Params,
        /// Its characters are the salt.
        salt: String,
        /// 64 bytes.
        digest: Vec<u8>,
    },
}

impl ForeignHash {
    /// Reads one; none if it is malformed, of another scheme (PBKDF2 with SHA-1, argon2i, `$2x$`, ...) or out of
    /// bounds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        bcrypt(text)
            .or_else(|| argon2id(text))
            .or_else(|| pbkdf2(text))
            .or_else(|| scrypt(text))
    }

    /// Whether `password` is the one that was hashed. Takes as long as the parameters say: call it in the hash
    /// pool.
    #[must_use]
    pub fn verify(&self, password: &str) -> bool {
        let password = password.as_bytes();
        match self {
            Self::Bcrypt { cost, salt, digest } => bcrypt_digest(password, *cost, *salt)
                .is_some_and(|computed| is_same(computed.as_bytes(), digest.as_bytes())),
            Self::Argon2id {
                params,
                salt,
                digest,
            } => {
                let mut computed = vec![0; digest.len()];
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
                    .hash_password_into(password, salt, &mut computed)
                    .is_ok_and(|()| is_same(&computed, digest))
            }
            Self::Pbkdf2 {
                algorithm,
                rounds,
                salt,
                digest,
            } => pbkdf2::verify(*algorithm, *rounds, salt.as_bytes(), password, digest).is_ok(),
            Self::Scrypt {
                params,
                salt,
                digest,
            } => {
                let mut computed = vec![0; digest.len()];
                scrypt::scrypt(password, salt.as_bytes(), params, &mut computed)
                    .is_ok_and(|()| is_same(&computed, digest))
            }
        }
    }

    /// Bytes that [`ForeignHash::verify`] allocates, beside some KiB.
    #[must_use]
    pub fn memory(&self) -> usize {
        match self {
            Self::Bcrypt { .. } | Self::Pbkdf2 { .. } => 0,
            Self::Argon2id { params, .. } => params.block_count().saturating_mul(1024),
            Self::Scrypt { params, .. } => usize::try_from(params.n())
                .unwrap_or(usize::MAX)
                .saturating_mul(128 * SCRYPT_R as usize),
        }
    }
}

fn is_same(computed: &[u8], known: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(computed, known).is_ok()
}

/// A number as these formats write it: digits without a sign or a leading zero.
fn number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn bcrypt(text: &str) -> Option<ForeignHash> {
    // `$2b$12$`, 22 characters of salt, 31 of digest.
    let rest = ["$2a$", "$2b$", "$2y$"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))?;
    let (cost, rest) = rest.split_once('$')?;
    if cost.len() != 2 || !cost.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let cost = cost.parse().ok()?;
    if !(MIN_COST..=MAX_COST).contains(&cost) {
        return None;
    }
    let (salt, digest) = rest.split_at_checked(22)?;
    if digest.len() != DIGEST_LEN {
        return None;
    }
    BCRYPT_64.decode(digest).ok()?;
    Some(ForeignHash::Bcrypt {
        cost,
        salt: BCRYPT_64.decode(salt).ok()?.try_into().ok()?,
        digest: digest.to_owned(),
    })
}

fn argon2id(text: &str) -> Option<ForeignHash> {
    let hash = PhcHash::new(text).ok()?;
    let is_plain = hash.algorithm == ARGON2ID_IDENT
        && hash.version == Some(u32::from(Version::V0x13))
        && hash.params.iter().count() == 3
        && ["m", "t", "p"]
            .into_iter()
            .all(|name| hash.params.get(name).is_some());
    let params = argon2::Params::try_from(&hash).ok()?;
    let (salt, digest) = (hash.salt?, hash.hash?);
    let is_bounded = ARGON2_KIB.contains(&params.m_cost())
        && ARGON2_PASSES.contains(&params.t_cost())
        && ARGON2_LANES.contains(&params.p_cost())
        && SALT_LEN.contains(&salt.len())
        && ARGON2_DIGEST_LEN.contains(&digest.len());
    (is_plain && is_bounded).then(|| ForeignHash::Argon2id {
        params,
        salt: salt.to_vec(),
        digest: digest.as_bytes().to_vec(),
    })
}

/// Salt and digest behind the method of werkzeug's `method$salt$hex`.
fn salt_and_digest(text: &str, digest_len: usize) -> Option<(String, Vec<u8>)> {
    let (salt, digest) = text.split_once('$')?;
    if !SALT_LEN.contains(&salt.len()) || digest.len() != 2 * digest_len {
        return None;
    }
    // werkzeug writes lower case and compares text.
    if !digest
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    Some((salt.to_owned(), hex::decode(digest).ok()?))
}

fn pbkdf2(text: &str) -> Option<ForeignHash> {
    let (method, rest) = text.split_once('$')?;
    let mut method = method.strip_prefix("pbkdf2:")?.split(':');
    let (algorithm, digest_len) = match method.next()? {
        "sha256" => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
        "sha512" => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
        _ => return None,
    };
    let rounds = number(method.next()?).filter(|n| PBKDF2_ROUNDS.contains(n))?;
    if method.next().is_some() {
        return None;
    }
    let (salt, digest) = salt_and_digest(rest, digest_len)?;
    Some(ForeignHash::Pbkdf2 {
        algorithm,
        rounds: NonZeroU32::new(rounds)?,
        salt,
        digest,
    })
}

fn scrypt(text: &str) -> Option<ForeignHash> {
    let (method, rest) = text.split_once('$')?;
    let mut method = method.strip_prefix("scrypt:")?.split(':').map(number);
    let (n, r, p) = (method.next()??, method.next()??, method.next()??);
    if method.next().is_some() || r != SCRYPT_R || !SCRYPT_P.contains(&p) {
        return None;
    }
    let log_n = n.checked_ilog2()?;
    if !n.is_power_of_two() || !SCRYPT_LOG_N.contains(&log_n) {
        return None;
    }
    let (salt, digest) = salt_and_digest(rest, SCRYPT_DIGEST_LEN)?;
    Some(ForeignHash::Scrypt {
        params: scrypt::Params::new(u8::try_from(log_n).ok()?, r, p).ok()?,
        salt,
        digest,
    })
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
