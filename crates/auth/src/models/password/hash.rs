//! Password hashes. Our own are in passlib's `bcrypt_sha256` format, version 2:
//! `$bcrypt-sha256$v=2,t=2b,r=12$<22 characters of salt>$<31 characters of digest>`. Those of other systems
//! ([`ForeignHash`]) are verified until their owner logs in.
//!
//! The key given to bcrypt is base64(HMAC-SHA-256(key = the salt's 22 characters, message = password)), 44
//! characters: bcrypt's limit of 72 bytes cuts nothing and a NUL byte ends nothing. The salt as the HMAC's
//! key keeps a leaked plain SHA-256 of the password from being tried against this hash.

use aws_lc_rs::{constant_time, hmac, rand};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    bcrypt::{BCRYPT_64, DIGEST_LEN, MAX_COST, MIN_COST, bcrypt_digest},
    foreign::ForeignHash,
};

const PREFIX: &str = "$bcrypt-sha256$v=2,t=2b,r=";
const SALT_LEN: usize = 22;

/// A well-formed password hash whose parameters are within the bounds.
#[derive(Clone)]
pub struct PasswordHash {
    text: String,
    scheme: Scheme,
}

#[derive(Clone)]
enum Scheme {
    Own { cost: u32, salt: [u8; 16] },
    Foreign(ForeignHash),
}

/// The text is no hash of a scheme that is accepted, or its parameters are out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a password hash of an accepted scheme and cost")]
pub struct PasswordHashError;

impl PasswordHash {
    /// Hashes `password` exactly as it is, with a new salt. Takes as long as `cost` says: call it in the
    /// hash pool.
    ///
    /// # Errors
    /// [`PasswordHashError`] for a cost outside [`MIN_COST`] to [`MAX_COST`], or if the system gives no
    /// random bytes.
    pub fn new(password: &str, cost: u32) -> Result<Self, PasswordHashError> {
        // The digest is not worth computing for a cost that is refused.
        accept_cost(cost)?;
        let salt = random()?;
        let digest = digest(password, cost, salt)?;
        Self::from_parts(cost, salt, &digest)
    }

    /// A hash of `cost` that no password is known to match: what an unknown user's password is compared
    /// with, so that it takes as long as a known one's.
    ///
    /// # Errors
    /// As [`PasswordHash::new`].
    pub fn dummy(cost: u32) -> Result<Self, PasswordHashError> {
        let salt = random()?;
        let mut digest = [0_u8; 23];
        rand::fill(&mut digest).map_err(|_| PasswordHashError)?;
        Self::from_parts(cost, salt, &BCRYPT_64.encode(digest))
    }

    /// Reads the stored text form.
    ///
    /// # Errors
    /// [`PasswordHashError`].
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let Some(rest) = text.strip_prefix(PREFIX) else {
            let foreign = ForeignHash::parse(text).ok_or(PasswordHashError)?;
            return Ok(Self {
                text: text.to_owned(),
                scheme: Scheme::Foreign(foreign),
            });
        };
        let (cost, rest) = rest.split_once('$').ok_or(PasswordHashError)?;
        let (salt, digest) = rest.split_once('$').ok_or(PasswordHashError)?;
        let cost: u32 = cost
            .parse()
            .ok()
            .filter(|n: &u32| n.to_string() == cost)
            .ok_or(PasswordHashError)?;
        if salt.len() != SALT_LEN || digest.len() != DIGEST_LEN {
            return Err(PasswordHashError);
        }
        let salt: [u8; 16] = BCRYPT_64
            .decode(salt)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(PasswordHashError)?;
        BCRYPT_64.decode(digest).map_err(|_| PasswordHashError)?;
        Self::from_parts(cost, salt, digest)
    }

    /// Whether `password` is the one that was hashed. Takes as long as the hash's cost says, whatever the
    /// answer: call it in the hash pool.
    #[must_use]
    pub fn verify(&self, password: &str) -> bool {
        let (cost, salt) = match &self.scheme {
            Scheme::Own { cost, salt } => (*cost, *salt),
            Scheme::Foreign(foreign) => return foreign.verify(password),
        };
        digest(password, cost, salt).is_ok_and(|digest| {
            let known = self.text.as_bytes().rsplit(|b| *b == b'$').next();
            constant_time::verify_slices_are_equal(digest.as_bytes(), known.unwrap_or_default())
                .is_ok()
        })
    }

    /// Bytes that [`PasswordHash::verify`] allocates, beside some KiB.
    #[must_use]
    pub fn memory(&self) -> usize {
        match &self.scheme {
            Scheme::Own { .. } => 0,
            Scheme::Foreign(foreign) => foreign.memory(),
        }
    }

    /// Whether one of our own of `cost` should take its place: it costs less, or is a foreign one.
    #[must_use]
    pub const fn is_weaker_than(&self, wanted: u32) -> bool {
        match &self.scheme {
            Scheme::Own { cost, .. } => *cost < wanted,
            Scheme::Foreign(_) => true,
        }
    }

    /// As stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn from_parts(cost: u32, salt: [u8; 16], digest: &str) -> Result<Self, PasswordHashError> {
        accept_cost(cost)?;
        let salt_text = BCRYPT_64.encode(salt);
        Ok(Self {
            text: format!("{PREFIX}{cost}${salt_text}${digest}"),
            scheme: Scheme::Own { cost, salt },
        })
    }
}

