//! The view: bodies of requests and answers, problems.

mod introspection;
mod key;
mod token;

pub use introspection::{IntrospectionResponse, TokenForm};
pub use key::{KeyListResponse, KeyResponse};
pub use token::{
    ChangePasswordRequest, JwkSetResponse, LoginRequest, LoginResponse, LogoutRequest,
    ReauthenticateRequest, RefreshRequest, TokenResponse, ValidateResponse,
};
