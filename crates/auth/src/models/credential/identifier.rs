//! Login identifiers (SECURITY rule 6): their kind is told by syntax alone, and each has one canonical form.

use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};
use uuid::Uuid;

/// Longest email address, in bytes, as written and in canonical form (RFC 5321 section 4.5.3.1.3).
pub const MAX_EMAIL_LEN: usize = 254;
/// Longest local part, in bytes (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL_LEN: usize = 64;

/// Names that would look like the platform speaking, or like a path of its API.
const RESERVED: [&str; 38] = [
    "abuse",
    "account",
    "admin",
    "administrator",
    "anonymous",
    "api",
    "audit",
    "auth",
    "billing",
    "contact",
    "everyone",
    "guest",
    "help",
    "hostmaster",
    "info",
    "internal",
    "localhost",
    "login",
    "logout",
    "moderator",
    "noreply",
    "no-reply",
    "null",
    "official",
    "operator",
    "owner",
    "postmaster",
    "profile",
    "register",
    "root",
    "security",
    "service",
    "staff",
    "superuser",
    "support",
    "system",
    "undefined",
    "webmaster",
];

/// What sort of identifier it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentifierKind {
    /// Contains `@`.
    Email,
    /// Starts with `+`; contact data only, nobody logs in by it.
    Phone,
    /// Anything else.
    Username,
}

impl IdentifierKind {
    /// The kind of `text`, whether it is a good one or not.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.contains('@') {
            Self::Email
        } else if text.starts_with('+') {
            Self::Phone
        } else {
            Self::Username
        }
    }

    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Username => "username",
        }
    }
}

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Not an email address of the accepted form.
    #[error(
        "not an email address: one `@`, an unquoted local part of printable ASCII, a domain name"
    )]
    Email,
    /// Not a phone number in international form.
    #[error("not a phone number: `+` and 7 to 15 digits")]
    Phone,
    /// Not of the form of a username.
    #[error(
        "3 to 32 of a-z 0-9 . _ -, beginning and ending with a letter or digit, not digits only"
    )]
    Username,
    /// A username kept for the platform itself.
    #[error("this name is reserved")]
    Reserved,
}

impl IdentifierError {
    /// The code of the problem's entry in `errors`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Email => "identifier.invalid-email",
            Self::Phone => "identifier.invalid-phone",
            Self::Username => "identifier.invalid-username",
            Self::Reserved => "identifier.reserved",
        }
    }
}

/// An identifier in canonical form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    kind: IdentifierKind,
    canonical: String,
}

impl Identifier {
    /// Reads `text` as the kind its syntax says.
    ///
    /// # Errors
    /// [`IdentifierError`] of that kind.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        match IdentifierKind::of(text) {
            IdentifierKind::Email => Self::email(text),
            IdentifierKind::Phone => Self::phone(text),
            IdentifierKind::Username => Self::username(text),
        }
    }

    /// An email address: the local part keeps everything but the case of ASCII letters, the domain becomes
    /// A-labels (UTS 46). No dot or plus rules: whether two spellings are one mailbox is the host's affair.
    ///
    /// # Errors
    /// [`IdentifierError::Email`].
    pub fn email(text: &str) -> Result<Self, IdentifierError> {
        canonical_email(text)
            .map(|canonical| Self {
                kind: IdentifierKind::Email,
                canonical,
            })
            .ok_or(IdentifierError::Email)
    }

    /// A phone number: `+` and 7 to 15 digits (E.164), without the spaces, hyphens, dots and parentheses
    /// people write between them.
    ///
    /// # Errors
    /// [`IdentifierError::Phone`].
    pub fn phone(text: &str) -> Result<Self, IdentifierError> {
        canonical_phone(text)
            .map(|canonical| Self {
                kind: IdentifierKind::Phone,
                canonical,
            })
            .ok_or(IdentifierError::Phone)
    }

    /// A username: `^[a-z0-9][a-z0-9._-]{1,30}[a-z0-9]$` after ASCII lower-casing, not digits only, not a
    /// UUID, not reserved.
    ///
    /// # Errors
    /// [`IdentifierError::Username`], [`IdentifierError::Reserved`].
    pub fn username(text: &str) -> Result<Self, IdentifierError> {
        let canonical = text.to_ascii_lowercase();
        if !is_username(&canonical) {
            return Err(IdentifierError::Username);
        }
        // `me` and other short names are refused for their length already.
        if RESERVED.contains(&canonical.as_str()) {
            return Err(IdentifierError::Reserved);
        }
        Ok(Self {
            kind: IdentifierKind::Username,
            canonical,
        })
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> IdentifierKind {
        self.kind
    }

    /// Its canonical form: what is unique and what is looked up.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

impl std::fmt::Debug for Identifier {
    /// The kind only: identifiers do not belong in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identifier({:?}, ..)", self.kind)
    }
}

fn is_username(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_end = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (3..=32).contains(&bytes.len())
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b))
        && !bytes.iter().all(u8::is_ascii_digit)
        && Uuid::try_parse(text).is_err()
}

fn canonical_email(text: &str) -> Option<String> {
    if text.len() > MAX_EMAIL_LEN {
        return None;
    }
    let (local, domain) = text.split_once('@')?;
    if !is_local_part(local) {
        return None;
    }
    let domain = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .ok()?;
    // A last label of digits only is an IPv4 address or nothing.
    let last = domain.rsplit('.').next()?;
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let canonical = format!("{}@{domain}", local.to_ascii_lowercase());
    (canonical.len() <= MAX_EMAIL_LEN).then_some(canonical)
}

/// Dot-atom of RFC 5322 section 3.2.3: the only form that needs no quotes and holds no comment.
fn is_local_part(local: &str) -> bool {
    local.len() <= MAX_LOCAL_LEN
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
        })
}

fn canonical_phone(text: &str) -> Option<String> {
    if text.len() > 40 {
        return None;
    }
    let rest = text.strip_prefix('+')?;
    if !rest
        .bytes()
        .all(|b| b.is_ascii_digit() || b" -.()".contains(&b))
    {
        return None;
    }
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    ((7..=15).contains(&digits.len()) && !digits.starts_with('0')).then(|| format!("+{digits}"))
}

#[cfg(test)]
#[path = "identifier_tests.rs"]
mod tests;
