use secrecy::SecretString;
use serde::Deserialize;
use ud_http::{FieldErrors, Validate};
use ud_kernel::FieldError;
use utoipa::ToSchema;

use crate::models::user::{NewUser, RawUser};

/// Who wants to be a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RegisterUser)]
pub struct RegisterUserRequest {
    /// Email address: a login identifier.
    #[schema(max_length = 254, example = "ada@example.org")]
    email: String,
    /// At least 15 characters unless configured otherwise, at most 256; anything but U+0000. Refused if common or
    /// guessable.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    password: SecretString,
    /// A second login identifier.
    #[serde(default)]
    #[schema(
        max_length = 32,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{1,30}[A-Za-z0-9]$",
        example = "ada"
    )]
    username: Option<String>,
    /// Name.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100)]
    given_name: Option<String>,
    /// Name.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100)]
    family_name: Option<String>,
    /// International form (E.164); spaces and hyphens are removed.
    #[serde(default)]
    #[schema(max_length = 32, example = "+442079460000")]
    phone: Option<String>,
    /// Language tag (BCP 47).
    #[serde(default)]
    #[schema(max_length = 35, example = "en-GB")]
    locale: Option<String>,
    /// IANA time zone.
    #[serde(default)]
    #[schema(max_length = 64, example = "Europe/London")]
    timezone: Option<String>,
}

impl RegisterUserRequest {
    /// The user asked for, and their password.
    ///
    /// # Errors
    /// Every value that is not acceptable.
    pub fn into_parts(self) -> Result<(NewUser, SecretString), Vec<FieldError>> {
        Ok((self.user()?, self.password))
    }

    fn user(&self) -> Result<NewUser, Vec<FieldError>> {
        NewUser::new(RawUser {
            email: &self.email,
            username: self.username.as_deref(),
            given_name: self.given_name.as_deref(),
            family_name: self.family_name.as_deref(),
            phone: self.phone.as_deref(),
            locale: self.locale.as_deref(),
            timezone: self.timezone.as_deref(),
        })
    }
}

impl Validate for RegisterUserRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        if let Err(found) = self.user() {
            found.into_iter().for_each(|error| errors.push(error));
        }
    }
}
