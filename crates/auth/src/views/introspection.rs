//! Bodies of introspection (RFC 7662) and revocation (RFC 7009).

use serde::{Deserialize, Serialize};
use ud_http::{FieldErrors, Validate};
use ud_kernel::{FieldError, SessionId, UserId};
use ud_service::Caller;
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

/// What a token is good for (RFC 7662 section 2.2, RFC 9068). Of one that is not active nothing but that is told.
#[derive(Default, Serialize, ToSchema)]
pub struct IntrospectionResponse {
    /// Whether it is accepted now: good, not expired, its session open, its rights in force.
    pub active: bool,
    /// Always `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub token_type: Option<&'static str>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub iss: Option<String>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub sub: Option<UserId>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub sid: Option<SessionId>,
    /// For whom it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub aud: Option<String>,
    /// The client it was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub client_id: Option<String>,
    /// When it was issued, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub iat: Option<i64>,
    /// When it begins to be good.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub nbf: Option<i64>,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub exp: Option<i64>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub jti: Option<String>,
    /// When the user logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub auth_time: Option<i64>,
    /// How sure that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub acr: Option<String>,
    /// How the user proved who they are (RFC 8176).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub amr: Option<Vec<String>>,
    /// The user's roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub roles: Option<Vec<String>>,
    /// What they may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub permissions: Option<Vec<String>>,
}

impl From<&Caller> for IntrospectionResponse {
    fn from(caller: &Caller) -> Self {
        let claims = caller.token().claims();
        Self {
            active: true,
            token_type: Some("Bearer"),
            iss: Some(claims.iss.clone()),
            sub: Some(claims.sub),
            sid: Some(claims.sid),
            aud: Some(claims.aud.clone()),
            client_id: Some(claims.client_id.clone()),
            iat: Some(claims.iat),
            nbf: Some(claims.nbf),
            exp: Some(claims.exp),
            jti: Some(claims.jti.clone()),
            auth_time: Some(claims.auth_time),
            acr: Some(claims.acr.clone()),
            amr: Some(claims.amr.clone()),
            roles: Some(claims.roles.clone()),
            permissions: Some(claims.permissions.clone()),
        }
    }
}