/// The text says everything about a hash.
impl PartialEq for PasswordHash {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PasswordHash {}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

fn accept_cost(cost: u32) -> Result<(), PasswordHashError> {
    if (MIN_COST..=MAX_COST).contains(&cost) {
        Ok(())
    } else {
        Err(PasswordHashError)
    }
}

fn random() -> Result<[u8; 16], PasswordHashError> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes).map_err(|_| PasswordHashError)?;
    Ok(bytes)
}

/// bcrypt's digest of the pre-hashed password, 31 characters of bcrypt's base64.
fn digest(password: &str, cost: u32, salt: [u8; 16]) -> Result<String, PasswordHashError> {
    let salt_text = BCRYPT_64.encode(salt);
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt_text.as_bytes());
    let key = Zeroizing::new(STANDARD.encode(hmac::sign(&key, password.as_bytes())));
    bcrypt_digest(key.as_bytes(), cost, salt).ok_or(PasswordHashError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Vector {
        password: String,
        hash: String,
    }

    #[test]
    fn passlibs_hashes_verify_and_are_made_again_byte_for_byte() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../../../tests/vectors/bcrypt_sha256.json"))
                .unwrap();
        assert!(vectors.len() > 60);
        for vector in vectors {
            let hash = PasswordHash::parse(&vector.hash).unwrap();
            assert!(hash.verify(&vector.password), "{}", vector.hash);
            assert!(!hash.verify(&format!("{}x", vector.password)));
            let Scheme::Own { cost, salt } = hash.scheme else {
                panic!("{} is our own", vector.hash);
            };
            let digest = digest(&vector.password, cost, salt).unwrap();
            let again = PasswordHash::from_parts(cost, salt, &digest).unwrap();
            assert_eq!(again.as_str(), vector.hash);
        }
    }

    #[test]
    fn nothing_is_cut_and_nothing_is_normalised() {
        let long = "x".repeat(256);
        let hash = PasswordHash::new(&long, MIN_COST).unwrap();
        assert!(hash.verify(&long));
        assert!(!hash.verify(&long[..255]));
        assert!(!hash.verify(&format!("{}y", &long[..255])));
        let composed = PasswordHash::new("caf\u{e9} caf\u{e9}", MIN_COST).unwrap();
        assert!(!composed.verify("cafe\u{301} cafe\u{301}"));
        let spaced = PasswordHash::new(" a ", MIN_COST).unwrap();
        assert!(!spaced.verify("a"));
    }

    #[test]
    fn the_dummy_matches_nothing_and_costs_the_same() {
        let dummy = PasswordHash::dummy(5).unwrap();
        assert!(dummy.is_weaker_than(6) && !dummy.is_weaker_than(5));
        assert!(!dummy.verify(""));
        assert_eq!(PasswordHash::parse(dummy.as_str()), Ok(dummy));
    }

    #[test]
    fn salts_differ() {
        let one = PasswordHash::new("same", MIN_COST).unwrap();
        let two = PasswordHash::new("same", MIN_COST).unwrap();
        assert_ne!(one.as_str(), two.as_str());
        assert!(one.is_weaker_than(5) && !one.is_weaker_than(4));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let good =
            "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$sdU2s51xApBVBMVw4RZiJY.7FC1fevu";
        assert!(PasswordHash::parse(good).is_ok());
        for bad in [
            "",
            "plain text",
            &good.replace("v=2", "v=1"),
            &good.replace("t=2b", "t=2a"),
            &good.replace("r=4", "r=3"),
            &good.replace("r=4", "r=04"),
            &good.replace("r=4", "r=+4"),
            &good.replace("r=4", "r=16"),
            &good.replace("r=4", "r="),
            &good.replace("uku$", "uk$"),
            &good.replace("uku$", "uk!$"),
            &good[..good.len() - 1],
            &format!("{good}x"),
            &format!("{good}$"),
        ] {
            assert_eq!(PasswordHash::parse(bad), Err(PasswordHashError), "{bad}");
        }
        assert!(PasswordHash::new("x", 3).is_err());
        assert!(PasswordHash::new("x", 16).is_err());
    }
}
