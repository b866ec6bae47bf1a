//! V: bodies and queries, and the OpenAPI document.

pub mod internal;
pub mod openapi;
pub mod session;
