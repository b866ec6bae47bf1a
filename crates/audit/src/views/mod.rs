//! Request and response bodies, and the OpenAPI document.

pub mod audit;
pub mod metadata;
pub mod openapi;
