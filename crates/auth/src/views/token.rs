//! Bodies about logins and tokens.

use serde::{Deserialize, Deserializer, Serialize};
use ud_http::{FieldErrors, Validate};
use ud_kernel::{FieldError, SessionId, Timestamp, UserId, check_line, trim_identifier};
use ud_service::Caller;
use utoipa::ToSchema;

use crate::{flows::log_in::LoggedIn, models::token::token_pair::TokenPair};

/// Longest identifier that is looked at, in characters.
const MAX_IDENTIFIER: usize = 254;
/// Longest device token that is looked at.
const MAX_DEVICE_TOKEN: usize = 512;
/// Longest text that is looked at as an unlock code: people write spaces and hyphens.
const MAX_UNLOCK_CODE: usize = 32;
/// Longest refresh token that is looked at.
const MAX_REFRESH_TOKEN: usize = 512;

/// A login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Email address or username. White space around it does not count.
    #[schema(min_length = 1, max_length = 254, example = "ada@example.com")]
    #[serde(deserialize_with = "identifier")]
    pub identifier: String,
    /// Compared exactly as sent.
    #[schema(format = Password)]
    pub password: String,
    /// The `device_token` that the last login from this device answered with. One that is not good is ignored.
    #[serde(default)]
    #[schema(max_length = 512)]
    pub device_token: Option<String>,
    /// The code that an operator handed out to unlock the account. One that is not good is ignored.
    #[serde(default)]
    #[schema(max_length = 32)]
    pub unlock_code: Option<String>,
}

impl Validate for LoginRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.check(check_line("/identifier", &self.identifier, MAX_IDENTIFIER));
        // Whatever else they are is not told: only that they are too long to be looked at.
        let optional = [
            ("/device_token", &self.device_token, MAX_DEVICE_TOKEN),
            ("/unlock_code", &self.unlock_code, MAX_UNLOCK_CODE),
        ];
        for (pointer, text, max) in optional {
            if text.as_ref().is_some_and(|text| text.chars().count() > max) {
                let detail = format!("at most {max} characters");
                errors.push(FieldError::new(pointer, "field.too-long", detail));
            }
        }
    }
}

fn identifier<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(trim_identifier(&text).to_owned())
}

/// A refresh.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The one last given.
    #[schema(min_length = 1, max_length = 512)]
    pub refresh_token: String,
}

impl Validate for RefreshRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        check_refresh_token(errors, &self.refresh_token);
    }
}

fn check_refresh_token(errors: &mut FieldErrors, token: &str) {
    errors.check(check_line("/refresh_token", token, MAX_REFRESH_TOKEN));
}

/// What to log out of. The body may be left out.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutRequest {
    /// Every session of the user instead of this one.
    #[serde(default)]
    #[schema(default = false)]
    pub all: bool,
    /// In place of an access token that has expired: the session it belongs to ends.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 512)]
    pub refresh_token: Option<String>,
}

impl Validate for LogoutRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        if let Some(token) = &self.refresh_token {
            check_refresh_token(errors, token);
            if self.all {
                // A refresh token that somebody kept from long ago ends its own session, not all.
                errors.push(FieldError::new(
                    "/all",
                    "field.invalid",
                    "every session can be closed with an access token only",
                ));
            }
        }
    }
}

/// The password again, for a session that goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReauthenticateRequest {
    /// Compared exactly as sent.
    #[schema(format = Password)]
    pub password: String,
    /// The one last given to the session of the access token.
    #[schema(min_length = 1, max_length = 512)]
    pub refresh_token: String,
}

impl Validate for ReauthenticateRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        check_refresh_token(errors, &self.refresh_token);
    }
}

/// A change of one's own password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordRequest {
    /// The password until now.
    #[schema(format = Password)]
    pub current_password: String,
    /// At least 15 characters (the operator may allow less), at most 256; taken exactly as sent.
    #[schema(format = Password)]
    pub new_password: String,
    /// The one last given to the session of the access token: that session goes on, with new tokens.
    #[schema(min_length = 1, max_length = 512)]
    pub refresh_token: String,
}

