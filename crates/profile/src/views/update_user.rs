use serde::Deserialize;
use ud_http::{FieldErrors, Validate};
use ud_kernel::{Code, FieldError, Patch};
use utoipa::ToSchema;

use crate::models::user::UserPatch;

/// Changes of a user's own data (JSON merge patch, RFC 7396): null removes a value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UpdateUser)]
pub struct UpdateUserRequest {
    /// Name.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    given_name: Patch<String>,
    /// Name.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    family_name: Patch<String>,
    /// Language tag (BCP 47).
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 35, example = "en-GB")]
    locale: Patch<String>,
    /// IANA time zone.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64, example = "Europe/London")]
    timezone: Patch<String>,
}

impl UpdateUserRequest {
    /// The change asked for.
    ///
    /// # Errors
    /// Every value that is not acceptable.
    pub fn patch(&self) -> Result<UserPatch, Vec<FieldError>> {
        UserPatch::new(
            &self.given_name,
            &self.family_name,
            &self.locale,
            &self.timezone,
        )
    }
}

impl Validate for UpdateUserRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        if let Err(found) = self.patch() {
            found.into_iter().for_each(|error| errors.push(error));
        }
    }

    fn unknown_field() -> Code {
        Code::USER_FIELD_READ_ONLY
    }
}
