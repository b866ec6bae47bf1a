//! The user: what is known of a person, and the life cycle `pending`, `active` and `suspended` back and
//! forth, `deleted`.

use diesel::prelude::{Queryable, Selectable};
use ud_kernel::{FieldError, Patch, Timestamp, UserId, trim_identifier};

use super::{personal, schema::users};

/// Where in the life cycle a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserStatus {
    /// The registration is not complete: in no list, no read.
    Pending,
    /// May log in.
    Active,
    /// May not, until reactivated.
    Suspended,
    /// For good; personal data is gone.
    Deleted,
}

impl UserStatus {
    /// As stored and as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    /// Whether users of this status exist for clients.
    #[must_use]
    pub const fn is_visible(self) -> bool {
        matches!(self, Self::Active | Self::Suspended)
    }
}

impl TryFrom<String> for UserStatus {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        [Self::Pending, Self::Active, Self::Suspended, Self::Deleted]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| "not a status of a user".to_owned())
    }
}

/// A user, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct User {
    /// The same in every service.
    pub id: UserId,
    /// Where in the life cycle.
    #[diesel(deserialize_as = String)]
    pub status: UserStatus,
    /// As auth keeps it for sending mail; none once deleted.
    pub email: Option<String>,
    /// What it is looked up by.
    pub email_canonical: Option<String>,
    /// Whether the address was proved to be the user's.
    pub email_verified: bool,
    /// Canonical form.
    pub username: Option<String>,
    /// Name.
    pub given_name: Option<String>,
    /// Name.
    pub family_name: Option<String>,
    /// E.164. Contact data, not verified.
    pub phone: Option<String>,
    /// Language tag.
    pub locale: Option<String>,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// Entity tag, and number of the last event about the user; 0 while pending.
    pub version: i64,
    /// When the registration began.
    pub created_at: Timestamp,
    /// When anything of this last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// This user with `patch` applied, and the names of the members that differ.
    #[must_use]
    pub fn patched(&self, patch: &UserPatch) -> (Self, Vec<&'static str>) {
        let mut user = self.clone();
        let members = [
            ("given_name", &mut user.given_name, &patch.given_name),
            ("family_name", &mut user.family_name, &patch.family_name),
            ("locale", &mut user.locale, &patch.locale),
            ("timezone", &mut user.timezone, &patch.timezone),
        ];
        let mut changed = Vec::new();
        for (name, member, patch) in members {
            let new = patch.clone().apply(member.clone());
            if new != *member {
                *member = new;
                changed.push(name);
            }
        }
        (user, changed)
    }

    /// Words by which a search finds this user.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let email = self.email_canonical.as_deref();
        // Not the parts of the domain: half of all users share them.
        let local = email
            .and_then(|e| e.rsplit_once('@'))
            .map(|(local, _)| local);
        let names = [
            self.given_name.as_deref(),
            self.family_name.as_deref(),
            self.username.as_deref(),
            local,
        ];
        let mut words = personal::words(names.into_iter().flatten());
        words.extend(email.map(|e| e.chars().take(personal::MAX_WORD).collect()));
        words.sort_unstable();
        words.dedup();
        words
    }
}

/// What a registration says of the user, beside the password: every value in an accepted form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    email: String,
    username: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    phone: Option<String>,
    locale: Option<String>,
    timezone: Option<String>,
}

/// Values of [`NewUser`] as a client sent them.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(
    feature = "testing",
    expect(missing_docs, reason = "the members of NewUser")
)]
pub struct RawUser<'a> {
    pub email: &'a str,
    pub username: Option<&'a str>,
    pub given_name: Option<&'a str>,
    pub family_name: Option<&'a str>,
    pub phone: Option<&'a str>,
    pub locale: Option<&'a str>,
    pub timezone: Option<&'a str>,
}

/// Keeps the values, collects the errors.
#[derive(Default)]
struct Checks(Vec<FieldError>);

impl Checks {
    fn keep<T>(&mut self, result: Result<T, FieldError>) -> Option<T> {
        result.map_err(|e| self.0.push(e)).ok()
    }

