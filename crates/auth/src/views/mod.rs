//! The view: bodies of requests and answers, problems, and the OpenAPI document.

mod introspection;
mod key;
mod openapi;
mod problem;
mod token;

pub use introspection::{IntrospectionResponse, TokenForm};
pub use key::{KeyListResponse, KeyResponse, KeyStateName};
pub use openapi::document;
pub use token::{
    ChangePasswordRequest, JwkSetResponse, LoginRequest, LoginResponse, LogoutRequest,
    ReauthenticateRequest, RefreshRequest, TokenResponse, ValidateResponse,
};
