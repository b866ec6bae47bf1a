//! Bodies of introspection (RFC 7662) and revocation (RFC 7009).

use serde::{Deserialize, Serialize};
use ud_http::{Caller, FieldErrors, Validate};
use ud_kernel::{FieldError, SessionId, UserId};
use utoipa::ToSchema;

/// Longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// A token to be looked at, or to be revoked.
#[derive(Deserialize, ToSchema)]
pub struct TokenForm {
    /// The token.
    #[schema(min_length = 1, max_length = 8192)]
    pub token: String,
    /// `access_token` or `refresh_token`; of no consequence: the token says itself what it is.
    #[serde(default, rename = "token_type_hint")]
    #[schema(required = false)]
    pub _token_type_hint: Option<String>,
}

impl Validate for TokenForm {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.token.is_empty() || self.token.len() > MAX_TOKEN {
            let text = format!("1 to {MAX_TOKEN} bytes");
            errors.push(FieldError::new("/token", "field.invalid", text));
        }
    }
}

/// What a token is good for. Of one that is not active nothing else is told.
#[derive(Serialize, ToSchema)]
pub struct IntrospectionResponse {
    /// Whether it is accepted now: good, not expired, its session open, its rights in force.
    pub active: bool,
    /// The rest.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub token: Option<IntrospectedToken>,
}

/// Claims of an active access token (RFC 7662 section 2.2, RFC 9068).
#[derive(Serialize, ToSchema)]
pub struct IntrospectedToken {
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Who issued it.
    pub iss: String,
    /// The user.
    pub sub: UserId,
    /// The session.
    pub sid: SessionId,
    /// For whom it is.
    pub aud: String,
    /// The client it was issued to.
    pub client_id: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it begins to be good.
    pub nbf: i64,
    /// When it expires.
    pub exp: i64,
    /// Its id.
    pub jti: String,
    /// When the user logged in.
    pub auth_time: i64,
    /// How sure that was.
    pub acr: String,
    /// How the user proved who they are (RFC 8176).
    pub amr: Vec<String>,
    /// The user's roles.
    pub roles: Vec<String>,
    /// What they may do.
    pub permissions: Vec<String>,
}

impl IntrospectionResponse {
    /// Nothing is told.
    #[must_use]
    pub const fn inactive() -> Self {
        Self {
            active: false,
            token: None,
        }
    }
}

impl From<&Caller> for IntrospectionResponse {
    fn from(caller: &Caller) -> Self {
        let claims = caller.token().claims();
        Self {
            active: true,
            token: Some(IntrospectedToken {
                token_type: "Bearer",
                iss: claims.iss.clone(),
                sub: claims.sub,
                sid: claims.sid,
                aud: claims.aud.clone(),
                client_id: claims.client_id.clone(),
                iat: claims.iat,
                nbf: claims.nbf,
                exp: claims.exp,
                jti: claims.jti.clone(),
                auth_time: claims.auth_time,
                acr: claims.acr.clone(),
                amr: claims.amr.clone(),
                roles: claims.roles.clone(),
                permissions: claims.permissions.clone(),
            }),
        }
    }
}