    fn optional<T>(
        &mut self,
        text: Option<&str>,
        check: impl FnOnce(&str) -> Result<T, FieldError>,
    ) -> Option<T> {
        text.and_then(|text| self.keep(check(text)))
    }

    fn patch(
        &mut self,
        patch: &Patch<String>,
        check: impl FnOnce(&str) -> Result<String, FieldError>,
    ) -> Patch<String> {
        match patch {
            Patch::Keep => Patch::Keep,
            Patch::Clear => Patch::Clear,
            Patch::Set(text) => self.keep(check(text)).map_or(Patch::Keep, Patch::Set),
        }
    }

    fn end<T>(self, value: T) -> Result<T, Vec<FieldError>> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self.0)
        }
    }
}

impl NewUser {
    /// Takes what a client sent. Whether email and username are well-formed and free is auth's to say.
    ///
    /// # Errors
    /// Every value that is not acceptable.
    pub fn new(raw: RawUser<'_>) -> Result<Self, Vec<FieldError>> {
        let mut checks = Checks::default();
        // As auth does: what is logged in by has no white space at its ends.
        let email = trim_identifier(raw.email);
        checks.keep(personal::email("/email", email));
        let user = Self {
            email: email.to_owned(),
            username: checks.optional(raw.username.map(trim_identifier), |text| {
                ud_kernel::check_line("/username", text, personal::MAX_USERNAME)?;
                Ok(text.to_ascii_lowercase())
            }),
            given_name: checks.optional(raw.given_name, |t| personal::name("/given_name", t)),
            family_name: checks.optional(raw.family_name, |t| personal::name("/family_name", t)),
            phone: checks.optional(raw.phone, |t| personal::phone("/phone", t)),
            locale: checks.optional(raw.locale, |t| personal::locale("/locale", t)),
            timezone: checks.optional(raw.timezone, |t| personal::timezone("/timezone", t)),
        };
        checks.end(user)
    }

    /// The user as stored while the registration is not complete.
    #[must_use]
    pub fn into_pending(self, id: UserId, now: Timestamp) -> User {
        User {
            id,
            status: UserStatus::Pending,
            email_canonical: Some(personal::canonical_email(&self.email)),
            email: Some(self.email),
            email_verified: false,
            username: self.username,
            given_name: self.given_name,
            family_name: self.family_name,
            phone: self.phone,
            locale: self.locale,
            timezone: self.timezone,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// As written by the client.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// In lower case.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// Words of the user's own that a password must not contain, beside the identifiers.
    #[must_use]
    pub fn own_words(&self) -> Vec<String> {
        [&self.given_name, &self.family_name, &self.phone]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Every member, in one order: what an Idempotency-Key stands for, with the password.
    #[must_use]
    pub fn members(&self) -> [Option<&str>; 7] {
        [
            Some(&self.email),
            self.username.as_deref(),
            self.given_name.as_deref(),
            self.family_name.as_deref(),
            self.phone.as_deref(),
            self.locale.as_deref(),
            self.timezone.as_deref(),
        ]
    }
}

/// A change of a user's own data: the only members that can be changed here, in accepted forms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserPatch {
    given_name: Patch<String>,
    family_name: Patch<String>,
    locale: Patch<String>,
    timezone: Patch<String>,
}

impl UserPatch {
    /// Takes what a client sent.
    ///
    /// # Errors
    /// Every value that is not acceptable.
    pub fn new(
        given_name: &Patch<String>,
        family_name: &Patch<String>,
        locale: &Patch<String>,
        timezone: &Patch<String>,
    ) -> Result<Self, Vec<FieldError>> {
        let mut checks = Checks::default();
        let patch = Self {
            given_name: checks.patch(given_name, |t| personal::name("/given_name", t)),
            family_name: checks.patch(family_name, |t| personal::name("/family_name", t)),
            locale: checks.patch(locale, |t| personal::locale("/locale", t)),
            timezone: checks.patch(timezone, |t| personal::timezone("/timezone", t)),
        };
        checks.end(patch)
    }
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