impl Validate for ChangePasswordRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        check_refresh_token(errors, &self.refresh_token);
    }
}

/// New tokens.
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    /// JWT for `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    /// Good for one refresh.
    pub refresh_token: String,
    /// Seconds until the refresh token expires unless used.
    pub refresh_expires_in: u64,
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub user_id: UserId,
}

impl From<TokenPair> for TokenResponse {
    fn from(pair: TokenPair) -> Self {
        Self {
            access_token: pair.access_token,
            token_type: "Bearer",
            expires_in: pair.expires_in,
            refresh_token: pair.refresh_token,
            refresh_expires_in: pair.refresh_expires_in,
            session_id: pair.session_id,
            user_id: pair.user_id,
        }
    }
}

/// Answer to a login.
#[derive(Serialize, ToSchema)]
pub struct LoginResponse {
    /// JWT for `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    /// Good for one refresh.
    pub refresh_token: String,
    /// Seconds until the refresh token expires unless used.
    pub refresh_expires_in: u64,
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub user_id: UserId,
    /// To be kept on this device, also after a logout, and sent with its next login. It opens nothing: it shows that a
    /// login from here was completed before. Good for 180 days after the last login with it.
    pub device_token: String,
}

impl From<LoggedIn> for LoginResponse {
    fn from(logged_in: LoggedIn) -> Self {
        let TokenResponse {
            access_token,
            token_type,
            expires_in,
            refresh_token,
            refresh_expires_in,
            session_id,
            user_id,
        } = logged_in.tokens.into();
        Self {
            access_token,
            token_type,
            expires_in,
            refresh_token,
            refresh_expires_in,
            session_id,
            user_id,
            device_token: logged_in.device_token,
        }
    }
}

/// What a good access token stands for.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValidateResponse<'a> {
    /// Always true: a token that is not is answered with 401.
    pub active: bool,
    /// The user.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// Roles the token carries.
    pub roles: &'a [String],
    /// Permissions the token carries.
    pub permissions: &'a [String],
    /// When it expires.
    pub expires_at: Timestamp,
}

impl<'a> From<&'a Caller> for ValidateResponse<'a> {
    fn from(caller: &'a Caller) -> Self {
        Self {
            active: true,
            user_id: caller.user_id(),
            session_id: caller.session_id(),
            roles: caller.roles(),
            permissions: caller.permissions(),
            expires_at: caller.token().expires_at(),
        }
    }
}

/// A JWK set (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub struct JwkSetResponse {
    /// Public keys, each with `kid` and `alg`. Empty where a shared secret signs.
    pub keys: Vec<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(body: &impl Validate) -> bool {
        let mut errors = FieldErrors::default();
        body.validate(&mut errors);
        errors.into_result().is_err()
    }

    #[test]
    fn all_sessions_are_not_closed_by_a_refresh_token() {
        let logout = |all, token: Option<&str>| LogoutRequest {
            all,
            refresh_token: token.map(str::to_owned),
        };
        assert!(!faults(&logout(true, None)));
        assert!(!faults(&logout(false, Some("udr_x"))));
        assert!(faults(&logout(true, Some("udr_x"))));
        assert!(faults(&logout(false, Some(""))));
        assert!(faults(&logout(false, Some(&"x".repeat(513)))));
    }

    #[test]
    fn identifiers_are_lines() {
        let login = |identifier: &str| LoginRequest {
            identifier: identifier.to_owned(),
            password: String::new(),
            device_token: None,
            unlock_code: None,
        };
        assert!(!faults(&login("ada@example.com")));
        assert!(faults(&login("")));
        assert!(faults(&login("a\0b")));
        assert!(faults(&login(&"x".repeat(255))));
    }
}
